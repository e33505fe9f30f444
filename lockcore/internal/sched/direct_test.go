package sched

import (
	"fmt"
	"math/rand/v2"
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

// Nobody looks at the line because of a key that was in service all along: the end of
// what is kept would let t3 past t2 in this moment, and another store does not look.
func TestEnablingWhatIsNotDisabledChangesNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 0))
	s := State{Policy: lockcore.Backfill}
	now := int64(time.Hour)
	ask := func(id string, expect time.Duration, keys ...string) {
		tk := &lockcore.Ticket{ID: id, TTL: 30 * time.Second, Wait: true, Expect: expect, Requirements: []lockcore.Requirement{{Need: len(keys)}}}
		for _, k := range keys {
			tk.Requirements[0].Candidates = append(tk.Requirements[0].Candidates, lockcore.Candidate{Key: k})
		}
		s.Ask(now, tk, "", rnd.IntN)
	}
	ask("t1", 0, "a")
	ask("t2", 0, "a", "b")
	ask("t3", time.Second, "b")
	s.Release(now, "t1", time.Minute, lockcore.Released, rnd.IntN)
	before := s.Append(nil)
	s.Enable(now, []string{"b"}, rnd.IntN)
	if s.leases["t3"] != nil || string(s.Append(nil)) != string(before) {
		t.Error("enabling a key that was not disabled let t3 past t2")
	}
}
