package locktest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// traces plays random operations to the store and to the scheduler side by side
// and compares every answer. Time stands still for the scheduler and no TTL
// ends for the store, so both see the same order of events; candidates are
// chosen in order, so both have one right answer.
//
// Expectations are such that it does not matter how long the store really takes:
// powers of two, in hours, of which no two are the same at a time, so that nothing
// that is expected differs from anything else by less than an hour; and one test
// that is learned about and takes next to nothing, of which never two are about.
func traces(e *env) {
	rnd := seed(e)
	for i := range 5 {
		other := *e
		other.ns = fmt.Sprint(e.ns, "-", i)
		tr := &trace{env: &other, rnd: rnd, store: other.open(), tickets: make(map[string]*lockcore.Ticket), held: make(map[string]*lockcore.Grant)}
		for range 60 {
			tr.step()
		}
	}
}

type trace struct {
	*env
	rnd   *rand.Rand
	store lockcore.Store
	model sched.State
	log   []string

	n       int
	tickets map[string]*lockcore.Ticket // waiting
	held    map[string]*lockcore.Grant
}

const traceNow = int64(time.Hour)

func (tr *trace) note(format string, args ...any) {
	tr.log = append(tr.log, fmt.Sprintf(format, args...))
}

func (tr *trace) differ(format string, args ...any) {
	tr.Helper()
	for _, line := range tr.log {
		tr.Log(line)
	}
	tr.Fatalf("the store and the scheduler differ: "+format, args...)
}

func pick[V any](rnd *rand.Rand, m map[string]V) (string, bool) {
	if len(m) == 0 {
		return "", false
	}
	ids := make([]string, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids[rnd.IntN(len(ids))], true
}

func (tr *trace) step() {
	switch op := tr.rnd.IntN(10); {
	case tr.rnd.IntN(6) == 0 && tr.reserves():
		tr.administer()
	case op < 4 && len(tr.tickets) < 8:
		tr.request()
	case op < 8:
		if id, ok := pick(tr.rnd, tr.held); ok {
			tr.release(id)
		}
	case op == 8:
		if id, ok := pick(tr.rnd, tr.tickets); ok {
			tr.note("withdraw %s", id)
			tr.must(tr.store.Withdraw(tr.ctx, id))
			tr.model.Withdraw(traceNow, id, rand.IntN)
			delete(tr.tickets, id)
		}
	default:
		if id, ok := pick(tr.rnd, tr.tickets); ok {
			t := tr.tickets[id]
			t.Requirements = tr.requirements()
			t.Revision++
			tr.note("revise %s to %v", id, t.Requirements)
			tr.ask(t)
		}
	}
	// Everybody in line polls: whoever was granted by the step learns of it.
	ids := make([]string, 0, len(tr.tickets))
	for id := range tr.tickets {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		tr.ask(tr.tickets[id])
	}
}

func (tr *trace) must(err error) {
	tr.Helper()
	if err != nil {
		tr.differ("%v", err)
	}
}

func (tr *trace) request() {
	tr.n++
	t := ticket(tr.name(), watchdog, tr.requirements()...)
	t.Wait = tr.rnd.IntN(4) > 0
	t.Priority = 2 * tr.rnd.IntN(3) // two minutes apart: more than the trace takes
	tr.expectation(t)
	tr.note("ask %s (%s) for %v, priority %d, expect %s, wait %v", t.ID, t.Owner.Test, t.Requirements, t.Priority, t.Expect, t.Wait)
	tr.ask(t)
}

func (tr *trace) name() string { return fmt.Sprint("t", tr.n) }

// expectation draws what is known of how long the ticket will be held.
func (tr *trace) expectation(t *lockcore.Ticket) {
	switch {
	case tr.rnd.IntN(4) == 0 && !tr.some(func(o *lockcore.Ticket) bool { return o.Owner.Test == "learner" }):
		t.Owner.Test = "learner"
	case tr.rnd.IntN(3) > 0:
		if d := time.Hour << tr.rnd.IntN(16); !tr.expected(d) {
			t.Expect = d
		}
	}
}

// expected reports whether somebody is expected to hold for as long already.
func (tr *trace) expected(d time.Duration) bool {
	return tr.some(func(o *lockcore.Ticket) bool { return o.Expect == d || o.For == d })
}

// some reports whether f holds for one who waits or holds.
func (tr *trace) some(f func(*lockcore.Ticket) bool) bool {
	for _, w := range tr.tickets {
		if f(w) {
			return true
		}
	}
	for _, g := range tr.held {
		if f(g.Ticket) {
			return true
		}
	}
	return false
}

// requirements draws what can be met with everything free.
func (tr *trace) requirements() []lockcore.Requirement {
	keys := []string{"a", "b", "c", "d", "e"}
	seats := tr.rnd.IntN(3) == 0
	for {
		var reqs []lockcore.Requirement
		for range 1 + tr.rnd.IntN(3) {
			tr.rnd.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			n := 1 + tr.rnd.IntN(4)
			r := of(1+tr.rnd.IntN(n), keys[:n]...)
			r.Choice = lockcore.InOrder
			if seats {
				r.Seats = 2
			} else {
				r.Shared = tr.rnd.IntN(4) == 0
			}
			reqs = append(reqs, r)
		}
		if _, ok := lockcore.Match(reqs, func(r int, _ string) int { return max(1, reqs[r].Seats) }, nil); ok {
			return reqs
		}
	}
}

func (tr *trace) ask(t *lockcore.Ticket) {
	tr.Helper()
	got := tr.env.ask(tr.store, t)
	c := *t
	want, _ := tr.model.Ask(traceNow, &c, "", rand.IntN)
	if (got == nil) != (want == nil) || got != nil && (!slices.EqualFunc(got.Obtained, want.Obtained, slices.Equal) || tr.reserves() && !sameWords(got, want) || got.Backfilled != want.Backfilled) {
		tr.differ("%s got %s, should have %s", t.ID, words(got), words(want))
	}
	switch {
	case got != nil:
		tr.note("  %s has %q", t.ID, got.Obtained)
		tr.held[t.ID] = got
		delete(tr.tickets, t.ID)
	case t.Wait:
		tr.tickets[t.ID] = t
	}
}

func words(g *lockcore.Grant) string {
	if g == nil {
		return "nothing"
	}
	return fmt.Sprintf("%q (backfilled: %v, last uses: %v)", g.Obtained, g.Backfilled, g.Last)
}

func (tr *trace) release(id string) {
	if tr.held[id].Ticket.For > 0 {
		tr.giveBack(id)
		return
	}
	keep := time.Duration(tr.rnd.IntN(6)/5) * watchdog
	g := *tr.held[id]
	g.Ending = lockcore.Ending(tr.rnd.IntN(2)) // released, or the test failed
	tr.note("release %s, keep %s, ending %s", id, keep, g.Ending)
	delete(tr.held, id)
	tr.must(tr.store.Release(tr.ctx, &g, keep))
	tr.model.Release(traceNow, id, keep, g.Ending, rand.IntN)
	if keep > 0 && tr.rnd.IntN(2) == 0 && len(g.Keys()) > 0 {
		k := g.Keys()[0]
		tr.note("free %s", k)
		_, err := tr.store.Free(tr.ctx, k, "for the test")
		tr.must(err)
		for _, h := range tr.model.Free(traceNow, k, "for the test", rand.IntN) {
			delete(tr.held, h.ID)
		}
	}
}
