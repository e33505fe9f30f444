package locktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
)

// A trace plays random operations to a store and to the scheduler side by side, and
// compares every answer. Candidates are chosen in order, so both have one right
// answer. What it draws is in tracedraw.go.
//
// With a stage, time passes between the operations, for both alike, and who holds,
// who waits and what is reserved for whom is compared after each. Without one, both have
// the real time, a little apart, and no TTL ends: how long somebody has waited decides
// who is let past others, and on a slow machine that is seconds.
type trace struct {
	testing.TB
	ctx   context.Context
	rnd   *rand.Rand
	store lockcore.Store
	model sched.State
	stage *Stage // nil: both have the real time
	began time.Time
	drawn // what kind of requests there are
	log   []string

	n       int
	passed  int                         // requests that were let past others
	tickets map[string]*lockcore.Ticket // waiting
	held    map[string]*lockcore.Grant
}

func newTrace(tb testing.TB, ctx context.Context, rnd *rand.Rand, store lockcore.Store) *trace {
	return &trace{TB: tb, ctx: ctx, rnd: rnd, store: store, began: time.Now(), tickets: make(map[string]*lockcore.Ticket), held: make(map[string]*lockcore.Grant)}
}

// traces is what every store is tried with, in its own time.
func traces(e *env) {
	rnd := seed(e)
	for i := range 5 {
		other := *e
		other.ns = fmt.Sprint(e.ns, "-", i)
		tr := newTrace(e, e.ctx, rnd, other.open())
		for range 60 {
			tr.step()
		}
	}
}

// TestTraces plays random traces on a stage: requests with and without expectations,
// by tests that are learned about, nested ones, with priorities and by the seat; leases
// that expire and come back; waiters whose patience ends. For more of them, or to see
// one again:
//
//	LOCKTEST_TRACES=1000 LOCKTEST_SEED=7 go test -run Traces ./lockcore/…
//
// Also the seeds that are named are played: they once showed something.
func TestTraces(t *testing.T, play Play, seeds ...uint64) {
	n, first := campaign.Knob(t, "LOCKTEST_TRACES", 4), campaign.Knob(t, "LOCKTEST_SEED", rand.Uint64()>>1)
	for seed := first; seed < first+n; seed++ {
		seeds = append(seeds, seed)
	}
	passed := 0
	for _, seed := range seeds {
		if t.Failed() {
			break
		}
		play(t, func(t *testing.T, stage Stage) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			tr := newTrace(t, t.Context(), rnd, nil)
			tr.stage, tr.drawn = &stage, draw(rnd)
			defer func() {
				if t.Failed() {
					t.Logf("to see it again: LOCKTEST_TRACES=1 LOCKTEST_SEED=%d", seed)
				}
			}()
			tr.model.LockDelay, tr.model.Policy = tr.delay, tr.policy
			tr.store = stage.Open(tr.policy, tr.delay)
			for range 70 {
				tr.step()
			}
			tr.compareHistories()
			passed += tr.passed
		})
	}
	t.Logf("%d traces agree, the last %d from LOCKTEST_SEED=%d on; %d requests were let past others", len(seeds), n, first, passed)
}

// now is the clock of the scheduler.
func (tr *trace) now() int64 {
	if tr.stage == nil {
		return int64(time.Hour + time.Since(tr.began))
	}
	return tr.stage.Now().UnixNano()
}

// inOrder is for choices, of which there are none.
func inOrder(n int) int { return n - 1 }

func (tr *trace) note(format string, args ...any) {
	at := ""
	if tr.stage != nil {
		at = tr.stage.Now().Format("04:05.000000  ")
	}
	tr.log = append(tr.log, at+fmt.Sprintf(format, args...))
}

func (tr *trace) differ(format string, args ...any) {
	tr.Helper()
	snap := tr.model.Snapshot(tr.now(), inOrder)
	tr.note("now hold %v, wait %v", list(snap.Holders, func(h lockcore.Holder) string { return fmt.Sprint(h.ID, h.State, h.Obtained) }, false),
		list(snap.Waiters, func(w lockcore.Waiter) string { return fmt.Sprint(w.ID, " reserves ", w.Reserved) }, false))
	for _, line := range tr.log {
		tr.Log(line)
	}
	tr.Fatalf("the store and the scheduler differ: "+format, args...)
}

func (tr *trace) must(err error) {
	tr.Helper()
	if err != nil {
		tr.differ("%v", err)
	}
}

func ids[V any](m map[string]V) (out []string) {
	for id := range m {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// one draws one of them.
func one[V any](rnd *rand.Rand, m map[string]V) (string, bool) {
	if len(m) == 0 {
		return "", false
	}
	return ids(m)[rnd.IntN(len(m))], true
}

// step has something happen, and everybody in line poll: whoever was granted by it
// learns of it.
func (tr *trace) step() {
	tr.pass()
	tr.operation()
	if tr.stage != nil && tr.stage.Settle != nil { // before anybody asks: a stage looks whether the operation has served whom it could
		tr.stage.Settle()
		_, err := tr.store.Snapshot(tr.ctx)
		tr.must(err)
		tr.stage.Settle()
	}
	for _, id := range ids(tr.tickets) {
		if tr.stage == nil || tr.rnd.IntN(40) > 0 {
			tr.ask(tr.tickets[id])
		}
	}
	if tr.stage != nil {
		tr.compare()
	}
}

// ask calls the store and the scheduler for a ticket.
func (tr *trace) ask(t *lockcore.Ticket) {
	tr.Helper()
	c := *t
	ans, err := tr.store.Ask(tr.ctx, &c, func(*lockcore.Grant) {})
	tr.must(err)
	got := ans.Grant
	if got == nil && t.Wait && ans.Poll <= 0 {
		tr.differ("%s waits, and Poll is %s: when should it ask again?", t.ID, ans.Poll)
	}
	d := *t
	want, _ := tr.model.Ask(tr.now(), &d, "", inOrder)
	if (got == nil) != (want == nil) || got != nil && (!slices.EqualFunc(got.Obtained, want.Obtained, slices.Equal) || got.Backfilled != want.Backfilled || !maps.Equal(got.Last, want.Last)) {
		tr.differ("%s got %s, should have %s", t.ID, words(got), words(want))
	}
	switch {
	case got != nil:
		tr.note("  %s has %s", t.ID, words(got))
		if got.Backfilled {
			tr.passed++
		}
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

func (tr *trace) release(id string, keep time.Duration) {
	g := *tr.held[id]
	g.Ending = lockcore.Ending(tr.rnd.IntN(2)) // released, or the test failed
	tr.note("release %s, keep %s, ending %s", id, keep, g.Ending)
	delete(tr.held, id)
	err := tr.store.Release(tr.ctx, &g, keep)
	if !errors.Is(err, lockcore.ErrNotHeld) {
		tr.must(err)
	}
	if held := tr.model.Release(tr.now(), id, keep, g.Ending, inOrder); held != (err == nil) {
		tr.differ("the release of %s says %v, it was held: %v", id, err, held)
	}
}

func (tr *trace) renew(id string) {
	tr.note("renew %s", id)
	errs, err := tr.store.Renew(tr.ctx, []*lockcore.Grant{tr.held[id]})
	tr.must(err)
	want := tr.model.Renew(tr.now(), tr.held[id], inOrder)
	if (errs[0] == nil) != (want == nil) {
		tr.differ("the renewal of %s says %v, should say %v", id, errs[0], want)
	}
	if want != nil {
		delete(tr.held, id)
	}
}

func (tr *trace) withdraw(id string) {
	tr.note("withdraw %s", id)
	tr.must(tr.store.Withdraw(tr.ctx, id))
	tr.model.Withdraw(tr.now(), id, inOrder)
	delete(tr.tickets, id)
}

func (tr *trace) free(key string) {
	tr.note("free %s", key)
	freed, err := tr.store.Free(tr.ctx, key, "for the test")
	if !errors.Is(err, lockcore.ErrNotHeld) {
		tr.must(err)
	}
	want := tr.model.Free(tr.now(), key, "for the test", inOrder)
	if len(freed) != len(want) {
		tr.differ("%d leases on %s were ended, should be %d", len(freed), key, len(want))
	}
	for _, h := range want {
		delete(tr.held, h.ID)
	}
}

// compare looks at who holds, who waits, and what is reserved for whom.
func (tr *trace) compare() {
	tr.Helper()
	got, err := tr.store.Snapshot(tr.ctx)
	tr.must(err)
	want := tr.model.Snapshot(tr.now(), inOrder)
	holder := func(h lockcore.Holder) string {
		return fmt.Sprint(h.ID, h.Obtained, h.State, h.Expect, h.Parents, h.Expires.UnixMicro())
	}
	waiter := func(w lockcore.Waiter) string {
		return fmt.Sprint(w.ID, slices.Sorted(slices.Values(w.Reserved)), w.Priority, w.Since.UnixMicro(), w.Parents, w.Expires.UnixMicro())
	}
	tr.same("holders", list(got.Holders, holder, true), list(want.Holders, holder, true))
	tr.same("in line, with reservations,", list(got.Waiters, waiter, false), list(want.Waiters, waiter, false))
}

func (tr *trace) compareHistories() {
	tr.Helper()
	s, ok := tr.store.(interface {
		History(context.Context) ([]lockcore.Usage, error)
	})
	if !ok {
		return
	}
	got, err := s.History(tr.ctx)
	tr.must(err)
	usage := func(u lockcore.Usage) string {
		return fmt.Sprintf("%q %q %q %d %s %s %s %d", u.Package, u.Test, u.Requirements, u.Holds, u.Median, u.Shortest, u.Longest, u.Last.UnixMicro())
	}
	tr.same("learned", list(got, usage, false), list(tr.model.Usages(tr.now(), inOrder), usage, false))
}

func (tr *trace) same(what string, got, want []string) {
	tr.Helper()
	if !slices.Equal(got, want) {
		tr.differ("%s are\n%q, should be\n%q", what, got, want)
	}
}

// list words a list; sorted, for leases that were granted at one moment.
func list[T any](of []T, f func(T) string, sorted bool) (out []string) {
	for _, v := range of {
		out = append(out, f(v))
	}
	if sorted {
		slices.Sort(out)
	}
	return out
}
