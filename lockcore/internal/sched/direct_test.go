package sched

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func listOf(n int, name string) lockcore.Requirement {
	r := lockcore.Requirement{Need: 2, Choice: lockcore.InOrder}
	for i := range n {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: fmt.Sprint(name, "-", i)})
	}
	return r
}

// While somebody waits for something else, a long list costs what it costs when
// nobody waits: it is not copied.
func TestALongListIsNotCopiedForOneWhoNeedNotWait(t *testing.T) {
	var s State
	one := lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "k"}}}
	s.Ask(0, &lockcore.Ticket{ID: "holds", TTL: time.Hour, Requirements: []lockcore.Requirement{one}}, "", nil)
	s.Ask(0, &lockcore.Ticket{ID: "waits", TTL: time.Hour, Requirements: []lockcore.Requirement{one}, Wait: true}, "", nil)
	many := &lockcore.Ticket{ID: "many", TTL: time.Hour, Requirements: []lockcore.Requirement{listOf(10_000, "many")}, Wait: true}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 100
	for range rounds {
		if g, _ := s.Ask(0, many, "", nil); g == nil {
			t.Fatal("all of them are free")
		}
		s.Withdraw(0, "many", nil)
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / rounds; n > 10_000 {
		t.Errorf("a request took %d bytes", n)
	}
}

// What somebody in line could use is given out by a pass only, which knows what is
// reserved and in which order candidates are looked at.
func TestWhatAWaiterListsIsNotGivenOutDirectly(t *testing.T) {
	var s State
	held := listOf(1, "a")
	held.Need = 1
	both := lockcore.Requirement{Need: 2, Choice: lockcore.InOrder, Candidates: []lockcore.Candidate{{Key: "a-0"}, {Key: "b-0"}}}
	s.Ask(0, &lockcore.Ticket{ID: "holds", TTL: time.Hour, Requirements: []lockcore.Requirement{held}}, "", nil)
	s.Ask(0, &lockcore.Ticket{ID: "waits", TTL: time.Hour, Requirements: []lockcore.Requirement{both}, Wait: true}, "", nil)
	for list, want := range map[string][]string{"b-0 b-1": {"b-1"}, "b-1 b-0": {"b-1"}, "b-0": nil} {
		r := lockcore.Requirement{Choice: lockcore.InOrder}
		for _, k := range []string{"b-0", "b-1"} {
			switch {
			case list == "b-0" && k == "b-1":
			case list == "b-1 b-0":
				r.Candidates = slices.Insert(r.Candidates, 0, lockcore.Candidate{Key: k})
			default:
				r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
			}
		}
		g, _ := s.Ask(0, &lockcore.Ticket{ID: list, TTL: time.Hour, Requirements: []lockcore.Requirement{r}}, "", nil)
		if (g == nil) != (want == nil) || g != nil && !slices.Equal(g.Keys(), want) {
			t.Errorf("of %s, where b-0 is reserved, %v was granted", list, g)
		}
		s.Withdraw(0, list, nil)
	}
}
