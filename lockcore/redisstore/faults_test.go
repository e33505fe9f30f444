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

// What happens to the server and to the connections.

// A holder and a waiter that live through something.
type scene struct {
	*testing.T
	server *redistest.Server
	held   *lockcore.Lease
	next   chan *lockcore.Lease
}

// begin lets one client hold a key and another wait for it, both through addr.
func begin(t *testing.T, s *redistest.Server, addr string) *scene {
	t.Helper()
	sc := &scene{T: t, server: s, next: make(chan *lockcore.Lease, 1)}
	a, b := open(t, addr, redisstore.Options{}), open(t, addr, redisstore.Options{})
	sc.held = acquire(t, locker(t, a), request(10*time.Second, of(1, "k")))
	l := locker(t, b)
	go func() {
		le, err := l.Acquire(t.Context(), request(10*time.Second, of(1, "k")))
		if err != nil {
			t.Errorf("the waiter: %v", err)
		}
		sc.next <- le
	}()
	waiters(t, open(t, s.Addr, redisstore.Options{}), 1)
	return sc
}

// end hands over, and looks that nothing is left.
func (sc *scene) end() {
	sc.Helper()
	if err := context.Cause(sc.held.Context()); err != nil {
		sc.Fatalf("the holder lost its lease: %v", err)
	}
	release(sc, sc.held)
	le := arrives(sc, "the waiter gets the key", sc.next)
	if le == nil {
		sc.FailNow()
	}
	if le.Token() <= sc.held.Token() {
		sc.Errorf("token %d after token %d", le.Token(), sc.held.Token())
	}
	release(sc, le)
	snap, err := open(sc, sc.server.Addr, redisstore.Options{}).Snapshot(sc.Context())
	if err != nil || len(snap.Holders)+len(snap.Waiters) > 0 {
		sc.Errorf("something is left: %+v, %v", snap, err)
	}
}

func TestScriptFlush(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	sc := begin(t, s, s.Addr)
	s.Do("SCRIPT", "FLUSH")
	sc.end()
}

func TestAllConnectionsAreKilled(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	sc := begin(t, s, s.Addr)
	for range 3 {
		s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		s.Do("CLIENT", "KILL", "TYPE", "pubsub")
	}
	sc.end()
}

func TestSubscriptionIsKilled(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	sc := begin(t, s, s.Addr)
	if n := s.Do("CLIENT", "KILL", "TYPE", "pubsub"); n != int64(1) {
		t.Errorf("%v subscriptions were killed", n)
	}
	sc.end()
}

// A message that nobody hears costs a heartbeat: here the waiter's process
// cannot subscribe again.
func TestLostMessage(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	sc := begin(t, s, s.Addr)
	s.Do("ACL", "SETUSER", "default", "-subscribe")
	s.Do("CLIENT", "KILL", "TYPE", "pubsub")
	sc.end()
}

// Without the permission to subscribe nobody waits in vain: it is said.
func TestSubscriptionIsForbidden(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Do("ACL", "SETUSER", "lab", "on", ">pw", "~{rtest:*", "resetchannels", "+@all")
	st := openURL(t, "redis://lab:pw@"+s.Addr, redisstore.Options{})
	l := locker(t, st)
	le := acquire(t, l, request(time.Minute, of(1, "k")))
	if _, err := l.Acquire(t.Context(), request(time.Minute, of(1, "k"))); err == nil || !strings.Contains(err.Error(), "&{rtest:default}:*") {
		t.Errorf("%v does not say which channels the user needs", err)
	}
	s.Do("ACL", "SETUSER", "lab", "&{rtest:*")
	next := make(chan error, 1)
	go func() {
		_, err := l.Acquire(t.Context(), request(time.Minute, of(1, "k")))
		next <- err
	}()
	waiters(t, st, 1)
	release(t, le)
	if err := arrives(t, "the key", next); err != nil {
		t.Error(err)
	}
}

func TestServerRestartsWithItsData(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	sc := begin(t, s, s.Addr)
	s.Restart()
	sc.end()
}

// The holder states its case before anybody else gets the key, or not: then it
// is told. In no case have two the key for good.
func TestServerRestartsWithoutItsData(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	st := open(t, s.Addr, redisstore.Options{})
	g := ask(t, st, ticket("holder", time.Minute, of(1, "k"))).Grant
	s.Restart()
	if errs, err := st.Renew(t.Context(), []*lockcore.Grant{g}); err != nil || errs[0] != nil {
		t.Fatalf("nobody was there: %v, %v", errs, err)
	}
	s.Restart()
	rival := open(t, s.Addr, redisstore.Options{})
	if ask(t, rival, ticket("rival", time.Minute, of(1, "k"))).Grant == nil {
		t.Fatal("the server has lost its data, and k is not free")
	}
	errs, err := st.Renew(t.Context(), []*lockcore.Grant{g})
	if err != nil {
		t.Fatal(err)
	}
	wantLost(t, errs[0], `"k" is held by rival`)
}

func TestProxyCuts(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	sc := begin(t, s, p.Addr)
	for range 5 {
		p.Cut()
		if _, err := open(t, p.Addr, redisstore.Options{}).Snapshot(t.Context()); err != nil {
			t.Error(err)
		}
	}
	p.Cut()
	sc.end()
}

func TestProxyDelays(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	p.Delay(5 * time.Millisecond)
	begin(t, s, p.Addr).end()
}

// Requests arrive and their answers do not: whatever is tried again is done
// once.
func TestProxySwallowsAnswers(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	st := openURL(t, p.URL()+"?read_timeout=300ms&max_retries=-1", redisstore.Options{})
	warm := ask(t, st, ticket("warm", time.Minute, of(1, "a"))).Grant // connected, and the server has the scripts
	if err := st.Release(t.Context(), warm, 0); err != nil {
		t.Fatal(err)
	}
	tk := ticket("t", time.Minute, of(1, "a", "b"))
	p.Blackhole(redistest.ToClient)
	if _, err := st.Ask(t.Context(), tk, nil); err == nil {
		t.Fatal("an answer came out of the black hole")
	}
	direct := open(t, s.Addr, redisstore.Options{})
	await(t, "the request arrived", func() bool {
		snap, err := direct.Snapshot(t.Context())
		return err == nil && len(snap.Holders) == 1
	})
	p.Heal()
	p.Cut()
	g := ask(t, st, tk).Grant
	if snap, err := direct.Snapshot(t.Context()); err != nil || len(snap.Holders) != 1 || snap.Holders[0].Token != g.Token {
		t.Fatalf("asked twice: %+v, %v", snap.Holders, err)
	}
	p.Blackhole(redistest.ToClient)
	if err := st.Release(t.Context(), g, 0); err == nil {
		t.Fatal("an answer came out of the black hole")
	}
	thief := ticket("thief", time.Minute, of(2, "a", "b"))
	await(t, "the release arrived", func() bool { return ask(t, direct, thief).Grant != nil })
	p.Heal()
	p.Cut()
	if err := st.Release(t.Context(), g, 0); err != nil {
		t.Errorf("the release had arrived, and somebody else has the keys since: %v", err)
	}
}

// A holder that is cut off loses its lease by its own clock, before the server
// gives the key away.
func TestProxySwallowsRenewals(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	cutOff := locker(t, openURL(t, p.URL()+"?read_timeout=200ms", redisstore.Options{}))
	le := acquire(t, cutOff, request(shortTTL, of(1, "k")))
	p.Blackhole(redistest.ToServer)
	next := acquire(t, locker(t, open(t, s.Addr, redisstore.Options{})), request(time.Minute, of(1, "k")))
	if err := context.Cause(le.Context()); !errors.Is(err, lockcore.ErrLost) {
		t.Fatalf("two have the key; the context of the first says %v", err)
	}
	p.Heal()
	if err := le.Release(t.Context()); !errors.Is(err, lockcore.ErrLost) {
		t.Errorf("Release: %v", err)
	}
	release(t, next)
}

// A server that stops for a while, as one that swaps, is waited for.
func TestServerStops(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	sc := begin(t, s, s.Addr)
	s.Stop()
	st := openURL(t, s.URL()+"?read_timeout=100ms&max_retries=-1", redisstore.Options{})
	if _, err := st.Snapshot(t.Context()); err == nil {
		t.Error("a stopped server answered")
	}
	s.Cont()
	sc.end()
}
