package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// python does what python-redis-lock does, which resource_locker 1.0 uses: SET
// NX PX to take, a script that compares, deletes and fills a list to release,
// BLPOP on that list to wait.
type python struct {
	t testing.TB
	c *redis.Client
}

func (p python) take(name, id string, ttl time.Duration) bool {
	p.t.Helper()
	ok, err := p.c.SetNX(p.t.Context(), "lock:"+name, id, ttl).Result()
	if err != nil {
		p.t.Fatal(err)
	}
	return ok
}

var pythonRelease = redis.NewScript(`
if redis.call("get", KEYS[1]) ~= ARGV[1] then return 1 end
redis.call("del", KEYS[2])
redis.call("lpush", KEYS[2], 1)
redis.call("pexpire", KEYS[2], 1000)
redis.call("del", KEYS[1])
return 0`)

func (p python) release(name, id string) {
	p.t.Helper()
	if n, err := pythonRelease.Run(p.t.Context(), p.c, []string{"lock:" + name, "lock-signal:" + name}, id).Int(); err != nil || n != 0 {
		p.t.Fatalf("python does not hold %s: %d, %v", name, n, err)
	}
}

type mixed struct {
	*testing.T
	server *redistest.Server
	python python
	store  *redisstore.Store
	locker *lockcore.Locker
}

func mix(t *testing.T) mixed {
	t.Helper()
	s := redistest.Start(t)
	c := redis.NewClient(&redis.Options{Addr: s.Addr})
	t.Cleanup(func() { c.Close() })
	st := openURL(t, s.URL()+"?interop=python", redisstore.Options{})
	return mixed{t, s, python{t, c}, st, locker(t, st)}
}

func TestPythonAndGoExcludeEachOther(t *testing.T) {
	t.Parallel()
	m := mix(t)
	const key = "board 1/ä%|"
	le := acquire(t, m.locker, request(time.Minute, of(1, key)))
	if m.python.take(key, "p1", time.Minute) {
		t.Fatal("python took what Go holds")
	}
	if got := m.server.Do("GET", "lock:"+key); !strings.Contains(got.(string), le.ID()) {
		t.Errorf("the lock says %q, want the id of the lease, %s", got, le.ID())
	}
	signal := m.python.c.BLPop(t.Context(), time.Millisecond, "lock-signal:"+key) // nothing yet
	if signal.Err() == nil {
		t.Error("a signal before the release")
	}
	release(t, le)
	if err := m.python.c.BLPop(t.Context(), time.Minute, "lock-signal:"+key).Err(); err != nil {
		t.Errorf("python's waiters are not woken: %v", err)
	}
	if !m.python.take(key, "p1", time.Minute) {
		t.Fatal("python cannot take what Go has released")
	}
	_, err := m.locker.TryAcquire(t.Context(), request(0, of(1, key)))
	if !errors.Is(err, lockcore.ErrBusy) || !strings.Contains(err.Error(), "locked by another program (p1) until") {
		t.Errorf("Go tried what python holds: %v", err)
	}
	// Of two candidates the other one is taken.
	le = acquire(t, m.locker, request(time.Minute, of(1, key, "other")))
	if le.Keys()[0] != "other" {
		t.Errorf("Go took %q, which python holds", le.Keys()[0])
	}
	release(t, le)
	next := waiting1(t, m.locker, key)
	waiters(t, m.store, 1)
	m.python.release(key, "p1")
	release(t, arrives(t, "Go gets what python has released", next))
}

func waiting1(t *testing.T, l *lockcore.Locker, keys ...string) <-chan *lockcore.Lease {
	next := make(chan *lockcore.Lease, 1)
	go func() {
		le, err := l.Acquire(t.Context(), request(time.Minute, of(len(keys), keys...)))
		if err != nil {
			t.Error(err)
		}
		next <- le
	}()
	return next
}

// The lock that python sees lives as long as the lease, and no longer.
func TestRenewalKeepsTheLockOutside(t *testing.T) {
	t.Parallel()
	m := mix(t)
	le := acquire(t, m.locker, request(shortTTL, of(2, "a", "b")))
	taken := time.Now()
	await(t, "the lease is renewed", func() bool {
		return time.Since(taken) > 2*shortTTL
	})
	if le.Context().Err() != nil || m.python.take("a", "p", time.Minute) {
		t.Fatal("the lock outside has run out before the lease")
	}
	// Somebody deletes it by hand and takes it: the lease is lost, and all of it.
	m.server.Do("SET", "lock:b", "thief", "PX", 60000)
	arrives(t, "the lease is lost", le.Context().Done())
	await(t, "the rest of it is free", func() bool { return m.python.take("a", "p", time.Minute) })
}

func TestReadersShareTheLockOutside(t *testing.T) {
	t.Parallel()
	m := mix(t)
	read := of(1, "doc")
	read.Shared = true
	first, second := acquire(t, m.locker, request(time.Minute, read)), acquire(t, m.locker, request(time.Minute, read))
	release(t, first)
	if m.python.take("doc", "p", time.Minute) {
		t.Fatal("python took what a reader still has")
	}
	release(t, second)
	if !m.python.take("doc", "p", time.Minute) {
		t.Fatal("the lock outside outlived the last reader")
	}
}

// Whatever stands under the name of a lock is one, of any type and size.
func TestLocksOfAnyKind(t *testing.T) {
	t.Parallel()
	m := mix(t)
	m.server.Do("SET", "lock:huge", strings.Repeat("x", 10<<20))
	m.server.Do("RPUSH", "lock:list", "x")
	m.server.Do("SET", "lock:empty", "")
	for _, key := range []string{"huge", "list", "empty"} {
		if _, err := m.locker.TryAcquire(t.Context(), request(0, of(1, key))); !errors.Is(err, lockcore.ErrBusy) {
			t.Errorf("%s: %v", key, err)
		}
	}
	snap, err := m.store.Snapshot(t.Context())
	if err != nil || len(snap.Holders) != 3 {
		t.Fatalf("%d holders, %v", len(snap.Holders), err)
	}
	for _, h := range snap.Holders {
		if h.State != "foreign" || len(h.ID) > 300 || !h.Expires.IsZero() {
			t.Errorf("%+v", h)
		}
	}
	freed, err := m.store.Free(t.Context(), "huge", "it is in the way")
	if err != nil || len(freed) != 1 || freed[0].State != "foreign" {
		t.Errorf("%+v, %v", freed, err)
	}
	release(t, acquire(t, m.locker, request(time.Minute, of(1, "huge"))))
}

// Stores without interop leave other programs' keys alone.
func TestWithoutInterop(t *testing.T) {
	t.Parallel()
	m := mix(t)
	m.python.take("k", "p", time.Minute)
	st := open(t, m.server.Addr, redisstore.Options{Namespace: "apart"})
	g := ask(t, st, ticket("t", time.Minute, of(1, "k"))).Grant
	if g == nil {
		t.Fatal("k is busy because of another program")
	}
	if err := st.Release(t.Context(), g, 0); err != nil {
		t.Fatal(err)
	}
	if m.server.Do("GET", "lock:k") != "p" {
		t.Error("its lock is gone")
	}
	if snap, err := st.Snapshot(t.Context()); err != nil || len(snap.Holders) != 0 {
		t.Errorf("%+v, %v", snap, err)
	}
}
