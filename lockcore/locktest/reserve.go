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

func (e *env) disable(l *lockcore.Locker, now bool, keys ...string) []lockcore.Holder {
	e.Helper()
	held, err := l.Disable(e.ctx, lockcore.Outage{Keys: keys, Owner: lockcore.Owner{User: "ann@bench"}, Reason: "smoke", Now: now})
	if err != nil {
		e.Fatalf("Disable %q: %v", keys, err)
	}
	return held
}

func (e *env) enable(l *lockcore.Locker, keys ...string) {
	e.Helper()
	enabled, err := l.Enable(e.ctx, keys...)
	if err != nil || len(enabled) != len(keys) {
		e.Fatalf("Enable %q: %+v, %v", keys, enabled, err)
	}
	for i, h := range enabled {
		if h.State != "disabled" || !slices.Equal(h.Keys(), keys[i:i+1]) || h.Owner == (lockcore.Owner{}) || h.Since.IsZero() {
			e.Errorf("%s was disabled as %+v", keys[i], h)
		}
	}
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
// client that made it.
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

// reservedAsked: asking again moves no end, and withdrawing ends it.
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

func disabledAfterHolder(e *env) {
	l := e.locker("TestHolder")
	le := e.acquire(l, request(of(1, "a")))
	held := e.disable(l, false, "a", "b")
	if len(held) != 1 || held[0].Owner.Test != "TestHolder" {
		e.Fatalf("Disable returned the holders %+v", held)
	}
	if err := le.Context().Err(); err != nil {
		e.Fatalf("the holder lost its lease: %v", context.Cause(le.Context()))
	}
	e.holder(l, "a", "held")
	h := e.holder(l, "a", "disabled")
	if h.Owner.User != "ann@bench" || h.Reason != "smoke" || !h.Expires.IsZero() || h.Since.IsZero() {
		e.Errorf("a is disabled as %+v", h)
	}
	wait := request(of(1, "a"))
	wait.WaitForDisabled = true
	p := e.start(e.ctx, l, "waiter", wait)
	e.release(le)
	other := e.locker("other") // another client sees it, too
	for _, k := range []string{"a", "b"} {
		for _, r := range []lockcore.Requirement{of(1, k), shared(of(1, k)), seat(2, of(1, k))} {
			if e.try(other, request(r)) != nil {
				e.Fatalf("%s is out of service and was given out for %+v", k, r)
			}
		}
	}
	p.stillWaits("a is out of service")
	if _, err := other.Enable(e.ctx, "b"); err != nil {
		e.Fatal(err)
	}
	p.stillWaits("only b was enabled")
	e.enable(other, "a")
	e.release(p.lease())
	if _, err := l.Enable(e.ctx, "a"); !errors.Is(err, lockcore.ErrNotHeld) {
		e.Errorf("enabling what is in service: want ErrNotHeld, got %v", err)
	}
	e.empty(l)
}

// disabledForAll: readers and those by the seat keep what they have; nobody joins
// them.
func disabledForAll(e *env) {
	l := e.locker("l")
	reader, sitter := e.acquire(l, request(shared(of(1, "k")))), e.acquire(l, request(seat(3, of(1, "lic"))))
	if held := e.disable(l, false, "k", "lic"); len(held) != 2 {
		e.Fatalf("Disable returned the holders %+v", held)
	}
	if e.try(l, request(shared(of(1, "k")))) != nil || e.try(l, request(seat(3, of(1, "lic")))) != nil {
		e.Fatal("somebody joined the holders of what is out of service")
	}
	e.release(reader)
	e.release(sitter)
	e.enable(l, "k", "lic")
	e.release(e.acquire(l, request(of(1, "k"), of(1, "lic"))))
	e.empty(l)
}

// disabledNow takes keys from holders under load: whoever holds loses them, and
// nobody else gets them before they are enabled.
func disabledNow(e *env) {
	keys := []string{"a", "b", "c"}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 6 {
		l := e.locker(fmt.Sprint("loop", i))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				req := request(of(1+i%2, keys...))
				req.TTL, req.WaitForDisabled = renewTTL, true
				le, err := l.Acquire(e.ctx, req)
				if err != nil {
					e.Errorf("loop %d: %v", i, err)
					return
				}
				if err := le.Release(e.ctx); err != nil && !errors.Is(err, lockcore.ErrLost) {
					e.Errorf("loop %d: %v", i, err)
				}
			}
		})
	}
	admin := e.locker("admin")
	for i := range 20 {
		k := keys[i%len(keys)]
		e.disable(admin, true, k)
		for range 3 {
			s, err := admin.Snapshot(e.ctx)
			if err != nil {
				e.Fatal(err)
			}
			for _, h := range s.Holders {
				if h.State != "disabled" && slices.Contains(h.Keys(), k) {
					e.Fatalf("%s was taken out of service at once, and %+v has it", k, h)
				}
			}
		}
		e.enable(admin, k)
	}
	close(stop)
	wg.Wait()
	e.empty(admin)
}

// disabledTakes: the holder is told why it lost everything.
func disabledTakes(e *env) {
	l := e.locker("TestHog")
	req := request(of(2, "a", "b"))
	req.TTL = renewTTL
	le := e.acquire(l, req)
	p := e.start(e.ctx, l, "next", request(of(1, "b")))
	if lost := e.disable(e.locker("admin"), true, "a"); len(lost) != 1 || lost[0].ID != le.ID() {
		e.Fatalf("Disable returned as those who lost their leases %+v", lost)
	}
	e.release(p.lease()) // b was freed along with a
	<-le.Context().Done()
	if err := context.Cause(le.Context()); !errors.Is(err, lockcore.ErrLost) || !strings.Contains(err.Error(), "smoke") {
		e.Errorf("the holder should learn why it lost its lease, got: %v", err)
	}
	e.enable(l, "a")
	if got := e.acquire(l, request(of(1, "a"))); got.Last("a") != lockcore.Unknown {
		e.Errorf("a was taken from its holder, and the next one is told %q", got.Last("a"))
	}
}

func outOfService(e *env) {
	l := e.locker("l")
	le := e.acquire(l, request(of(1, "b")))
	e.disable(l, false, "a")
	check := func(when string, err error) {
		e.Helper()
		var busy *lockcore.BusyError
		if !errors.Is(err, lockcore.ErrOutOfService) || !isBusy(err) || !errors.As(err, &busy) {
			e.Fatalf("%s: want ErrOutOfService and ErrBusy, got %v", when, err)
		}
		for _, o := range busy.Outages {
			if o.Holder.User != "ann@bench" || o.Reason != "smoke" || o.Since.IsZero() {
				e.Errorf("%s: an outage is told as %+v", when, o)
			}
		}
		if len(busy.Outages) == 0 || !strings.Contains(err.Error(), "a is out of service, disabled by ann@bench since ") {
			e.Errorf("%s: the error names neither key nor person: %v", when, err)
		}
	}
	_, err := l.TryAcquire(e.ctx, request(of(1, "a")))
	check("one attempt", err)
	_, err = l.Acquire(e.ctx, request(of(1, "x"), of(1, "a")))
	check("at arrival", err)
	p := e.start(e.ctx, l, "either", request(of(1, "a", "b")))
	p.stillWaits("b is in service")
	e.disable(l, false, "b")
	<-p.done
	check("while it waits", p.err)
	all := request(of(1, "a", "b"))
	all.WaitForDisabled = true
	q := e.start(e.ctx, l, "patient", all)
	e.release(le)
	q.stillWaits("both are out of service")
	e.enable(l, "a")
	e.release(q.lease())
	e.enable(l, "b")
	e.empty(l)
}

func disabledKeepsNothingAside(e *env) {
	l := e.locker("l")
	e.disable(l, false, "a")
	req := request(of(1, "a"), of(1, "b"))
	req.WaitForDisabled = true
	both := e.start(e.ctx, l, "both", req)
	one := e.try(l, request(of(1, "b")))
	if one == nil {
		e.Fatal("b is kept aside for a request that waits for what is out of service")
	}
	e.enable(l, "a")
	second := e.start(e.ctx, l, "second", request(of(1, "b")))
	e.release(one)
	le := both.lease()
	second.stillWaits("both came first")
	e.release(le)
	e.release(second.lease())
	e.empty(l)
}

// disabledNotRevived: an expired lease does not come back onto a key that was
// disabled meanwhile.
func disabledNotRevived(e *env) {
	s, l := e.open(), e.locker("l")
	g := e.ask(s, ticket("sleeper", shortTTL, of(1, "k")))
	e.disable(l, false, "k")
	e.until(l, "the lease has expired", func(snap lockcore.Snapshot) bool { return len(snap.Holders) == 1 })
	errs, err := s.Renew(e.ctx, []*lockcore.Grant{g})
	if err != nil || !errors.Is(errs[0], lockcore.ErrLost) {
		e.Fatalf("renewing a lease that expired, on a key that is out of service: want ErrLost, got %v, %v", errs, err)
	}
	e.enable(l, "k")
	e.release(e.acquire(l, request(of(1, "k"))))
}

func quarantined(e *env) {
	l := e.locker("TestFlash")
	const base = time.Hour
	lasts := func(what string, want time.Duration) {
		e.Helper()
		if _, err := l.Disable(e.ctx, lockcore.Outage{Keys: []string{"a"}, Owner: lockcore.Owner{Test: "TestFlash"}, Reason: "no boot prompt", For: base}); err != nil {
			e.Fatal(err)
		}
		h := e.holder(l, "a", "disabled")
		s, err := l.Snapshot(e.ctx)
		if got := h.Expires.Sub(s.Time); err != nil || got > want || got < want-base/2 || h.Owner.Test != "TestFlash" {
			e.Errorf("%s it is disabled for %s more, should be %s (%+v, %v)", what, got, want, h, err)
		}
	}
	lasts("the first time", base)
	lasts("disabled again meanwhile", base)
	e.enable(l, "a") // by hand: somebody has seen to it
	lasts("after it was enabled", base)

	// Its time ends by itself, and the doubling stays until a clean use.
	short := lockcore.Outage{Keys: []string{"b"}, For: shortTTL}
	for range 2 {
		if _, err := l.Disable(e.ctx, short); err != nil {
			e.Fatal(err)
		}
		req := request(of(1, "b"))
		req.WaitForDisabled = true
		le := e.acquire(l, req)
		le.SetEnding(lockcore.TestFailed)
		e.release(le)
	}
	for _, want := range []time.Duration{4 * shortTTL, shortTTL} {
		if _, err := l.Disable(e.ctx, short); err != nil {
			e.Fatal(err)
		}
		h := e.holder(l, "b", "disabled")
		if got := h.Expires.Sub(h.Since); got > want+shortTTL/2 || got < want-shortTTL/2 {
			e.Errorf("disabled for %s, should be %s", got, want)
		}
		req := request(of(1, "b"))
		req.WaitForDisabled = true
		e.release(e.acquire(l, req)) // as Released: the next time starts anew
	}
}

func endings(e *env) {
	s, l := e.open(), e.locker("l")
	told := func(what string, want lockcore.Ending) {
		e.Helper()
		le := e.acquire(l, request(of(1, "k")))
		if got := le.Last("k"); got != want {
			e.Errorf("%s: the next holder is told %q, want %q", what, got, want)
		}
		snap, err := l.Snapshot(e.ctx)
		if err != nil || snap.Endings["k"] != want {
			e.Errorf("%s: the snapshot tells %q, want %q (%v)", what, snap.Endings["k"], want, err)
		}
		e.release(le)
	}
	told("a key that was never used", lockcore.Released)
	told("given back", lockcore.Released)

	le := e.acquire(l, request(of(2, "k", "other")))
	le.SetEnding(lockcore.TestFailed)
	e.release(le)
	if snap, err := l.Snapshot(e.ctx); err != nil || snap.Endings["other"] != lockcore.TestFailed {
		e.Errorf("both keys of a lease were given back by a test that failed, and the snapshot tells %v (%v)", snap.Endings, err)
	}
	told("given back by a test that failed", lockcore.TestFailed)
	told("and in order after that", lockcore.Released)

	e.granted(s, ticket("dies", shortTTL, of(1, "k")))
	told("its holder expired", lockcore.Died)

	e.granted(s, ticket("freed", time.Minute, of(1, "k")))
	if _, err := s.Free(e.ctx, "k", "for the test"); err != nil {
		e.Fatal(err)
	}
	g := e.granted(s, ticket("unused", time.Minute, of(1, "k")))
	if g.Last["k"] != lockcore.Unknown {
		e.Errorf("freed by hand: the next holder is told %q", g.Last["k"])
	}
	if err := s.Withdraw(e.ctx, "unused"); err != nil {
		e.Fatal(err)
	}
	told("a withdrawn grant changes nothing", lockcore.Unknown)

	g = e.granted(s, ticket("back", shortTTL, of(1, "k")))
	e.until(l, "the lease has expired", func(snap lockcore.Snapshot) bool { return len(snap.Holders) == 0 })
	if errs, err := s.Renew(e.ctx, []*lockcore.Grant{g}); err != nil || errs[0] != nil {
		e.Fatalf("nobody had the key since, and the renewal gave %v, %v", errs, err)
	}
	if err := s.Release(e.ctx, g, 0); err != nil {
		e.Fatal(err)
	}
	told("a lease that expired, came back and was given back", lockcore.Released)

	g = e.granted(s, ticket("keeps", time.Minute, of(1, "k")))
	g.Ending = lockcore.TestFailed
	if err := s.Release(e.ctx, g, shortTTL); err != nil {
		e.Fatal(err)
	}
	told("kept for a while after a test that failed", lockcore.TestFailed)
}
