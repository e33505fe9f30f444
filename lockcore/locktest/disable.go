package locktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

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

// disabledAfterHolder: without Now, a key goes out of service behind its holder, and there is
// no moment in between at which the waiter could have it. A store that fails most probably
// waits for the holder and disables then, or grants to the waiter in the step of the
// release before it looks at what is disabled.
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
// them. A store that fails lets them in beside each other before it looks at who has
// disabled the key.
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
// nobody else gets them before they are enabled. A store that fails frees the key and
// disables it in two steps, or disables it and serves the line with the old view. The keys
// are looked at three times, as such a grant may come a moment later.
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

// disabledTakes: the holder is told why it lost everything. A store that fails most
// probably takes the one key alone, so that next waits for b; or does not keep the words of
// the reason until the holder renews.
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

// outOfService: a request that only a repair could serve ends at once, as nobody knows when
// that will be. The store's part is Answer.Disabled, and to wake whoever lists a key when it
// is disabled: a store that fails while the request waits, only, forgot to wake it.
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

// disabledUnderACrowd takes a key that twenty wait for out of service: those who need it
// are told, the others share what is left, and nobody gets it. A store that fails, and
// passes outOfService, wakes the first in line alone, or one of each client.
func disabledUnderACrowd(e *env) {
	l := e.locker("l")
	bad, good := e.acquire(l, request(of(1, "bad"))), e.acquire(l, request(of(1, "good")))
	var all []*pending
	for i := range 20 {
		req := request(of(1, "bad", "good"))
		if i%4 == 0 {
			req = request(of(1, "bad"))
		}
		all = append(all, e.start(e.ctx, e.locker(fmt.Sprint("crowd ", i)), fmt.Sprint("crowd ", i), req))
	}
	e.disable(l, false, "bad")
	e.release(bad)
	for i := 0; i < len(all); i += 4 {
		<-all[i].done
		if !errors.Is(all[i].err, lockcore.ErrOutOfService) {
			e.Errorf("%s needs what is out of service: %v, %v", all[i].name, all[i].le, all[i].err)
		}
	}
	e.release(good)
	var wg sync.WaitGroup
	for i, p := range all {
		if i%4 == 0 {
			continue
		}
		wg.Go(func() {
			<-p.done
			if p.err != nil || !slices.Equal(p.le.Keys(), []string{"good"}) {
				e.Errorf("%s got %v, %v", p.name, p.le, p.err)
				return
			}
			if err := p.le.Release(e.ctx); err != nil {
				e.Errorf("%s: %v", p.name, err)
			}
		})
	}
	wg.Wait()
	e.enable(l, "bad")
	e.empty(l)
}

// disabledKeepsNothingAside: who cannot start before a repair keeps nobody else waiting, and
// has its place again after it.
//
//	a is disabled     both wants a and b, and reserves nothing
//	one takes b       though both came first
//	a is enabled      both reserves a, and is served before second, who came later
//
// A store that fails reserves what is free, whatever else is missing; or puts such a waiter
// in line anew when the key is enabled.
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
// disabled meanwhile. A store that fails asks at the renewal only whether the key was
// granted since: somebody may be repairing the resource.
func disabledNotRevived(e *env) {
	s, l := e.open(), e.locker("l")
	g := e.ask(s, ticket("sleeper", shortTTL, of(1, "k")))
	e.disable(l, false, "k")
	e.until(l, "the lease has expired", func(snap lockcore.Snapshot) bool { return len(snap.Holders) == 1 })
	if err := e.renew(s, g); !errors.Is(err, lockcore.ErrLost) {
		e.Fatalf("renewing a lease that expired, on a key that is out of service: want ErrLost, got %v", err)
	}
	e.enable(l, "k")
	e.release(e.acquire(l, request(of(1, "k"))))
}

// quarantined: a resource that is found unfit again and again stays out of service for twice
// as long each time, until a test has used it in order or a person has enabled it. A store
// that fails the second time doubles for a key that is disabled already: a call that is
// repeated, as its reply was lost, would do so, too. One that fails after that forgets the
// count when the time ends, or when a test that failed gives the key back.
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
