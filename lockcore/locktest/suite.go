// Package locktest tells whether a [lockcore.Store] keeps its promises.
//
// Call [TestStore] from a test of the store. Each promise is a subtest that
// says in words what was broken; start with the first that fails, because the
// later ones build on it. [BenchmarkStore] measures what users pay.
//
// The suite runs against real time, so it takes about ten seconds, mostly
// waiting for leases to expire. It never asserts how long something took.
package locktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A Harness tells the suite how to get the store under test.
type Harness struct {
	// Open returns a new client of the store. Clients that are opened under the
	// same namespace share everything, those under different ones nothing. The
	// suite closes the client; what else is to be cleaned up, Open registers with
	// t.Cleanup.
	Open func(t testing.TB, namespace string) lockcore.Store

	// OpenFIFO is Open for [lockcore.FIFO]; nil if the store knows no policies. It is
	// used under a namespace of its own.
	OpenFIFO func(t testing.TB, namespace string) lockcore.Store

	// Unordered says that the store does not promise to serve waiters in order,
	// nor to tell them of each other.
	Unordered bool
	// Unfenced says that the store gives no fencing tokens: they are all 0.
	Unfenced bool

	// Many is how many candidates a request has where it has many. 0 means 10,000;
	// a stand-in for the real thing, which works off a tenth of that in the same
	// time, may do with fewer.
	Many int
}

// TestStore runs the conformance suite.
func TestStore(t *testing.T, h Harness) {
	for _, c := range []struct {
		name  string
		needs string // capability without which it does not apply
		f     func(*env)
	}{
		{"a free request is granted at once", "", freeRequest},
		{"an empty request is granted", "", emptyRequest},
		{"an exclusive key has one holder", "", exclusive},
		{"a refused attempt takes nothing", "", allOrNothing},
		{"overlapping requirements are matched", "", overlapping},
		{"shared holders exclude exclusive ones", "", sharedAccess},
		{"seats are never oversold", "", seats},
		{"impossible requests fail at once", "", impossible},
		{"asking twice is asking once", "", idempotent},
		{"releasing twice is releasing once", "", releaseTwice},
		{"a release hands over", "", handOver},
		{"a waiter that gives up leaves nothing", "", giveUp},
		{"closing a locker returns everything", "", closeLocker},
		{"fencing tokens rise", "fencing", tokensRise},
		{"waiters are served in the order of arrival", "order", arrivalOrder},
		{"a higher priority is served first", "order", priorityOrder},
		{"a big request is not starved", "order", bigRequest},
		{"readers do not starve a writer", "order", writerNotStarved},
		{"what a waiter does not need flows on", "order", surplusFlows},
		{"a learned short request is let past a reservation", "order", learnedPass},
		{"what a request says overrules what was learned", "order", expectOverrules},
		{"a holder that overruns is waited for longer", "order", overrun},
		{"who comes first needs no leave to pass", "order", priorityAndBackfill},
		{"nobody is let past an unknown holder", "order", unknownHolder},
		{"nobody is let past under fifo", "order", fifoDoesNotBackfill},
		{"a nested request is not blocked by a reservation", "order", nestedReservation},
		{"a circle is named", "order", circle},
		{"what is wanted may change while waiting", "order", revision},
		{"the snapshot shows holders and waiters", "order", snapshot},
		{"the busy error names the holder", "", busyError},
		{"a lease that is not renewed goes on", "", expiry},
		{"a renewed lease lives on", "", renewal},
		{"an expired lease can come back while nobody had its keys", "", revival},
		{"a grant that nobody takes up goes on", "order", untakenGrant},
		{"a waiter that is not heard of is dropped", "order", deadWaiter},
		{"a kept lease stays without its holder", "", keptLease},
		{"a freed key is lost to its holder", "", freedKey},
		{"a reservation stays until its time is over", "", reservedStays},
		{"asking twice for a reservation is asking once", "", reservedAsked},
		{"a reservation waits in line or goes to its front", "order", reservedInLine},
		{"a reservation is given back by key", "", reservedByKey},
		{"of many who reserve one gets it", "", twoReserve},
		{"a key is disabled after its holder", "", disabledAfterHolder},
		{"a disabled key is so in every mode", "", disabledForAll},
		{"a key that is disabled now goes to nobody", "", disabledNow},
		{"a key that twenty wait for is disabled", "", disabledUnderACrowd},
		{"who loses a disabled key is told", "", disabledTakes},
		{"who needs what is out of service is told at once", "", outOfService},
		{"who waits for what is out of service keeps nothing aside", "order", disabledKeepsNothingAside},
		{"an expired lease does not come back onto a disabled key", "", disabledNotRevived},
		{"a quarantine doubles until a clean use", "", quarantined},
		{"endings are told to the next holder", "", endings},
		{"when a waiter is expected to be served is told", "order", expectedStart},
		{"keys may be any text", "", oddKeys},
		{"a request may have thousands of candidates", "", manyCandidates},
		{"namespaces are apart", "", namespaces},
		{"many at once never overlap", "", manyAtOnce},
		{"random traces agree with the scheduler", "order", traces},
	} {
		if strings.Contains(c.needs, "order") && h.Unordered || c.needs == "fencing" && h.Unfenced {
			continue
		}
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			c.f(newEnv(t, h))
		})
	}
}

// watchdog bounds a subtest: a store that hangs fails in words, not in the dump
// of all goroutines.
const watchdog = 90 * time.Second

// env is what a subtest works with: a namespace of its own.
type env struct {
	*testing.T
	h   Harness
	ns  string
	ctx context.Context
}

var envs atomic.Int64

func newEnv(t *testing.T, h Harness) *env {
	ctx, cancel := context.WithTimeoutCause(context.Background(), watchdog, fmt.Errorf("the store hangs: %s did not end in %s", t.Name(), watchdog))
	t.Cleanup(cancel)
	return &env{T: t, h: h, ns: fmt.Sprintf("locktest-%d-%d", time.Now().UnixNano(), envs.Add(1)), ctx: ctx}
}

// open returns a new client.
func (e *env) open() lockcore.Store {
	e.Helper()
	s := e.h.Open(e, e.ns)
	e.Cleanup(func() {
		if err := s.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
	})
	return s
}

// locker returns a Locker on a new client, whose owner has the given name.
func (e *env) locker(name string) *lockcore.Locker {
	e.Helper()
	l := lockcore.New(e.h.Open(e, e.ns), &lockcore.Options{Owner: lockcore.Owner{Test: name}})
	e.Cleanup(func() {
		if err := l.Close(); err != nil {
			e.Errorf("closing the locker of %s: %v", name, err)
		}
	})
	return l
}

// of is a requirement for n of the keys.
func of(n int, keys ...string) lockcore.Requirement {
	r := lockcore.Requirement{Need: n}
	for _, k := range keys {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
	}
	return r
}

func shared(r lockcore.Requirement) lockcore.Requirement { r.Shared = true; return r }

func seat(n int, r lockcore.Requirement) lockcore.Requirement { r.Seats = n; return r }

func request(reqs ...lockcore.Requirement) lockcore.Request {
	return lockcore.Request{Requirements: reqs}
}

// acquire waits for a lease, or fails.
func (e *env) acquire(l *lockcore.Locker, req lockcore.Request) *lockcore.Lease {
	e.Helper()
	le, err := l.Acquire(e.ctx, req)
	if err != nil {
		e.Fatalf("Acquire: %v", err)
	}
	return le
}

// try makes one attempt; nil means busy, and every other error fails.
func (e *env) try(l *lockcore.Locker, req lockcore.Request) *lockcore.Lease {
	e.Helper()
	le, err := l.TryAcquire(e.ctx, req)
	if err != nil && !isBusy(err) {
		e.Fatalf("TryAcquire: want a lease or ErrBusy, got %v", err)
	}
	return le
}

func (e *env) release(le *lockcore.Lease) {
	e.Helper()
	if err := le.Release(e.ctx); err != nil {
		e.Fatalf("Release of %q: %v", le.Keys(), err)
	}
}

// A pending is an acquisition that runs on a goroutine of its own.
type pending struct {
	e    *env
	name string
	done chan struct{}
	le   *lockcore.Lease
	err  error
}

// start begins an acquisition and returns when the store has it in line, or has
// granted it.
func (e *env) start(ctx context.Context, l *lockcore.Locker, name string, req lockcore.Request) *pending {
	e.Helper()
	req.Owner.Test = name
	p := &pending{e: e, name: name, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.le, p.err = l.Acquire(ctx, req)
	}()
	e.until(l, "the store has the request of "+name, func(s lockcore.Snapshot) bool {
		for _, w := range s.Waiters {
			if w.Owner.Test == name {
				return true
			}
		}
		for _, h := range s.Holders {
			if h.Owner.Test == name {
				return true
			}
		}
		return p.over()
	})
	return p
}

func (p *pending) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// lease waits for the acquisition to succeed.
func (p *pending) lease() *lockcore.Lease {
	p.e.Helper()
	select {
	case <-p.done:
	case <-p.e.ctx.Done():
		p.e.Fatalf("%s was never served", p.name)
	}
	if p.err != nil {
		p.e.Fatalf("%s: %v", p.name, p.err)
	}
	return p.le
}

// stillWaits fails if the acquisition has ended.
func (p *pending) stillWaits(why string) {
	p.e.Helper()
	if p.over() {
		p.e.Fatalf("%s should wait: %s; it got %v, %v", p.name, why, p.le, p.err)
	}
}

// until looks at the store until the condition holds.
func (e *env) until(l *lockcore.Locker, what string, cond func(lockcore.Snapshot) bool) {
	e.Helper()
	for {
		s, err := l.Snapshot(e.ctx)
		if err != nil {
			e.Fatalf("waiting until %s: Snapshot: %v", what, err)
		}
		if cond(s) {
			return
		}
		select {
		case <-e.ctx.Done():
			e.Fatalf("waited in vain until %s; now %+v", what, s)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// empty fails unless nobody holds or waits.
func (e *env) empty(l *lockcore.Locker) {
	e.Helper()
	s, err := l.Snapshot(e.ctx)
	if err != nil {
		e.Fatal(err)
	}
	if len(s.Holders)+len(s.Waiters) > 0 {
		e.Fatalf("something stayed behind: %+v", s)
	}
}

// ticket is a request on the level of the store: nobody renews or polls for it.
func ticket(id string, ttl time.Duration, reqs ...lockcore.Requirement) *lockcore.Ticket {
	return &lockcore.Ticket{ID: id, Requirements: reqs, Owner: lockcore.Owner{Test: id}, TTL: ttl, Wait: true}
}

// ask calls the store once and returns the grant, or nil.
func (e *env) ask(s lockcore.Store, t *lockcore.Ticket) *lockcore.Grant {
	e.Helper()
	c := *t
	ans, err := s.Ask(e.ctx, &c, func(*lockcore.Grant) {})
	if err != nil {
		e.Fatalf("Ask for %s: %v", t.ID, err)
	}
	if ans.Grant == nil && t.Wait && ans.Poll <= 0 {
		e.Errorf("Ask for %s: it waits, and Poll is %s: when should it ask again?", t.ID, ans.Poll)
	}
	return ans.Grant
}

// renew renews a grant and returns what became of it. It asks again while too few servers
// have answered, as a lease does: on a machine that is busy, one of several may not have
// heard yet of what the others have done.
func (e *env) renew(s lockcore.Store, g *lockcore.Grant) error {
	e.Helper()
	for {
		errs, err := s.Renew(e.ctx, []*lockcore.Grant{g})
		switch {
		case err == nil && len(errs) == 1 && !errors.Is(errs[0], lockcore.ErrNoQuorum):
			return errs[0]
		case err == nil && len(errs) != 1:
			e.Fatalf("Renew of one grant answers %v: want one entry", errs)
		case err != nil && !errors.Is(err, lockcore.ErrNoQuorum):
			e.Fatalf("Renew of %s: %v", g.Ticket.ID, err)
		}
		select {
		case <-e.ctx.Done():
			e.Fatalf("Renew of %s: %v, %v", g.Ticket.ID, errs, err)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// granted asks until the ticket is granted. A store without order may refuse a key
// that was just given back, while one of its servers has not heard of it.
func (e *env) granted(s lockcore.Store, t *lockcore.Ticket) *lockcore.Grant {
	e.Helper()
	for {
		if g := e.ask(s, t); g != nil {
			return g
		}
		select {
		case <-e.ctx.Done():
			e.Fatalf("%s was never granted", t.ID)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
