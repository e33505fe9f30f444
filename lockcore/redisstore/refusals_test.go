package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// Servers that say no: one clear error each, and nothing half-taken.

// wantHint fails unless the error says what to do.
func wantHint(t testing.TB, what string, err error, hint string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), hint) {
		t.Errorf("%s: want an error that says %q, got: %v", what, hint, err)
	}
	if err != nil && strings.Contains(err.Error(), "hush") {
		t.Errorf("%s: the password is in the error: %v", what, err)
	}
}

func TestServerIsDown(t *testing.T) {
	s := redistest.Start(t)
	s.Kill()
	l := locker(t, openURL(t, s.URL(), redisstore.Options{}))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := l.Acquire(ctx, request(time.Minute, of(1, "k")))
	wantHint(t, "down", err, "connection refused")
	wantHint(t, "down", err, "nothing listens there: start the server")
	if n := strings.Count(err.Error(), s.Addr); n != 2 { // that of the URL, and that of the connection
		t.Errorf("the address stands there %d times: %v", n, err)
	}
	if ctx.Err() != nil {
		t.Errorf("it took more than %s to say so", patience)
	}
	if errors.Is(err, lockcore.ErrBusy) {
		t.Errorf("a server that is down is not a busy resource: %v", err)
	}
}

// The errors of several servers stand on one line, as those of one do.
func TestAllSentinelsAreDown(t *testing.T) {
	t.Parallel()
	l := locker(t, openURL(t, "redis+sentinel://127.0.0.1:1,127.0.0.1:2/lab?max_retries=-1", redisstore.Options{}))
	_, err := l.Acquire(t.Context(), request(time.Minute, of(1, "k")))
	for _, port := range []string{"127.0.0.1:1:", "127.0.0.1:2:"} {
		wantHint(t, "sentinels", err, port)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("it takes more than a line: %v", err)
	}
}

// A server that accepts connections and says nothing is given up, too.
func TestServerSaysNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Stop()
	defer s.Cont()
	l := locker(t, openURL(t, s.URL()+"?read_timeout=100ms", redisstore.Options{}))
	_, err := l.Acquire(t.Context(), request(time.Minute, of(1, "k")))
	wantHint(t, "silent", err, "timeout")
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--requirepass", "hush-hush")
	for url, hint := range map[string]string{
		"redis://" + s.Addr:                  "wants a password: redis://user:password@host",
		"redis://:hush@" + s.Addr:            "user or password is wrong",
		"redis://nobody:hush-hush@" + s.Addr: "user or password is wrong",
	} {
		_, err := openURL(t, url, redisstore.Options{}).Snapshot(t.Context())
		wantHint(t, url, err, hint)
	}
	ask(t, openURL(t, "redis://:hush-hush@"+s.Addr, redisstore.Options{}), ticket("t", time.Minute, of(1, "k")))
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Do("ACL", "SETUSER", "lab", "on", ">hush", "~other:*", "+@all")
	st := openURL(t, "redis://lab:hush@"+s.Addr, redisstore.Options{})
	_, err := st.Ask(t.Context(), ticket("t", time.Minute, of(1, "k")), nil)
	wantHint(t, "no keys", err, "it needs ~{rtest:default}:*")
	s.Do("ACL", "SETUSER", "lab", "~{rtest:default}:*", "&{rtest:default}:*", "-@all", "+@scripting", "+@read", "+@write", "+@pubsub", "+time", "+@connection")
	if ask(t, st, ticket("t", time.Minute, of(1, "k"))).Grant == nil {
		t.Error("k is free")
	}
}

func TestReplicaRefusesWrites(t *testing.T) {
	t.Parallel()
	m := redistest.Start(t)
	r := redistest.Replica(t, m)
	_, err := openURL(t, r.URL()+"?max_retries=-1", redisstore.Options{}).Ask(t.Context(), ticket("t", time.Minute, of(1, "k")), nil)
	wantHint(t, "replica", err, "this server is a replica")
}

func TestServerIsFull(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	st := open(t, s.Addr, redisstore.Options{})
	plain := ask(t, st, ticket("plain", time.Minute, of(1, "p"))).Grant
	wanted := ask(t, st, ticket("wanted", time.Minute, of(1, "w"))).Grant
	next := ticket("next", time.Minute, of(1, "w"))
	ask(t, st, next)
	s.Do("CONFIG", "SET", "maxmemory", "1")
	_, err := st.Ask(t.Context(), ticket("t", time.Minute, of(2, "a", "b")), nil)
	wantHint(t, "full", err, "out of memory: raise its maxmemory")
	// Giving back goes on, and handing over with it.
	for _, g := range []*lockcore.Grant{plain, wanted} {
		if err := st.Release(t.Context(), g, 0); err != nil {
			t.Errorf("full, release of %s: %v", g.Ticket.ID, err)
		}
	}
	s.Do("CONFIG", "SET", "maxmemory", "0")
	snap, err := st.Snapshot(t.Context())
	if err != nil || len(snap.Holders) != 1 || snap.Holders[0].ID != "next" || len(snap.Waiters) > 0 {
		t.Errorf("half-taken: %+v, %v", snap, err)
	}
}

func TestServerCannotSave(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Do("CONFIG", "SET", "min-replicas-to-write", "1")
	_, err := open(t, s.Addr, redisstore.Options{}).Ask(t.Context(), ticket("t", time.Minute, of(1, "k")), nil)
	wantHint(t, "replicas", err, "min-replicas-to-write")
}

// A server that loads a large file answers, but not this.
func TestServerIsLoading(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes", "--key-load-delay", "500")
	s.Do("EVAL", "for i = 1, 20000 do redis.call('SET', i, i) end", 0)
	s.Kill()
	s.Restart() // until it answers, in whatever way
	_, err := openURL(t, s.URL()+"?max_retries=-1", redisstore.Options{}).Snapshot(t.Context())
	wantHint(t, "loading", err, "still loading its data: try again soon")
}

// Whatever key of ours somebody else has taken, there is an error that names
// the remedy, and nothing has changed.
func TestKeysOfTheWrongType(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, name := range []string{"all", "due"} {
		st := open(t, s.Addr, redisstore.Options{Namespace: name})
		g := ask(t, st, ticket("held", time.Minute, of(1, "held"))).Grant
		key := "{rtest:" + name + "}:" + name
		s.Do("RENAME", key, "aside")
		s.Do("LPUSH", key, "x")
		_, err := st.Ask(t.Context(), ticket("t", time.Minute, of(1, "held", "free")), nil)
		wantHint(t, name, err, "choose another namespace, or delete the key")
		wantHint(t, name, st.Release(t.Context(), g, 0), "choose another namespace")
		s.Do("RENAME", "aside", key)
		snap, err := st.Snapshot(t.Context())
		if err != nil || len(snap.Holders) != 1 || len(snap.Waiters) != 0 {
			t.Errorf("%s: half-taken: %+v, %v", name, snap, err)
		}
		if err := st.Release(t.Context(), g, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The same with the keys that only waiters need, but for those with numbers in
// their names, which nobody takes by accident: whoever holds something is not
// concerned, and once the key is free again, so is everything else as it was.
func TestWaitersKeysOfTheWrongType(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, name := range []string{"reg", "list", "nest", "wait", "used"} {
		st := open(t, s.Addr, redisstore.Options{Namespace: name})
		req := of(1, "k")
		req.Choice = lockcore.LeastRecentlyUsed
		held := ask(t, st, ticket("held", time.Minute, of(1, "k"))).Grant
		key := "{rtest:" + name + "}:" + name
		s.Do("LPUSH", key, "x")
		tk := ticket("waiter", time.Minute, req)
		tk.Parents = []string{"somebody"}
		_, err := st.Ask(t.Context(), tk, nil)
		if err != nil {
			wantHint(t, name, err, "choose another namespace, or delete the key")
		} else if err := st.Withdraw(t.Context(), tk.ID); err != nil {
			wantHint(t, name, err, "choose another namespace, or delete the key")
		}
		s.Do("DEL", key)
		if snap, err := st.Snapshot(t.Context()); err != nil || len(snap.Holders) != 1 || len(snap.Waiters) != 0 {
			t.Errorf("%s: half-taken: %+v, %v", name, snap, err)
		}
		next := ticket("next", time.Minute, req)
		ask(t, st, next)
		if err := st.Release(t.Context(), held, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ask(t, st, next).Grant == nil {
			t.Errorf("%s: k was not handed over", name)
		}
	}
}

// The same with those who stand in line already: a key that only one of them needs is
// taken, and nobody is half served, or half out of the line.
func TestWaitersMeetKeysOfTheWrongType(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, name := range []string{"wait", "nest", "list"} {
		st := open(t, s.Addr, redisstore.Options{Namespace: "line-" + name})
		held := ask(t, st, ticket("held", time.Minute, of(2, "a", "b"))).Grant
		plain, nested := ticket("plain", time.Minute, of(1, "a")), ticket("nested", time.Minute, of(1, "b"))
		plain.Owner.Test, nested.Parents = "", []string{"somebody"} // the one has nothing to learn
		ask(t, st, plain)
		ask(t, st, nested)
		key := "{rtest:line-" + name + "}:" + name
		s.Do("RENAME", key, "aside")
		s.Do("SET", key, "x")
		wantHint(t, name+", release", st.Release(t.Context(), held, 0), "choose another namespace, or delete the key")
		wantHint(t, name+", withdrawal", st.Withdraw(t.Context(), plain.ID), "choose another namespace, or delete the key")
		s.Do("RENAME", "aside", key)
		if snap, err := st.Snapshot(t.Context()); err != nil || len(snap.Holders) != 1 || len(snap.Waiters) != 2 {
			t.Errorf("%s: half-taken: %+v, %v", name, snap, err)
		}
		if err := st.Release(t.Context(), held, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, tk := range []*lockcore.Ticket{plain, nested} {
			if ask(t, st, tk).Grant == nil {
				t.Errorf("%s: %s was not served", name, tk.ID)
			}
		}
	}
}

// Whoever does not need a key that somebody has taken is served.
func TestWaitersNeedNoKeyOfTheWrongType(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, name := range []string{"wait", "nest"} {
		st := open(t, s.Addr, redisstore.Options{Namespace: "other-" + name})
		first := ticket("held", time.Minute, of(1, "k"))
		first.Owner.Test = "" // it teaches nothing
		held := ask(t, st, first).Grant
		next := ticket("next", time.Minute, of(1, "k"))
		next.Owner.Test = ""
		ask(t, st, next)
		s.Do("SET", "{rtest:other-"+name+"}:"+name, "x")
		if err := st.Release(t.Context(), held, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if ask(t, st, next).Grant == nil {
			t.Errorf("%s: k was not handed over", name)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	st := open(t, s.Addr, redisstore.Options{})
	interop := open(t, s.Addr, redisstore.Options{Interop: "python"})
	replicated := open(t, s.Addr, redisstore.Options{MinReplicas: 2})
	for _, c := range []struct {
		store  *redisstore.Store
		policy string
		limit  string
		want   string
	}{
		{st, "noeviction", "100mb", ""},
		{st, "allkeys-lru", "0", ""},
		{st, "allkeys-lru", "100mb", "maxmemory-policy is allkeys-lru"},
		{st, "volatile-lru", "100mb", ""},
		{interop, "volatile-lru", "100mb", "locks that other programs see"},
		{replicated, "noeviction", "0", "0 replicas, and min_replicas=2"},
	} {
		s.Do("CONFIG", "SET", "maxmemory", c.limit)
		s.Do("CONFIG", "SET", "maxmemory-policy", c.policy)
		got, err := c.store.Check(t.Context())
		if err != nil || (c.want == "") != (len(got) == 0) || !strings.Contains(strings.Join(got, "\n"), c.want) {
			t.Errorf("%s, maxmemory %s: %q, %v; want %q", c.policy, c.limit, got, err, c.want)
		}
	}
	s.Kill()
	if _, err := openURL(t, s.URL()+"?max_retries=-1", redisstore.Options{}).Check(t.Context()); err == nil {
		t.Error("a server that is down passed the check")
	}
}
