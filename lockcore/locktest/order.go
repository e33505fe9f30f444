package locktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// arrivalOrder: all clients of a namespace stand in one line. They take turns here, since a
// store that fails most probably has a line in each client, or gives the key to whoever
// asks first after the release.
func arrivalOrder(e *env) {
	a, b := e.locker("a"), e.locker("b")
	le := e.acquire(a, request(of(1, "k")))
	var line []*pending
	for i := range 6 {
		line = append(line, e.start(e.ctx, []*lockcore.Locker{a, b}[i%2], fmt.Sprint("w", i), request(of(1, "k"))))
	}
	e.release(le)
	for i, p := range line {
		got := p.lease()
		for _, later := range line[i+1:] {
			later.stillWaits(p.name + " came before it")
		}
		e.release(got)
	}
}

// priorityOrder: a level of priority is worth a minute of waiting, so that five of them
// outdo any time that this test takes. A store that fails most probably takes the lower
// number for the earlier, or puts a new waiter at the end before it looks at the priority.
func priorityOrder(e *env) {
	l := e.locker("l")
	le := e.acquire(l, request(of(1, "k")))
	low := e.start(e.ctx, l, "low", request(of(1, "k")))
	req := request(of(1, "k"))
	req.Priority = 5
	high := e.start(e.ctx, l, "high", req)
	e.release(le)
	got := high.lease()
	low.stillWaits("high has the higher priority")
	e.release(got)
	e.release(low.lease())
}

// bigRequest lets clients loop on one of five beside a request for all five, which
// comes when two are held. It never finds all five free at once unless the others
// are kept for it. A store that fails at the first attempt grants whatever is free without
// a look at the line; one that fails later reserves in the line, and forgets that when
// one of the loops asks again.
func bigRequest(e *env) {
	keys := []string{"a", "b", "c", "d", "e"}
	l := e.locker("loops")
	held := []*lockcore.Lease{e.acquire(l, request(of(1, keys...))), e.acquire(l, request(of(1, keys...)))}
	big := e.start(e.ctx, e.locker("big"), "big", request(of(5, keys...)))
	if e.try(l, request(of(1, keys...))) != nil {
		e.Fatal("somebody waits for all five, and one that is free was given away")
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			for {
				req := request(of(1, keys...))
				req.Owner.Test = fmt.Sprint("loop", i)
				le, err := l.Acquire(e.ctx, req)
				if err != nil {
					e.Errorf("loop %d: %v", i, err)
					return
				}
				if err := le.Release(e.ctx); err != nil {
					e.Errorf("loop %d: %v", i, err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for _, le := range held {
		big.stillWaits("two of five are held, or one")
		e.release(le)
	}
	e.release(big.lease())
	close(stop)
	wg.Wait()
	e.empty(l)
}

// writerNotStarved: readers that come one after the other could keep a writer waiting for
// ever. A store that fails compares a reader with those who hold the key, and not with
// those who wait for it.
func writerNotStarved(e *env) {
	l := e.locker("l")
	r1 := e.acquire(l, request(shared(of(1, "k"))))
	w := e.start(e.ctx, l, "writer", request(of(1, "k")))
	r2 := e.start(e.ctx, l, "late reader", request(shared(of(1, "k"))))
	r2.stillWaits("a writer came before it")
	e.release(r1)
	got := w.lease()
	r2.stillWaits("the writer has the key")
	e.release(got)
	e.release(r2.lease())
}

// surplusFlows: a waiter keeps others off no more than it can use. A store that refuses the
// third board reserves every candidate; one that refuses a key that nobody wants serves
// nobody but the first in line. One that gives a second board away reserves only for who
// could start at once.
func surplusFlows(e *env) {
	l := e.locker("l")
	chamber := e.acquire(l, request(of(1, "chamber")))
	p := e.start(e.ctx, l, "pair", request(of(2, "a", "b", "c"), of(1, "chamber")))
	one := e.try(l, request(of(1, "a", "b", "c")))
	if one == nil {
		e.Fatal("three boards are free, the waiter needs two, and one was refused")
	}
	if e.try(l, request(of(1, "a", "b", "c"))) != nil {
		e.Fatal("a board was given away that an earlier waiter needs")
	}
	if e.try(l, request(of(1, "elsewhere"))) == nil {
		e.Fatal("a key that nobody wants was refused")
	}
	e.release(chamber)
	e.release(p.lease())
	e.release(one)
}

// nestedReservation: a request under a lease is served although what it wants is reserved,
// where the reservation waits for that lease.
//
//	suite        has the rack
//	both         wants rack and board, and has the board reserved
//	suite's test wants the board: both cannot start before the test is done
//
// A store that fails most probably does not keep [lockcore.Ticket].Parents, or keeps
// everybody off what is reserved without a look at what the waiter waits for.
func nestedReservation(e *env) {
	l := e.locker("l")
	suite := e.acquire(l, request(of(1, "rack")))
	both := e.start(e.ctx, l, "both", request(of(1, "rack"), of(1, "board")))
	ctx, cancel := context.WithTimeout(suite.Context(), watchdog)
	defer cancel()
	nested, err := l.Acquire(ctx, request(of(1, "board")))
	if err != nil {
		e.Fatalf("the board is reserved for a waiter that cannot start before the one who asks is done: %v", err)
	}
	e.release(nested)
	e.release(suite)
	e.release(both.lease())
}

// circle: who waits, under leases of its own, for what will come back only after that, is
// told so. The Locker finds the circle in a Snapshot: a store that fails leaves the parents
// of holders or of waiters out of it. First is not told, because the end of one request
// opens the circle.
func circle(e *env) {
	a, b := e.locker("TestA"), e.locker("TestB")
	la, lb := e.acquire(a, request(of(1, "x"))), e.acquire(b, request(of(1, "y")))
	first := e.start(la.Context(), a, "first", request(of(1, "y")))
	ctx, cancel := context.WithTimeout(lb.Context(), watchdog)
	defer cancel()
	_, err := b.Acquire(ctx, request(of(1, "x")))
	if !errors.Is(err, lockcore.ErrDeadlock) {
		e.Fatalf("TestA holds x and waits for y, TestB holds y and waits for x: want ErrDeadlock, got %v", err)
	}
	first.stillWaits("only the one who came last is told")
	e.release(lb)
	e.release(first.lease())
	ctx, cancel = context.WithTimeout(la.Context(), watchdog)
	defer cancel()
	if _, err := a.Acquire(ctx, request(of(1, "x"))); !errors.Is(err, lockcore.ErrDeadlock) {
		e.Fatalf("waiting for what one holds oneself: want ErrDeadlock, got %v", err)
	}
	e.release(la)
	e.empty(a)
}

// revision: a waiter may ask for something else and keep its place, as a pool may grow
// meanwhile. A store that fails takes each Ask for a heartbeat, and leaves the new
// requirements unread; or looks at the line only when something comes free.
func revision(e *env) {
	s := e.open()
	l := e.locker("l")
	le := e.acquire(l, request(of(1, "old")))
	t := ticket("grower", watchdog, of(1, "old"))
	if e.ask(s, t) != nil {
		e.Fatal("old is held")
	}
	second := e.start(e.ctx, l, "second", request(of(1, "old")))
	t.Requirements, t.Revision = []lockcore.Requirement{of(1, "old", "new")}, 1
	g := e.ask(s, t)
	if g == nil || !slices.Equal(g.Keys(), []string{"new"}) {
		e.Fatalf("new became a candidate, is free, and the waiter got %v", g)
	}
	if err := s.Release(e.ctx, g, 0); err != nil {
		e.Fatal(err)
	}
	e.release(le)
	e.release(second.lease())
	e.empty(l)
}

// snapshot: what people read about a lease, and what lockcore makes its errors from, is
// all there, and is as it was given. A store that fails most probably has a record of its own
// with fewer fields, lists the waiters by arrival without their priority, or tells nothing
// of what is reserved.
func snapshot(e *env) {
	l := e.locker("l")
	req := request(of(2, "a", "b"), shared(of(1, "s")))
	req.Requirements[0].Name = "boards"
	req.Owner = lockcore.Owner{Test: "TestX", Package: "example.com/pkg", Run: "812", URL: "https://ci.example/812", Site: "x_test.go:7"}
	req.Reason = "because"
	le := e.acquire(l, req)
	e.start(e.ctx, l, "w1", request(of(1, "a"), of(1, "c")))
	w2req := request(of(1, "a"))
	w2req.Priority = -1
	e.start(e.ctx, l, "w2", w2req)
	s, err := l.Snapshot(e.ctx)
	if err != nil {
		e.Fatal(err)
	}
	if len(s.Holders) != 1 || len(s.Waiters) != 2 {
		e.Fatalf("want one holder and two waiters, got %+v", s)
	}
	h := s.Holders[0]
	if h.ID != le.ID() || h.Owner.Test != "TestX" || h.Owner.Package != "example.com/pkg" || h.Owner.Run != "812" || h.Owner.URL != "https://ci.example/812" ||
		h.Owner.Site != "x_test.go:7" || h.Owner.PID == 0 || h.Reason != "because" || h.State != "held" {
		e.Errorf("the holder is %+v", h)
	}
	if len(h.Requirements) != 2 || h.Requirements[0].Name != "boards" || !h.Requirements[1].Shared || len(h.Obtained) != 2 || len(h.Obtained[0]) != 2 || len(h.Obtained[1]) != 1 {
		e.Errorf("the holder has %+v of %+v", h.Obtained, h.Requirements)
	}
	if !e.h.Unfenced && h.Token != le.Token() {
		e.Errorf("the holder's token is %d, the lease's %d", h.Token, le.Token())
	}
	if !h.Expires.After(s.Time) || h.Since.After(s.Time) {
		e.Errorf("at %s a lease stands from %s until %s", s.Time, h.Since, h.Expires)
	}
	w1, w2 := s.Waiters[0], s.Waiters[1]
	if w1.Owner.Test != "w1" || w2.Owner.Test != "w2" || w2.Priority != -1 {
		e.Errorf("in line are %+v and %+v", w1, w2)
	}
	if !slices.Equal(w1.Reserved, []string{"c"}) || len(w2.Reserved) != 0 {
		e.Errorf("c is free and reserved for w1: got %q and %q", w1.Reserved, w2.Reserved)
	}
	if len(w1.Requirements) != 2 || w1.Requirements[1].Candidates[0].Key != "c" {
		e.Errorf("w1 wants %+v", w1.Requirements)
	}
	if pos, _ := s.Blockers(&w2); pos != 2 {
		e.Errorf("w2 is %d. in line, want 2", pos)
	}
}
