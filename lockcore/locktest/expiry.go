package locktest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Times in these tests are how long the suite waits, not how long a store may
// take.
const (
	shortTTL = 600 * time.Millisecond // of leases that are meant to expire
	renewTTL = 2 * time.Second        // of leases that are meant to live, on a machine that is busy
)

// expiry: the keys of a process that died go on when its TTL is over, and what it sends
// after that changes nothing. A store that fails at the renewal or the release looks for the
// key and not for the lease: the old holder would extend or end the lease of the new one. The
// error names the new holder, since that is whom the owner of the old one has to talk to.
func expiry(e *env) {
	s := e.open()
	dead := ticket("dead", shortTTL, of(1, "k"))
	g := e.ask(s, dead)
	if g == nil {
		e.Fatal("a free key was refused")
	}
	l := e.locker("next")
	le := e.acquire(l, request(of(1, "k")))
	if !e.h.Unfenced && le.Token() <= g.Token {
		e.Errorf("token %d follows token %d", le.Token(), g.Token)
	}
	err := e.renew(s, g)
	if !errors.Is(err, lockcore.ErrLost) {
		e.Fatalf("renewing a lease that went to somebody else: want ErrLost, got %v", err)
	}
	if !strings.Contains(err.Error(), "next") {
		e.Errorf("the error does not say who has the key now: %v", err)
	}
	if err := s.Release(e.ctx, g, 0); !errors.Is(err, lockcore.ErrNotHeld) {
		e.Errorf("releasing it: want ErrNotHeld, got %v", err)
	}
	if e.try(l, request(of(1, "k"))) != nil {
		e.Fatal("the new holder lost the key by it")
	}
	e.release(le)
}

// renewal is tried with longer leases when the machine stood still for too long to
// renew the short one: that is no fault of the store, and a store that does not
// renew loses the long ones too. A store that fails most probably answers nil to Renew and
// extends nothing, or by less than a full TTL.
func renewal(e *env) {
	l := e.locker("l")
	mute := lockcore.New(e.h.Open(e, e.ns), &lockcore.Options{Alive: func() bool { return false }})
	defer mute.Close()
	for ttl := renewTTL; ; ttl *= 3 {
		err := outlives(e, l, mute, ttl)
		if err == nil {
			return
		}
		if ttl > 5*renewTTL {
			e.Fatalf("the lease that is renewed is over: %v", err)
		}
	}
}

// outlives takes a lease that is renewed and one that is not, and returns how the
// first ended if it did not live longer.
func outlives(e *env, l, mute *lockcore.Locker, ttl time.Duration) error {
	req := request(of(1, "k"))
	req.TTL = ttl
	le := e.acquire(l, req)
	req = request(of(1, "m"))
	req.TTL = ttl
	lost := e.acquire(mute, req)
	<-lost.Context().Done()
	if err := context.Cause(lost.Context()); !errors.Is(err, lockcore.ErrLost) {
		e.Errorf("a lease that is not renewed ends with %v, want ErrLost", err)
	}
	if err := lost.Release(e.ctx); !errors.Is(err, lockcore.ErrLost) {
		e.Errorf("Release of a lost lease: want ErrLost, got %v", err)
	}
	e.until(l, "the time of the unrenewed lease is over", func(s lockcore.Snapshot) bool {
		return !slices.ContainsFunc(s.Holders, func(h lockcore.Holder) bool { return h.ID == lost.ID() })
	})
	other := e.try(l, request(of(1, "k")))
	err := context.Cause(le.Context())
	if other != nil {
		if err == nil {
			e.Fatal("the key of a lease that is renewed went to somebody else")
		}
		e.release(other)
	}
	if err == nil {
		err = le.Release(e.ctx)
	}
	return err
}

// revival: a process that slept for longer than its TTL has lost nothing, as long as nobody
// had its keys.
//
//	the lease expires    its key is free, and the store still knows the lease
//	its holder renews    it has the key as before
//	it expires again, somebody takes the key and gives it back: now it is lost for good
//
// A store that fails at first forgets a lease when it expires. One that fails at last looks
// whether the key is free, and not whether it was granted since: the holder believes in
// what it knew of the resource, and that may be true no more.
func revival(e *env) {
	s := e.open()
	l := e.locker("l")
	g := e.ask(s, ticket("sleeper", shortTTL, of(1, "k")))
	gone := func(snap lockcore.Snapshot) bool { return len(snap.Holders) == 0 }
	e.until(l, "the lease has expired", gone)
	if err := e.renew(s, g); err != nil {
		e.Fatalf("nobody had the key since it expired, and its renewal gave %v", err)
	}
	if e.try(l, request(of(1, "k"))) != nil {
		e.Fatal("the revived lease does not hold its key")
	}
	e.until(l, "the lease has expired again", gone)
	e.release(e.acquire(l, request(of(1, "k"))))
	if err := e.renew(s, g); !errors.Is(err, lockcore.ErrLost) {
		e.Fatalf("somebody had the key since it expired: want ErrLost, got %v", err)
	}
}

// untakenGrant: a waiter may die just before it is served, and then its TTL would be lost to
// all behind it. So its grant lasts about five seconds until it is heard of. The TTL here is
// as long as the subtest may take: a store that gives it in full at the grant hangs.
func untakenGrant(e *env) {
	s := e.open()
	l := e.locker("l")
	le := e.acquire(l, request(of(1, "k")))
	t := ticket("absent", watchdog, of(1, "k"))
	if e.ask(s, t) != nil {
		e.Fatal("the key is held")
	}
	p := e.start(e.ctx, l, "next", request(of(1, "k")))
	e.release(le)
	e.release(p.lease()) // after the grant to the absent one has run out
	if err := e.renew(s, &lockcore.Grant{Ticket: t, Obtained: [][]string{{"k"}}}); !errors.Is(err, lockcore.ErrLost) {
		e.Fatalf("taking up a grant that went to somebody else: want ErrLost, got %v", err)
	}
	e.empty(l)
}

// deadWaiter: a waiter that does not ask any more is dropped, with what is reserved for it.
// The store that fails most probably drops it only when its turn comes, which never comes
// here: what it waits for is not given back before it is gone.
func deadWaiter(e *env) {
	s := e.open()
	l := e.locker("l")
	le := e.acquire(l, request(of(1, "a")))
	if e.ask(s, ticket("dead", shortTTL, of(1, "a"), of(1, "b"))) != nil {
		e.Fatal("a is held")
	}
	e.release(e.acquire(l, request(of(1, "b")))) // once the dead one's claim on b is over
	e.release(le)
	e.empty(l)
}

// keptLease: a test that broke a board may leave it as it is for a person, and end. A store
// that fails most probably removes the lease with the release, or ends it when its TTL is
// over, which no one renews now.
func keptLease(e *env) {
	l := e.locker("TestBroken")
	le := e.acquire(l, request(of(1, "k")))
	if err := le.Keep(e.ctx, watchdog); err != nil {
		e.Fatalf("Keep: %v", err)
	}
	if le.Context().Err() == nil {
		e.Error("the context of a kept lease is not over")
	}
	if e.try(l, request(of(1, "k"))) != nil {
		e.Fatal("a kept key was given out")
	}
	snap, err := l.Snapshot(e.ctx)
	if err != nil || len(snap.Holders) != 1 || snap.Holders[0].State != "kept" {
		e.Fatalf("want one holder that is kept, got %+v, %v", snap.Holders, err)
	}
	s := e.open()
	freed, err := s.Free(e.ctx, "k", "somebody had a look")
	if err != nil || len(freed) != 1 || freed[0].Owner.Test != "TestBroken" {
		e.Fatalf("Free gave %+v, %v", freed, err)
	}
	short := e.acquire(l, request(of(1, "k")))
	if err := short.Keep(e.ctx, shortTTL); err != nil {
		e.Fatalf("Keep: %v", err)
	}
	e.release(e.acquire(l, request(of(1, "k")))) // by itself, when its time is over
	e.empty(l)
}

// freedKey: a person may take a key from whoever holds it. A store that fails takes that
// key alone, and leaves a lease with half of what its test works with; or forgets why before
// the holder renews.
func freedKey(e *env) {
	l := e.locker("TestHog")
	req := request(of(2, "a", "b"))
	req.TTL = renewTTL
	le := e.acquire(l, req)
	p := e.start(e.ctx, l, "next", request(of(1, "b")))
	s := e.open()
	freed, err := s.Free(e.ctx, "a", "freed by an admin who was fed up")
	if err != nil || len(freed) != 1 || freed[0].Owner.Test != "TestHog" || len(freed[0].Keys()) != 2 {
		e.Fatalf("Free gave %+v, %v", freed, err)
	}
	e.release(p.lease()) // b was freed along with a
	<-le.Context().Done()
	if err := context.Cause(le.Context()); !errors.Is(err, lockcore.ErrLost) || !strings.Contains(err.Error(), "fed up") {
		e.Errorf("the holder should learn why it lost its lease, got: %v", err)
	}
	if _, err := s.Free(e.ctx, "a", ""); !errors.Is(err, lockcore.ErrNotHeld) {
		e.Errorf("freeing what is free: want ErrNotHeld, got %v", err)
	}
	e.empty(l)
}
