package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/whatif"
)

// A piece of work is a test that asks, holds and gives back.
type work struct {
	test   string
	pause  time.Duration // before it asks
	hold   time.Duration
	expect time.Duration
	reqs   []lockcore.Requirement
}

// lanes is work, side by side; each lane is a process.
type lanes [][]work

// run has lockers do the work on a store, with a clock that only sleeps move, and
// returns what a log of it says.
func (l lanes) run(t *testing.T) (events []eventlog.Event, waited, makespan time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		var mu sync.Mutex
		begin := time.Now()
		write := func(e eventlog.Event, lane, i int) {
			e.V, e.TS, e.Host, e.PID = 1, time.Now(), "lab", lane+1
			e.At, e.Req, e.Test = e.TS, fmt.Sprintf("%d.%d", lane, i), eventlog.TestInfo{Pkg: "lab", Name: l[lane][i].test}
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
			waited += time.Duration(e.WaitedMS)
			makespan = max(makespan, e.TS.Sub(begin))
		}
		var wg sync.WaitGroup
		for lane, todo := range l {
			wg.Go(func() {
				locker := lockcore.New(store, &lockcore.Options{Owner: lockcore.Owner{Package: "lab", Host: "lab", PID: lane + 1}})
				defer locker.Close()
				for i, w := range todo {
					time.Sleep(w.pause)
					asks := eventlog.Event{Ev: eventlog.Request, ExpectMS: eventlog.MS(w.expect)}
					for _, r := range w.reqs {
						q := eventlog.Requirement{Name: r.Name, Need: r.Need}
						for _, c := range r.Candidates {
							q.Candidates = append(q.Candidates, c.Key)
						}
						asks.Reqs = append(asks.Reqs, q)
					}
					write(asks, lane, i)
					asked := time.Now()
					lease, err := locker.Acquire(t.Context(), lockcore.Request{Requirements: w.reqs, Expect: w.expect, Owner: lockcore.Owner{Test: w.test, Package: "lab"}})
					if err != nil {
						t.Error(err)
						return
					}
					got := eventlog.Event{Ev: eventlog.Grant, Outcome: eventlog.Acquired, WaitedMS: eventlog.MS(time.Since(asked)), Backfilled: lease.Backfilled()}
					for n, keys := range lease.Obtained() {
						for _, k := range keys {
							got.Chosen = append(got.Chosen, eventlog.Chosen{Key: k, Req: n})
						}
					}
					write(got, lane, i)
					time.Sleep(w.hold)
					if err := lease.Release(context.Background()); err != nil {
						t.Error(err)
					}
					write(eventlog.Event{Ev: eventlog.Release, HeldMS: eventlog.MS(w.hold)}, lane, i)
				}
			})
		}
		wg.Wait()
	})
	order := map[eventlog.Kind]int{eventlog.Release: 0, eventlog.Request: 1, eventlog.Grant: 2}
	slices.SortStableFunc(events, func(a, b eventlog.Event) int { return cmp.Or(a.At.Compare(b.At), order[a.Ev]-order[b.Ev]) })
	return events, waited, makespan
}

// some is n of so many resources.
func some(name string, need, of int) lockcore.Requirement {
	r := lockcore.Requirement{Name: name, Need: need}
	for i := range of {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: fmt.Sprint(name, "-", i+1)})
	}
	return r
}

// TestVerdictIsThatOfASecondRun has each kind of advice followed: what the verdict says
// it would bring is what a second run, of real lockers, is better by.
func TestVerdictIsThatOfASecondRun(t *testing.T) {
	// Six lanes want one of the boards, half of the tests with the chamber; accounts are
	// idle; one test holds for long.
	lab := func(boards, chambers, accounts int, soak time.Duration) (l lanes) {
		for lane := range 6 {
			var todo []work
			for i := range 8 {
				w := work{test: fmt.Sprintf("Test%d_%d", lane, i), pause: time.Duration(500+37*lane+i) * time.Millisecond, hold: time.Duration(7+(lane*5+i*3)%6) * time.Second,
					reqs: []lockcore.Requirement{some("boards", 1, boards), some("accounts", 1, accounts)}}
				if (lane+i)%2 == 0 {
					w.reqs = append(w.reqs, some("chamber", 1, chambers))
				}
				if lane == 0 && i%3 == 0 {
					w.test, w.hold = "TestSoak", soak
				}
				todo = append(todo, w)
			}
			l = append(l, todo)
		}
		return l
	}
	// A pair waits for a second board while tests that would be done before are kept
	// from the first.
	line := func(says bool) (l lanes) {
		for lane := range 4 {
			var todo []work
			for i := range 6 {
				w := work{test: fmt.Sprintf("Test%d_%d", lane, i), pause: time.Duration(300+41*lane+7*i) * time.Millisecond, hold: time.Duration(2+(lane+i)%3) * time.Second,
					reqs: []lockcore.Requirement{some("boards", 1, 2)}}
				switch {
				case lane == 0:
					w.hold = 30 * time.Second
				case lane == 1 && i%2 == 0:
					w.reqs = []lockcore.Requirement{some("boards", 2, 2)}
				}
				if says {
					w.expect = w.hold
				}
				todo = append(todo, w)
			}
			l = append(l, todo)
		}
		return l
	}
	for _, c := range []struct {
		do            report.AdviceKind
		what          string
		first, second lanes
	}{
		{report.Add, "chamber", lab(5, 1, 16, 25*time.Second), lab(5, 2, 16, 25*time.Second)},
		{report.Shorten, "TestSoak", lab(3, 3, 16, 60*time.Second), lab(3, 3, 16, 30*time.Second)},
		{report.Remove, "accounts", lab(5, 1, 16, 25*time.Second), lab(5, 1, 15, 25*time.Second)},
		{report.Expect, "", line(false), line(true)},
	} {
		t.Run(string(c.do), func(t *testing.T) {
			events, waited, makespan := c.first.run(t)
			r, err := whatif.FoldAndCompare(func(yield func(eventlog.Event, error) bool) {
				for _, e := range events {
					if !yield(e, nil) {
						return
					}
				}
			}, report.Options{}, 0)
			require.NoError(t, err)
			require.NotNil(t, r.Verdict)
			require.Empty(t, r.Verdict.NoEstimate)
			i := slices.IndexFunc(r.Verdict.Advice, func(a report.Advice) bool { return a.Do == c.do && a.What == c.what })
			require.GreaterOrEqual(t, i, 0, "%+v", r.Verdict.Advice)
			a := r.Verdict.Advice[i]
			_, waited2, makespan2 := c.second.run(t)
			t.Logf("waits %v less of %v, really %v; makespan %v less of %v, really %v", a.Waits.Median.Duration(), waited, waited-waited2, a.Makespan.Median.Duration(), makespan, makespan-makespan2)
			assert.InDelta(t, waited-waited2, a.Waits.Median.Duration(), 0.1*float64(waited))
			assert.InDelta(t, makespan-makespan2, a.Makespan.Median.Duration(), 0.1*float64(makespan))
		})
	}
}
