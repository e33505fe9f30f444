package redisstore_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// TestBackfillTraces plays random requests, with and without expectations, by
// tests that are learned about, to the store and to the scheduler, on one clock,
// and compares every answer and every reservation after every step. Candidates
// are chosen in order, and whatever happens concerns everybody in line: so there
// is one right answer. For more of them, or to see one again:
//
//	REDISSTORE_TRACES=1000 REDISSTORE_SEED=7 go test -run TestBackfillTraces ./lockcore/redisstore
func TestBackfillTraces(t *testing.T) {
	n, first := envNumber(t, "REDISSTORE_TRACES", 3), envNumber(t, "REDISSTORE_SEED", rand.Uint64()>>1)
	passed := 0
	// Some that once differed: requirements that take seats of one key together, and
	// one that is delayed by a single lease on a key with seats for all it needs.
	seeds := []uint64{2105, 3162, 4232, 9095}
	for seed := first; seed < first+n; seed++ {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		if t.Failed() {
			break
		}
		inBubble(t, func(b bubble) {
			tr := &trace{bubble: b, seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), store: b.open(redisstore.Options{}),
				tickets: make(map[string]*lockcore.Ticket), held: make(map[string]*lockcore.Grant)}
			tr.wide = tr.rnd.IntN(2) == 0
			for range 70 {
				tr.step()
				if b.Failed() {
					return
				}
			}
			tr.histories()
			passed += tr.passed
		})
		if n > 100 && !t.Failed() {
			t.Logf("seed %d: agreed, %d let past others so far", seed, passed)
		}
	}
	t.Logf("%d traces agree, the last %d from seed %d on, with %d requests that were let past others", len(seeds), n, first, passed)
}

func envNumber(t *testing.T, name string, def uint64) uint64 {
	v := os.Getenv(name)
	if v == "" {
		return def
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q is not a number", name, v)
	}
	return n
}

type trace struct {
	bubble
	seed  uint64
	rnd   *rand.Rand
	wide  bool // every requirement lists every key; else all share one
	store *redisstore.Store
	model sched.State
	log   []string

	n, passed int
	tickets   map[string]*lockcore.Ticket
	held      map[string]*lockcore.Grant
}

func (tr *trace) now() int64 { return time.Now().UnixNano() }

func (tr *trace) note(format string, args ...any) {
	tr.log = append(tr.log, fmt.Sprintf("%s  ", time.Now().Format("04:05.000000"))+fmt.Sprintf(format, args...))
}

func (tr *trace) differ(format string, args ...any) {
	tr.Helper()
	for _, line := range tr.log {
		tr.Log(line)
	}
	tr.Fatalf("REDISSTORE_SEED=%d: the store and the scheduler differ: %s", tr.seed, fmt.Sprintf(format, args...))
}

func (tr *trace) one(of []string) (string, bool) {
	slices.Sort(of)
	if len(of) == 0 {
		return "", false
	}
	return of[tr.rnd.IntN(len(of))], true
}

func ids[V any](m map[string]V) (out []string) {
	for id := range m {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// step lets some time go by, never so much that somebody in line is dropped, and
// then has something happen.
func (tr *trace) step() {
	longest := 4 * time.Second
	if tr.rnd.IntN(5) == 0 {
		longest = 14 * time.Second
	}
	time.Sleep(time.Duration(1+tr.rnd.IntN(int(longest.Microseconds()))) * time.Microsecond)
	switch op := tr.rnd.IntN(10); {
	case op < 5 && len(tr.tickets) < 9:
		tr.request()
	case op < 8:
		if id, ok := tr.one(ids(tr.held)); ok {
			tr.release(id)
		}
	case op == 8:
		if id, ok := tr.one(ids(tr.tickets)); ok && tr.rnd.IntN(2) == 0 {
			tr.note("withdraw %s", id)
			if err := tr.store.Withdraw(tr.Context(), id); err != nil {
				tr.differ("%v", err)
			}
			tr.model.Withdraw(tr.now(), id, tr.draw)
			delete(tr.tickets, id)
		}
	default:
		if id, ok := tr.one(ids(tr.tickets)); ok && tr.rnd.IntN(3) == 0 {
			t := tr.tickets[id]
			t.Requirements = tr.requirements()
			t.Revision++
			tr.note("revise %s to %v", id, brief(t))
			tr.ask(t)
		}
	}
	for _, id := range ids(tr.tickets) {
		tr.ask(tr.tickets[id])
	}
	tr.compare()
}

// draw is for choices, of which there are none.
func (tr *trace) draw(n int) int { return n - 1 }

func (tr *trace) request() {
	tr.n++
	t := ticket(fmt.Sprint("t", tr.n), 2*time.Hour, tr.requirements()...)
	t.Owner.Test = fmt.Sprint("T", tr.rnd.IntN(7))
	if t.Owner.Test == "T0" {
		t.Owner.Test = ""
	}
	if tr.rnd.IntN(3) == 0 {
		t.Expect = time.Duration(1+tr.rnd.IntN(60_000_000)) * time.Microsecond
	}
	t.Wait = tr.rnd.IntN(6) > 0
	t.Priority = tr.rnd.IntN(8) / 7
	tr.note("ask %s (%s) for %v, priority %d, expect %s, wait %v", t.ID, t.Owner.Test, brief(t), t.Priority, t.Expect, t.Wait)
	tr.ask(t)
}

func brief(t *lockcore.Ticket) (out []string) {
	for i := range t.Requirements {
		keys := ""
		for _, c := range t.Requirements[i].Candidates {
			keys += c.Key
		}
		out = append(out, fmt.Sprintf("%d of %s (shared %v, seats %d)", t.Requirements[i].Need, keys, t.Requirements[i].Shared, t.Requirements[i].Seats))
	}
	return out
}

// requirements draws what can be met with everything free.
func (tr *trace) requirements() []lockcore.Requirement {
	keys := []string{"a", "b", "c", "d", "e"}
	seats := tr.rnd.IntN(4) == 0
	for {
		var reqs []lockcore.Requirement
		for range 1 + tr.rnd.IntN(8)/5 {
			tr.rnd.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			n := len(keys)
			if tr.wide {
				if tr.rnd.IntN(3) > 0 {
					slices.Sort(keys) // so that some ask for the same
				}
			} else {
				n = 1 + tr.rnd.IntN(n)
			}
			r := of(1+tr.rnd.IntN(1+tr.rnd.IntN(n)), keys[:n]...)
			if seats {
				r.Seats = 2
			} else {
				r.Shared = tr.rnd.IntN(6) == 0
			}
			reqs = append(reqs, r)
		}
		if !tr.wide {
			r := of(1, "z")
			r.Shared = true
			reqs = append(reqs, r)
		}
		for i := range reqs {
			reqs[i].Choice = lockcore.InOrder
		}
		if _, ok := lockcore.Match(reqs, func(r int, _ string) int { return max(1, reqs[r].Seats) }, nil); ok {
			return reqs
		}
	}
}

func (tr *trace) ask(t *lockcore.Ticket) {
	tr.Helper()
	c := *t
	ans, err := tr.store.Ask(tr.Context(), &c, func(*lockcore.Grant) {})
	if err != nil {
		tr.differ("%s: %v", t.ID, err)
	}
	got := ans.Grant
	d := *t
	want, _ := tr.model.Ask(tr.now(), &d, "", tr.draw)
	switch {
	case got == nil && want == nil:
	case got == nil:
		tr.differ("%s got nothing, should have %q", t.ID, want.Obtained)
	case want == nil:
		tr.differ("%s got %q, should have nothing", t.ID, got.Obtained)
	case !slices.EqualFunc(got.Obtained, want.Obtained, slices.Equal) || got.Backfilled != want.Backfilled:
		tr.differ("%s got %q (backfilled %v), should have %q (%v)", t.ID, got.Obtained, got.Backfilled, want.Obtained, want.Backfilled)
	}
	switch {
	case got != nil:
		tr.note("  %s has %q, backfilled %v", t.ID, got.Obtained, got.Backfilled)
		if got.Backfilled {
			tr.passed++
		}
		tr.held[t.ID] = got
		delete(tr.tickets, t.ID)
	case t.Wait:
		tr.tickets[t.ID] = t
	}
}

func (tr *trace) release(id string) {
	var keep time.Duration
	if tr.rnd.IntN(8) == 0 {
		keep = time.Duration(1+tr.rnd.IntN(60_000_000)) * time.Microsecond
	}
	tr.note("release %s, keep %s", id, keep)
	g := tr.held[id]
	delete(tr.held, id)
	if err := tr.store.Release(tr.Context(), g, keep); err != nil {
		tr.differ("%v", err)
	}
	tr.model.Release(tr.now(), id, keep, lockcore.Released, tr.draw)
}

// compare looks at who holds, who waits, and what is reserved for whom.
func (tr *trace) compare() {
	got, err := tr.store.Snapshot(tr.Context())
	if err != nil {
		tr.differ("%v", err)
	}
	want := tr.model.Snapshot(tr.now(), tr.draw)
	holder := func(h lockcore.Holder) string { return fmt.Sprint(h.ID, h.Obtained, h.State, h.Expect) }
	waiter := func(w lockcore.Waiter) string { return fmt.Sprint(w.ID, slices.Sorted(slices.Values(w.Reserved))) }
	if g, w := words(got.Holders, holder), words(want.Holders, holder); !slices.Equal(g, w) {
		tr.differ("holders are %v, should be %v", g, w)
	}
	if g, w := words(got.Waiters, waiter), words(want.Waiters, waiter); !slices.Equal(g, w) {
		tr.differ("in line with reservations are %v, should be %v", g, w)
	}
}

func words[T any](list []T, f func(T) string) (out []string) {
	for _, v := range list {
		out = append(out, f(v))
	}
	return out
}

func (tr *trace) histories() {
	got, err := tr.store.History(tr.Context())
	if err != nil {
		tr.differ("%v", err)
	}
	want := tr.model.Usages(tr.now(), tr.draw)
	usage := func(u lockcore.Usage) string {
		return fmt.Sprintf("%q %q %q %d %s %s %s %d", u.Package, u.Test, u.Requirements, u.Holds, u.Median, u.Shortest, u.Longest, u.Last.UnixMicro())
	}
	if g, w := words(got, usage), words(want, usage); !slices.Equal(g, w) {
		tr.differ("learned was\n%v, should be\n%v", g, w)
	}
}

// The policy is one for all: a client that differs is told so while anybody holds
// or waits, and makes its own the policy of all once nobody does.
func TestPolicyIsOneForAll(t *testing.T) {
	t.Parallel()
	addr := miniredis.RunT(t).Addr()
	a := open(t, addr, redisstore.Options{})
	b := openURL(t, "redis://"+addr+"/0?policy=fifo", redisstore.Options{})
	refused := func(s *redisstore.Store, id, words string) {
		t.Helper()
		_, err := s.Ask(t.Context(), ticket(id, time.Minute, of(1, "other")), nil)
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("want %q, got %v", words, err)
		}
	}
	g := ask(t, a, ticket("holder", time.Minute, of(1, "k"))).Grant
	refused(b, "early", "in use under policy=backfill, this client was opened for policy=fifo")
	if ask(t, a, ticket("waiter", time.Minute, of(1, "k"))).Grant != nil {
		t.Fatal("k is held")
	}
	if err := a.Release(t.Context(), g, 0); err != nil {
		t.Fatal(err)
	}
	refused(b, "early", "in use under policy=backfill") // by the waiter, who has it now
	if err := a.Withdraw(t.Context(), "waiter"); err != nil {
		t.Fatal(err)
	}
	ask(t, b, ticket("late", time.Minute, of(1, "k")))
	refused(a, "early", "in use under policy=fifo, this client was opened for policy=backfill")
	if snap, err := a.Snapshot(t.Context()); err != nil || len(snap.Holders) != 1 {
		t.Errorf("to look is allowed under any policy: %+v, %v", snap, err)
	}
}

// A namespace may have any name.
func TestNamespaceWithSpaces(t *testing.T) {
	t.Parallel()
	addr := miniredis.RunT(t).Addr()
	s := open(t, addr, redisstore.Options{Namespace: "the lab, {2nd} | floor\n#1 100%"})
	l := locker(t, s)
	le := acquire(t, l, request(time.Minute, of(1, "k")))
	next := make(chan *lockcore.Lease)
	go func() { next <- acquire(t, l, request(time.Minute, of(1, "k"))) }()
	waiters(t, s, 1)
	release(t, le)
	release(t, arrives(t, "the waiter has it", next))
}
