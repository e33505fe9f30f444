package redisstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// What happens to processes: they are killed or stopped while they hold, while
// they wait, and in between.

const shortTTL = 1500 * time.Millisecond

func TestKilledHolder(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := spawn(t, "hold", job{URL: s.URL(), Keys: []string{"k"}, TTL: shortTTL})
	c.says("held")
	c.kill()
	release(t, acquire(t, locker(t, open(t, s.Addr, redisstore.Options{})), request(time.Minute, of(1, "k"))))
}

func TestKilledWaiter(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	st := open(t, s.Addr, redisstore.Options{})
	l := locker(t, st)
	le := acquire(t, l, request(time.Minute, of(1, "a")))
	c := spawn(t, "hold", job{URL: s.URL(), Keys: []string{"a", "b"}, Need: 2, TTL: shortTTL})
	waiters(t, st, 1)
	if _, err := l.TryAcquire(t.Context(), request(time.Minute, of(1, "b"))); err == nil {
		t.Fatal("b was not reserved for the child")
	}
	c.kill()
	waiters(t, st, 0) // dropped without anybody's doing
	release(t, acquire(t, l, request(time.Minute, of(1, "b"))))
	release(t, le)
}

// The child is stopped while it waits, gets the key meanwhile, and is killed
// before it can confirm that.
func TestWaiterKilledBetweenGrantAndConfirmation(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	st := open(t, s.Addr, redisstore.Options{})
	l := locker(t, st)
	le := acquire(t, l, request(time.Minute, of(1, "k")))
	c := spawn(t, "hold", job{URL: s.URL(), Keys: []string{"k"}, TTL: time.Hour})
	waiters(t, st, 1)
	c.stop()
	next := make(chan *lockcore.Lease, 1)
	go func() {
		if le, err := l.Acquire(t.Context(), request(time.Minute, of(1, "k"))); err == nil {
			next <- le
		}
	}()
	waiters(t, st, 2)
	release(t, le)
	snap, err := st.Snapshot(t.Context())
	if err != nil || len(snap.Holders) != 1 || snap.Holders[0].State != "granted" || snap.Holders[0].Owner.Test != "TestChild" {
		t.Fatalf("want the child to be granted, got %+v, %v", snap.Holders, err)
	}
	c.kill()
	release(t, arrives(t, "the next one gets it, long before the hour is over", next))
}

// The child is stopped while it waits, is granted the key, does not confirm it in
// time, and somebody else has the key when it goes on. What it finds in its
// mailbox then is no grant any more.
func TestWaiterStoppedBeyondItsGrant(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	st := open(t, s.Addr, redisstore.Options{})
	l := locker(t, st)
	le := acquire(t, l, request(time.Minute, of(1, "k")))
	c := spawn(t, "hold", job{URL: s.URL(), Keys: []string{"k"}, TTL: shortTTL})
	waiters(t, st, 1)
	c.stop()
	release(t, le)
	rival := acquire(t, l, request(time.Minute, of(1, "k")))
	c.cont()
	waiters(t, st, 1) // it is in line again
	release(t, rival)
	var token uint64
	if _, err := fmt.Sscan(c.says("held"), &token); err != nil || token <= rival.Token() {
		t.Errorf("the child has token %d, %v; while it was stopped, somebody else had %d", token, err, rival.Token())
	}
}

// A process that was stopped beyond its TTL finds its lease lost before it does
// anything else, and says who has the key now.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := spawn(t, "hold", job{URL: s.URL(), Keys: []string{"k"}, TTL: shortTTL})
	c.says("held")
	c.stop()
	l := locker(t, open(t, s.Addr, redisstore.Options{}))
	le := acquire(t, l, request(time.Minute, of(1, "k")))
	c.tell("check") // what it finds in its mailbox when it goes on
	c.cont()
	said := arrives(t, "the child says what it found", c.lines)
	if !strings.Contains(said, lockcore.ErrLost.Error()) {
		t.Fatalf("a child that was stopped beyond its TTL says %q", said)
	}
	release(t, le)
}

// A holder that was stopped beyond its TTL while nobody wanted the key may come
// too late for its own validity, and still leaves nothing behind.
func TestStoppedHolderWithoutRivals(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	st := open(t, s.Addr, redisstore.Options{})
	c := spawn(t, "hold", job{URL: s.URL(), Keys: []string{"k"}, TTL: shortTTL})
	c.says("held")
	c.stop()
	await(t, "the lease expires", func() bool {
		snap, err := st.Snapshot(t.Context())
		return err == nil && len(snap.Holders) == 0
	})
	c.cont()
	c.says("lost")
	release(t, acquire(t, locker(t, st), request(time.Minute, of(1, "k"))))
}
