package locktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// reservation is a request of a person.
func reservation(user string, d time.Duration, reqs ...lockcore.Requirement) lockcore.Request {
	return lockcore.Request{Requirements: reqs, Owner: lockcore.Owner{User: user}, For: d, Reason: "by hand"}
}

// reserve takes a reservation, or fails.
func (e *env) reserve(l *lockcore.Locker, req lockcore.Request) lockcore.Holder {
	e.Helper()
	h, err := l.Reserve(e.ctx, req)
	if err != nil {
		e.Fatalf("Reserve: %v", err)
	}
	return h
}

// holder finds who has the key in the state, or fails.
func (e *env) holder(l *lockcore.Locker, key, state string) lockcore.Holder {
	e.Helper()
	s, err := l.Snapshot(e.ctx)
	if err != nil {
		e.Fatal(err)
	}
	for _, h := range s.Holders {
		if h.State == state && slices.Contains(h.Keys(), key) {
			return h
		}
	}
	e.Fatalf("%s is not %s: %+v", key, state, s.Holders)
	return lockcore.Holder{}
}

// reservedStays: longer than any lease would without renewal, and without the
// client that made it. A store that fails most probably has the TTL in place of For at the
// grant, or frees what a client has when it closes.
func reservedStays(e *env) {
	l := e.locker("TestWaits")
	person := lockcore.New(e.h.Open(e, e.ns), nil)
	req := reservation("ann@bench", 5*shortTTL, of(2, "a", "b"))
	req.TTL = shortTTL // while it waits
	h := e.reserve(person, req)
	if err := person.Close(); err != nil {
		e.Fatal(err)
	}
	seen := e.holder(l, "a", "reserved")
	if seen.ID != h.ID || seen.Owner.User != "ann@bench" || seen.Reason != "by hand" || len(seen.Keys()) != 2 || seen.Expires.Sub(seen.Since) < 4*shortTTL {
		e.Errorf("ann's reservation is %+v", seen)
	}
	_, err := l.TryAcquire(e.ctx, request(of(1, "a")))
	if !isBusy(err) || !strings.Contains(err.Error(), "a is reserved by ann@bench") {
		e.Errorf("a is reserved by ann@bench, and the error is: %v", err)
	}
	_, err = l.TryReserve(e.ctx, reservation("bob@desk", time.Hour, of(1, "a")))
	if !isBusy(err) || !strings.Contains(err.Error(), "a is reserved by ann@bench") {
		e.Errorf("bob does not wait for a, which ann@bench has reserved, and the error is: %v", err)
	}
	tried, err := l.TryReserve(e.ctx, reservation("bob@desk", time.Hour, of(1, "c")))
	if err != nil || e.holder(l, "c", "reserved").ID != tried.ID {
		e.Errorf("c is free, and bob got %+v (%v)", tried, err)
	}
	if _, err := l.EndReservation(e.ctx, "bob@desk", false, "c"); err != nil {
		e.Error(err)
	}
	le := e.acquire(l, request(of(1, "a"))) // when the time is over
	s, err := l.Snapshot(e.ctx)
	if err != nil || s.Time.Before(seen.Expires) {
		e.Fatalf("at %s a went to a test, and is reserved until %s (%v)", s.Time, seen.Expires, err)
	}
	if got := le.Last("a"); got != lockcore.Unknown {
		e.Errorf("how ann left it nobody knows, and the next holder is told %q", got)
	}
	e.release(le)
	e.empty(l)
}

// reservedAsked: asking again moves no end, and withdrawing ends it. A store that fails
// treats an Ask for what is granted as a renewal, as it may for a lease.
func reservedAsked(e *env) {
	s, l := e.open(), e.locker("l")
	t := ticket("ann", time.Minute, of(1, "a"))
	t.For = time.Hour
	g := e.ask(s, t)
	if g == nil {
		e.Fatal("a free key was refused")
	}
	end := e.holder(l, "a", "reserved").Expires
	if again := e.ask(s, t); again == nil || again.Token != g.Token {
		e.Fatalf("asking again gave %+v after %+v", again, g)
	}
	if now := e.holder(l, "a", "reserved").Expires; !now.Equal(end) {
		e.Errorf("asking again moved the end from %s to %s", end, now)
	}
	if err := s.Withdraw(e.ctx, "ann"); err != nil {
		e.Fatal(err)
	}
	e.empty(l)
}

// reservedInLine: a reservation waits as a test does, and passes a test only from the front
// of the line. A store that fails most probably grants at once what people ask for. One
// that fails with next alone cannot count as far as [lockcore.FrontOfLine].
func reservedInLine(e *env) {
	l := e.locker("l")
	le := e.acquire(l, request(of(1, "a")))
	early := e.start(e.ctx, l, "early", request(of(1, "a")))
	var next, last error
	var wg sync.WaitGroup
	inLine := func(name string, err *error, req lockcore.Request) {
		wg.Go(func() { _, *err = l.Reserve(e.ctx, req) })
		e.until(l, name+" is in line", func(s lockcore.Snapshot) bool {
			return slices.ContainsFunc(s.Waiters, func(w lockcore.Waiter) bool { return w.Owner.User == name && w.For == req.For })
		})
	}
	inLine("last", &last, reservation("last", time.Hour, of(1, "a")))
	front := reservation("next", time.Hour, of(1, "a"))
	front.Priority = lockcore.FrontOfLine
	inLine("next", &next, front)
	e.release(le)
	reserved := func(name string) {
		e.until(l, name+" has it", func(s lockcore.Snapshot) bool {
			return len(s.Holders) == 1 && s.Holders[0].State == "reserved" && s.Holders[0].Owner.User == name
		})
	}
	reserved("next")
	early.stillWaits("next stands at the front of the line")
	if _, err := l.EndReservation(e.ctx, "next", false, "a"); err != nil {
		e.Fatal(err)
	}
	e.release(early.lease())
	reserved("last")
	if _, err := l.EndReservation(e.ctx, "last", false, "a"); err != nil {
		e.Fatal(err)
	}
	wg.Wait()
	if next != nil || last != nil {
		e.Fatalf("Reserve: %v, %v", next, last)
	}
	e.empty(l)
}

// reservedByKey: of what was reserved together each key can be given back alone. A store
// that fails ends the whole reservation with the first key, or keeps the end at each key, so
// that extending one leaves the others as they were. Lockcore looks after whose it is.
func reservedByKey(e *env) {
	l := e.locker("l")
	e.reserve(l, reservation("ann@bench", time.Hour, of(2, "a", "b"), of(1, "c")))
	p := e.start(e.ctx, l, "test", request(of(1, "b")))
	p.stillWaits("b is reserved")
	if _, err := l.EndReservation(e.ctx, "bob@desk", false, "b"); err == nil {
		e.Fatal("bob gave back what ann has reserved")
	}
	end := e.holder(l, "a", "reserved").Expires
	if _, err := l.ExtendReservation(e.ctx, "ann@bench", false, 2*time.Hour, "a"); err != nil {
		e.Fatal(err)
	}
	if now := e.holder(l, "c", "reserved").Expires; now.Sub(end) < 30*time.Minute {
		e.Errorf("two hours from now instead of one moved the end from %s to %s", end, now)
	}
	if _, err := l.ExtendReservation(e.ctx, "ann@bench", false, time.Minute, "a"); err != nil {
		e.Fatal(err)
	}
	if now := e.holder(l, "a", "reserved").Expires; now.Sub(end) < 30*time.Minute {
		e.Errorf("an extension moved the end to an earlier moment: %s", now)
	}
	if _, err := l.EndReservation(e.ctx, "bob@desk", true, "b"); err != nil {
		e.Fatal(err)
	}
	e.release(p.lease())
	if h := e.holder(l, "a", "reserved"); !slices.Equal(h.Keys(), []string{"a", "c"}) {
		e.Fatalf("a and c are still reserved, and the snapshot says %q", h.Keys())
	}
	if e.try(l, request(of(1, "c"))) != nil {
		e.Fatal("c was given away and is reserved")
	}
	if _, err := l.EndReservation(e.ctx, "ann@bench", false, "a", "c"); err != nil {
		e.Fatal(err)
	}
	if _, err := l.EndReservation(e.ctx, "ann@bench", false, "a"); !errors.Is(err, lockcore.ErrNotHeld) {
		e.Fatalf("giving back what is not reserved: want ErrNotHeld, got %v", err)
	}
	e.empty(l)
}

// twoReserve: a reservation keeps other people off as it does tests. Who gets it ends the
// waits of the others, since it lasts for an hour. A store that fails most probably has a
// second way to grant for people, without the check that all others go through.
func twoReserve(e *env) {
	var got atomic.Int32
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	for i := range 8 {
		l := e.locker(fmt.Sprint("p", i))
		wg.Go(func() {
			_, err := l.Reserve(ctx, reservation(fmt.Sprint("p", i), time.Hour, of(1, "a")))
			switch {
			case err == nil:
				if got.Add(1) > 1 {
					e.Error("two people have reserved one key")
				}
				cancel()
			case !isBusy(err):
				e.Errorf("p%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if got.Load() == 0 {
		e.Fatal("eight people wanted a free key, and nobody got it")
	}
}
