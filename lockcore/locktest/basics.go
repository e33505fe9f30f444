package locktest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func isBusy(err error) bool { return errors.Is(err, lockcore.ErrBusy) }

// freeRequest: a grant names the keys by requirement, in the order of the request. A store
// that fails most probably has one list of keys for the whole lease, or gives one key
// twice to a requirement that needs two. What is asked of the context here is up to
// lockcore.
func freeRequest(e *env) {
	l := e.locker("one")
	le := e.acquire(l, request(of(2, "a", "b", "c"), of(1, "x")))
	got := le.Obtained()
	if len(got) != 2 || len(got[0]) != 2 || got[0][0] == got[0][1] || len(got[1]) != 1 || got[1][0] != "x" {
		e.Fatalf("2 of a b c and x gave %q", got)
	}
	for _, k := range got[0] {
		if !slices.Contains([]string{"a", "b", "c"}, k) {
			e.Fatalf("2 of a b c gave %q", got[0])
		}
	}
	if err := le.Context().Err(); err != nil {
		e.Fatalf("the context of a fresh lease is over: %v", err)
	}
	e.release(le)
	if le.Context().Err() == nil {
		e.Error("the context of a released lease is not over")
	}
	e.empty(l)
}

// emptyRequest: a test whose every resource is optional may ask for nothing, and then does
// all the same as others. A store that fails most probably notes a lease only at its keys,
// so that a lease without keys is unknown when it is given back.
func emptyRequest(e *env) {
	l := e.locker("nothing")
	le := e.acquire(l, request())
	if len(le.Keys()) != 0 {
		e.Fatalf("a request for nothing gave %q", le.Keys())
	}
	e.release(le)
	e.empty(l)
}

// exclusive: the holder of a key is a ticket. A store that fails when one client asks twice
// has taken the client for the holder, or its connection: two tests of one process would
// share the key.
func exclusive(e *env) {
	a, b := e.locker("a"), e.locker("b")
	le := e.acquire(a, request(of(1, "k")))
	if e.try(b, request(of(1, "k"))) != nil {
		e.Fatal("a key was given to two clients at once")
	}
	if e.try(a, request(of(1, "k"))) != nil {
		e.Fatal("a key was given to one client twice")
	}
	e.release(le)
	if e.try(b, request(of(1, "k"))) == nil {
		e.Fatal("a released key is still busy")
	}
}

// allOrNothing: an attempt that is refused leaves nothing in the store, neither keys nor a
// place in line. A store that fails most probably takes key by key, or forgets to remove
// a ticket without Wait.
func allOrNothing(e *env) {
	l := e.locker("l")
	e.acquire(l, request(of(1, "b")))
	if e.try(l, request(of(1, "a"), of(1, "b"))) != nil {
		e.Fatal("a and b were granted although b is held")
	}
	if e.try(l, request(of(1, "a"))) == nil {
		e.Fatal("a was kept by an attempt that was refused")
	}
}

// overlapping: whatever the order of the requirements, a request is served when some
// choice of free keys serves all of them. A store that fails serves one requirement after
// the other; [lockcore.Match] does not. The last part fails where the keys are matched
// first, and only then is looked which are free.
func overlapping(e *env) {
	l := e.locker("l")
	for range 10 { // a wrong choice would be right by chance sometimes
		le := e.try(l, request(of(1, "a", "b", "c"), of(1, "a", "b"), of(1, "a")))
		if le == nil {
			e.Fatal("of [a b c], of [a b], of [a]: c, b and a are free, and it was refused")
		}
		if got := le.Keys(); !slices.Equal(got, []string{"c", "b", "a"}) {
			e.Fatalf("of [a b c], of [a b], of [a] gave %q", got)
		}
		e.release(le)
	}
	e.acquire(l, request(of(1, "b")))
	if le := e.try(l, request(of(1, "a", "b"), of(1, "a", "c"))); le == nil || !slices.Equal(le.Keys(), []string{"a", "c"}) {
		e.Fatalf("b is held; of [a b] and of [a c] gave %v", le)
	}
}

// sharedAccess: a key is free for a writer when the last reader is gone. A store that
// fails most probably notes that a key is read, and not by how many.
func sharedAccess(e *env) {
	l := e.locker("l")
	r1 := e.acquire(l, request(shared(of(1, "k"))))
	r2 := e.try(l, request(shared(of(1, "k"))))
	if r2 == nil {
		e.Fatal("a second reader was refused")
	}
	if e.try(l, request(of(1, "k"))) != nil {
		e.Fatal("a writer was let in beside readers")
	}
	e.release(r1)
	if e.try(l, request(of(1, "k"))) != nil {
		e.Fatal("a writer was let in beside the last reader")
	}
	e.release(r2)
	w := e.try(l, request(of(1, "k")))
	if w == nil {
		e.Fatal("a writer was refused though nobody reads")
	}
	if e.try(l, request(shared(of(1, "k")))) != nil {
		e.Fatal("a reader was let in beside a writer")
	}
	e.release(w)
	e.empty(l)
}

// seats: holders of one key that disagree on the number of its seats are held to the
// lowest. A store that fails at the fourth seat compares the number of seats taken with
// what this request believes; [lockcore.Requirement.FreeBeside] knows the rule. And seats
// are neither exclusive nor shared use: neither goes with them.
func seats(e *env) {
	l := e.locker("l")
	a := e.acquire(l, request(seat(3, of(2, "lic"))))
	if got := a.Keys(); !slices.Equal(got, []string{"lic", "lic"}) {
		e.Fatalf("two seats of lic gave %q", got)
	}
	b := e.try(l, request(seat(3, of(1, "lic"))))
	if b == nil {
		e.Fatal("the third of three seats was refused")
	}
	if e.try(l, request(seat(3, of(1, "lic")))) != nil {
		e.Fatal("a fourth of three seats was given out")
	}
	if e.try(l, request(seat(5, of(1, "lic")))) != nil {
		e.Fatal("a client that believes in five seats got a fourth, and two others believe in three")
	}
	e.release(a)
	if e.try(l, request(of(1, "lic"))) != nil || e.try(l, request(shared(of(1, "lic")))) != nil {
		e.Fatal("the whole was given out while a seat is taken")
	}
	if c := e.try(l, request(seat(3, of(3, "lic", "lic2")))); c == nil || len(c.Keys()) != 3 {
		e.Fatal("two seats of lic and three of lic2 are free, and three were refused")
	}
	e.release(b)
}

// impossible: the Locker refuses these requests before it calls the store, and so they
// are the same for all stores. If this fails, the store is not to blame.
func impossible(e *env) {
	l := e.locker("l")
	for _, c := range []struct {
		why string
		req lockcore.Request
	}{
		{"more than there are", request(of(3, "a", "b"))},
		{"more seats than there are", request(seat(2, of(5, "a", "b")))},
		{"no candidates", request(of(1))},
		{"an empty key", request(of(1, "a", ""))},
		{"a key twice", request(of(1, "a", "a"))},
		{"more than there are over two requirements", request(of(2, "a", "b"), of(1, "a", "b"))},
		{"negative need", request(of(-1, "a"))},
		{"negative seats", request(seat(-1, of(1, "a")))},
		{"shared and by the seat", request(shared(seat(2, of(1, "a"))))},
		{"whole and by the seat", request(of(1, "a", "b"), seat(2, of(1, "a")))},
	} {
		if _, err := l.Acquire(e.ctx, c.req); !errors.Is(err, lockcore.ErrUnsatisfiable) {
			e.Errorf("%s: want ErrUnsatisfiable, got %v", c.why, err)
		}
	}
	e.empty(l)
}

// idempotent: a client whose call got no reply calls again, and the first may have been
// carried out.
//
//	Ask{ID: "t"}    granted, and the reply is lost
//	Ask{ID: "t"}    the same grant, with the same token
//
// A store that fails makes a new lease or a new place in line for each call, or takes
// Withdraw for an order to those who wait only.
func idempotent(e *env) {
	s := e.open()
	t := ticket("twice", time.Minute, of(1, "a", "b"))
	g1, g2 := e.ask(s, t), e.ask(s, t)
	if g1 == nil || g2 == nil {
		e.Fatalf("asking twice for what is free gave %v and %v", g1, g2)
	}
	if !slices.Equal(g1.Keys(), g2.Keys()) || g1.Token != g2.Token {
		e.Fatalf("asking twice gave %q with token %d, and %q with token %d", g1.Keys(), g1.Token, g2.Keys(), g2.Token)
	}
	snap, err := s.Snapshot(e.ctx)
	if err != nil || len(snap.Holders) != 1 {
		e.Fatalf("asking twice made %d holders (%v)", len(snap.Holders), err)
	}
	other := e.open()
	w := ticket("waiter", time.Minute, of(2, "a", "b"))
	e.ask(other, w)
	e.ask(other, w)
	if snap, err = s.Snapshot(e.ctx); err != nil || !e.h.Unordered && len(snap.Waiters) != 1 {
		e.Fatalf("a waiter that asked twice stands in line %d times (%v)", len(snap.Waiters), err)
	}
	for range 2 {
		if err := other.Withdraw(e.ctx, "waiter"); err != nil {
			e.Fatalf("Withdraw: %v", err)
		}
	}
	for range 2 {
		if err := s.Withdraw(e.ctx, "twice"); err != nil {
			e.Fatalf("Withdraw of a granted ticket: %v", err)
		}
	}
	if snap, _ = s.Snapshot(e.ctx); len(snap.Holders)+len(snap.Waiters) > 0 {
		e.Fatalf("after the withdrawals there is still %+v", snap)
	}
}

// releaseTwice: a lease is given back by its identity. A store that takes the key from its
// new holder looks at the key alone. One that finds no fault with a lease that never was
// lets a holder that has lost its lease believe that it had it to the end.
//
// The release whose context is over is up to lockcore, which gives the store a context of
// its own: tests give back what they hold when their context has ended.
func releaseTwice(e *env) {
	l := e.locker("l")
	le := e.acquire(l, request(of(1, "k")))
	e.release(le)
	if err := le.Release(e.ctx); err != nil {
		e.Fatalf("the second Release: %v", err)
	}
	next := e.acquire(l, request(of(1, "k")))
	if err := le.Release(e.ctx); err != nil {
		e.Fatalf("a Release long after: %v", err)
	}
	if e.try(l, request(of(1, "k"))) != nil {
		e.Fatal("releasing an old lease took the key from its new holder")
	}
	e.release(next)
	s := e.open()
	unknown := &lockcore.Grant{Ticket: ticket("unknown", time.Minute, of(1, "k")), Obtained: [][]string{{"k"}}}
	if err := s.Release(e.ctx, unknown, 0); !errors.Is(err, lockcore.ErrNotHeld) {
		e.Fatalf("Release of a lease that never was: want ErrNotHeld, got %v", err)
	}
	done, cancel := context.WithCancel(e.ctx)
	cancel()
	last := e.acquire(l, request(of(1, "k")))
	if err := last.Release(done); err != nil {
		e.Fatalf("Release with a context that is over: %v", err)
	}
	e.empty(l)
}

// handOver: a waiter gets what is given back, without anybody's help. A store that fails
// serves the line only when somebody asks, or neither calls wake nor gives a Poll.
func handOver(e *env) {
	a, b := e.locker("a"), e.locker("b")
	for range 5 {
		le := e.acquire(a, request(of(1, "k")))
		p := e.start(e.ctx, b, "next", request(of(1, "k")))
		p.stillWaits("the key is held")
		e.release(le)
		e.release(p.lease())
	}
	e.empty(a)
}

// giveUp: with its place in line a waiter gives up what is reserved for it. A store that
// keeps b reserved does not serve the others after a Withdraw. One that grants a to the
// waiter has a second list of waiters, by key, from which it did not remove the ticket.
func giveUp(e *env) {
	l := e.locker("l")
	le := e.acquire(l, request(of(1, "a")))
	ctx, cancel := context.WithCancelCause(e.ctx)
	p := e.start(ctx, l, "quitter", request(of(1, "a"), of(1, "b")))
	why := errors.New("no patience")
	cancel(why)
	<-p.done
	if !isBusy(p.err) || !errors.Is(p.err, why) {
		e.Fatalf("the error of a wait that was cancelled should wrap ErrBusy and the cause, got %v", p.err)
	}
	if e.try(l, request(of(1, "b"))) == nil {
		e.Fatal("b is still reserved for a waiter that gave up")
	}
	e.release(le)
	if e.try(l, request(of(1, "a"))) == nil {
		e.Fatal("a was granted to a waiter that had given up")
	}
}

// closeLocker: when a process ends in order, nobody waits for the TTL of what it had. The
// Locker withdraws and releases, and closes the store after that. A store that fails
// returns from Withdraw or Release before it is done, and drops at Close what is left.
func closeLocker(e *env) {
	watcher := e.locker("watcher")
	l := lockcore.New(e.h.Open(e, e.ns), nil)
	le := e.acquire(l, request(of(1, "a")))
	p := e.start(e.ctx, l, "waiter", request(of(1, "a")))
	if err := l.Close(); err != nil {
		e.Fatalf("Close: %v", err)
	}
	<-p.done
	if p.err == nil {
		e.Error("a wait went on after Close")
	}
	if le.Context().Err() == nil {
		e.Error("a lease is alive after Close")
	}
	if _, err := l.Acquire(e.ctx, request(of(1, "b"))); err == nil {
		e.Error("a closed locker gives out leases")
	}
	if err := l.Close(); err != nil {
		e.Errorf("the second Close: %v", err)
	}
	e.empty(watcher)
}

// tokensRise: who has a higher token was granted later, whatever the key: a resource that
// several keys protect may compare the tokens of all of them. A store that fails counts
// by key or by client.
func tokensRise(e *env) {
	a, b := e.locker("a"), e.locker("b")
	var last uint64
	for i := range 10 {
		l, k := a, "x"
		if i%2 == 1 {
			l, k = b, "y"
		}
		le := e.acquire(l, request(of(1, k)))
		if le.Token() <= last {
			e.Fatalf("token %d came after token %d", le.Token(), last)
		}
		last = le.Token()
		e.release(le)
	}
}

// busyError: who is refused learns whom to talk to. The Locker makes the error from a
// Snapshot: a store that fails does not keep the owner or the reason of a lease, or leaves
// out when it was granted and when it expires.
func busyError(e *env) {
	a, b := e.locker("TestHolder"), e.locker("TestWaiter")
	req := request(of(1, "board-7"))
	req.Reason = "soldering"
	req.Owner.URL = "https://ci.example/job/812"
	e.acquire(a, req)
	_, err := b.TryAcquire(e.ctx, request(of(1, "board-7")))
	var busy *lockcore.BusyError
	if !errors.As(err, &busy) {
		e.Fatalf("want a *BusyError, got %v", err)
	}
	if len(busy.Blockers) != 1 || busy.Blockers[0].Key != "board-7" || busy.Blockers[0].Holder.Test != "TestHolder" || busy.Blockers[0].Expires.IsZero() || busy.Blockers[0].Since.IsZero() {
		e.Errorf("blockers are %+v", busy.Blockers)
	}
	for _, word := range []string{"board-7", "TestHolder", "soldering", "https://ci.example/job/812"} {
		if !strings.Contains(err.Error(), word) {
			e.Errorf("the message does not say %q: %v", word, err)
		}
	}
}
