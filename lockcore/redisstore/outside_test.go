package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// What the scripts do beside programs that use python-redis-lock, to the millisecond:
// interop_test.go has the same on a server, with real time.

// A lab is a server in a bubble, a store that minds what other programs lock there,
// and what such a program does.
type lab struct {
	bubble
	store  *redisstore.Store
	python python
}

func inLab(t *testing.T, f func(l lab)) {
	t.Helper()
	inBubble(t, func(b bubble) {
		c := b.client()
		b.Cleanup(func() { c.Close() })
		f(lab{b, b.open(redisstore.Options{Interop: "python"}), python{b, c}})
	})
}

// grant asks for what is free.
func (l lab) grant(tk *lockcore.Ticket) *lockcore.Grant {
	l.Helper()
	g := ask(l, l.store, tk).Grant
	if g == nil {
		l.Fatalf("%s waits", tk.ID)
	}
	return g
}

func (l lab) release(g *lockcore.Grant) {
	l.Helper()
	if err := l.store.Release(l.Context(), g, 0); err != nil {
		l.Fatal(err)
	}
}

// locked wants the lock of a resource to have a value and to last.
func (l lab) locked(name, id string, lasts time.Duration) {
	l.Helper()
	v, err := l.python.c.Get(l.Context(), "lock:"+name).Result()
	if err != nil || v != id {
		l.Errorf("lock:%s is %q (%v), want %q", name, v, err, id)
	}
	if ttl := l.python.c.PTTL(l.Context(), "lock:"+name).Val(); ttl != lasts {
		l.Errorf("lock:%s lasts %s, want %s", name, ttl, lasts)
	}
}

func (l lab) free(name string) {
	l.Helper()
	if l.server.Exists("lock:" + name) {
		l.Errorf("lock:%s still stands", name)
	}
}

// signalled wants a list that wakes one waiter, for a second.
func (l lab) signalled(name string) {
	l.Helper()
	list := "lock-signal:" + name
	if got := l.python.c.LRange(l.Context(), list, 0, -1).Val(); len(got) != 1 || got[0] != "1" {
		l.Errorf("%s is %q, want one 1", list, got)
	}
	if ttl := l.python.c.PTTL(l.Context(), list).Val(); ttl != time.Second {
		l.Errorf("%s lasts %s", list, ttl)
	}
}

// The lock has the id of the lease, lasts as long, to the millisecond above, and is
// renewed and removed with it. Its name is that of the resource, whatever is in it.
func TestOutsideSeesALease(t *testing.T) {
	inLab(t, func(l lab) {
		const key = "board 1/ä%|"
		g := l.grant(ticket("t", time.Minute+1500*time.Microsecond, of(1, key)))
		l.locked(key, "!t", time.Minute+2*time.Millisecond)
		time.Sleep(10 * time.Second)
		if err := l.renew(l.store, g); err != nil {
			l.Error(err)
		}
		l.locked(key, "!t", time.Minute+2*time.Millisecond)
		l.release(g)
		l.free(key)
		l.signalled(key)
		// A second release adds no second signal for the same waiter.
		l.release(l.grant(ticket("u", time.Minute, of(1, key))))
		l.signalled(key)
	})
}

// Of an id that is long the first 256 bytes are compared.
func TestOutsideSeesALongID(t *testing.T) {
	for _, n := range []int{254, 255, 256, 300} { // and the mark before it
		inLab(t, func(l lab) {
			id := strings.Repeat("i", n)
			g := l.grant(ticket(id, time.Minute, of(1, "k")))
			if err := l.renew(l.store, g); err != nil {
				l.Errorf("%d: %v", n, err)
			}
			l.locked("k", "!"+id, time.Minute)
			l.release(g)
			l.free("k")
		})
	}
}

// Several readers have one lock. It lasts as long as the longest of them, and has the
// id of one that is still there.
func TestOutsideSeesReaders(t *testing.T) {
	inLab(t, func(l lab) {
		read := of(1, "doc")
		read.Shared = true
		long, short := l.grant(ticket("long", time.Minute, read)), l.grant(ticket("short", 20*time.Second, read))
		l.locked("doc", "!long", time.Minute)
		if err := l.renew(l.store, short); err != nil {
			l.Error(err)
		}
		l.locked("doc", "!long", time.Minute)
		time.Sleep(10 * time.Second)
		l.release(long)
		l.locked("doc", "!short", 50*time.Second)
		last := l.grant(ticket("last", 2*time.Minute, read))
		l.locked("doc", "!short", 2*time.Minute)
		l.release(last)
		l.locked("doc", "!short", 2*time.Minute)
		l.release(short)
		l.free("doc")
		l.signalled("doc")
	})
}

// Whatever stands under the name of a lock keeps the resource from others; what does
// not stand there, does not.
func TestOutsideLocksOfAnyKind(t *testing.T) {
	inLab(t, func(l lab) {
		l.python.take("string", "p", time.Minute)
		l.python.take("huge", strings.Repeat("x", 1000), time.Minute)
		l.python.take("empty", "", time.Minute)
		l.python.c.RPush(l.Context(), "lock:list", "x")
		for _, key := range []string{"string", "huge", "empty", "list"} {
			tk := ticket("t", time.Minute, of(1, key))
			tk.Wait = false
			if ask(l, l.store, tk).Grant != nil {
				l.Errorf("%s is given away", key)
			}
		}
		time.Sleep(time.Minute)
		for _, key := range []string{"string", "huge", "empty"} {
			l.release(l.grant(ticket("after "+key, time.Minute, of(1, key))))
		}
	})
}

// Free takes a lock of another program away, and says whose it was.
func TestOutsideIsFreed(t *testing.T) {
	inLab(t, func(l lab) {
		l.python.take("k", "p", time.Minute)
		freed, err := l.store.Free(l.Context(), "k", "it is in the way")
		if err != nil || len(freed) != 1 || freed[0].State != "foreign" || freed[0].ID != "p" || !freed[0].Expires.IsZero() {
			l.Errorf("%+v, %v", freed, err)
		}
		l.free("k")
		l.signalled("k")
		if freed, err = l.store.Free(l.Context(), "k", "again"); !errors.Is(err, lockcore.ErrNotHeld) {
			l.Errorf("%+v, %v", freed, err)
		}
		// A lease that is freed is told of as what it is, and its lock ends with it.
		l.grant(ticket("t", time.Minute, of(1, "k")))
		if freed, err = l.store.Free(l.Context(), "k", "now"); err != nil || len(freed) != 1 || freed[0].State == "foreign" {
			l.Errorf("%+v, %v", freed, err)
		}
		l.free("k")
	})
}

// A lease whose lock another program has now is lost at its renewal, all of it, and
// the other's lock stays.
func TestOutsideTakesALease(t *testing.T) {
	inLab(t, func(l lab) {
		g := l.grant(ticket("t", time.Minute, of(2, "a", "b")))
		l.server.Set("lock:b", "thief")
		wantLost(l, l.renew(l.store, g), "another program")
		l.free("a")
		l.locked("b", "thief", -1)
		if ask(l, l.store, ticket("u", time.Minute, of(1, "b"))).Grant != nil {
			l.Error("b is given away")
		}
		l.server.Del("lock:b")
		// Who waits asks again, and finds it free.
		l.release(l.grant(ticket("u", time.Minute, of(1, "b"))))
	})
}

// A lease that ends leaves the lock that another program has instead of its own.
func TestOutsideLockOutlivesALease(t *testing.T) {
	inLab(t, func(l lab) {
		g := l.grant(ticket("t", time.Minute, of(1, "k")))
		l.server.Set("lock:k", "thief")
		l.release(g)
		l.locked("k", "thief", -1)
		if l.server.Exists("lock-signal:k") {
			l.Error("python's waiters are woken")
		}
	})
}

// A lease that comes back late finds that another program has its resource.
func TestOutsideKeepsALeaseFromComingBack(t *testing.T) {
	inLab(t, func(l lab) {
		g := l.grant(ticket("t", 10*time.Second, of(1, "k")))
		time.Sleep(11 * time.Second)
		l.python.take("k", "p", time.Minute)
		wantLost(l, l.renew(l.store, g), "")
		l.locked("k", "p", time.Minute)
		l.python.release("k", "p")
		g = l.grant(ticket("u", 10*time.Second, of(1, "k")))
		time.Sleep(11 * time.Second)
		l.free("k")
		if err := l.renew(l.store, g); err != nil {
			l.Errorf("nobody had it in between: %v", err)
		}
		l.locked("k", "!u", 10*time.Second)
	})
}

// A lease that is kept, a reservation and a resource out of service are locked outside
// as long.
func TestOutsideSeesWhatHasNoHolder(t *testing.T) {
	inLab(t, func(l lab) {
		g := l.grant(ticket("t", 10*time.Second, of(1, "kept")))
		if err := l.store.Release(l.Context(), g, time.Hour); err != nil {
			l.Fatal(err)
		}
		l.locked("kept", "!t", time.Hour)
		tk := ticket("ann", 10*time.Second, of(1, "bench"))
		tk.For = time.Hour
		g = l.grant(tk)
		if err := l.renew(l.store, g); err != nil {
			l.Error(err)
		}
		l.locked("bench", "!ann", time.Hour)
		if _, err := l.store.ExtendReservation(l.Context(), "ann", 2*time.Hour); err != nil {
			l.Error(err)
		}
		l.locked("bench", "!ann", 2*time.Hour)
	})
}
