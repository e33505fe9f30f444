package redisstore_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// The old master is cut off from the Sentinels, and not from us. Connections to it
// stand, and answer.
func TestStandingConnectionsAreLeftForTheNewMaster(t *testing.T) {
	t.Parallel()
	old, now := redistest.Start(t), redistest.Start(t)
	o := newFakeSentinel(t, old.Addr)
	st := openURL(t, behind(o), redisstore.Options{})
	le := acquire(t, locker(t, st), request(time.Hour, of(1, "k")))
	next := waiting(t, locker(t, openURL(t, behind(o), redisstore.Options{})), time.Minute)
	waiters(t, st, 1)
	o.set(func() { o.master = now.Addr })
	// Whoever waits listens to the old one, where nobody gives anything back.
	second := arrives(t, "the waiter gets the key", next)
	await(t, "a renewal goes to the new master", func() bool {
		errs, err := st.Renew(t.Context(), []*lockcore.Grant{le.Grant()})
		return err == nil && errs[0] != nil
	})
	release(t, second)
	if c, ok := old.Do("PUBSUB", "CHANNELS").([]any); !ok || len(c) > 0 {
		t.Errorf("somebody still listens to the old master: %q", c)
	}
}

// The old master's machine fails while it owes an answer.
func TestCommandUnderWayGoesToTheNewMaster(t *testing.T) {
	t.Parallel()
	old, now := redistest.Start(t), redistest.Start(t)
	link := redistest.StartProxy(t, old.Addr)
	o := newFakeSentinel(t, link.Addr)
	st := openURL(t, behind(o)+"?read_timeout=1h", redisstore.Options{})
	release(t, acquire(t, locker(t, st), request(time.Minute, of(1, "k"))))
	link.Blackhole(redistest.ToClient)
	before := old.Info("commandstats", "cmdstat_evalsha")
	answered := make(chan error, 1)
	go func() {
		_, err := st.Snapshot(t.Context())
		answered <- err
	}()
	await(t, "it is under way", func() bool { return old.Info("commandstats", "cmdstat_evalsha") != before })
	o.set(func() { o.master = now.Addr })
	if err := arrives(t, "the new master answers", answered); err != nil {
		t.Error(err)
	}
}

// A pool gives no command a connection that was ended because it led to the old master.
func TestEndedConnectionsAreNotUsed(t *testing.T) {
	t.Parallel()
	plain := func(t *testing.T, s *redistest.Server) string { return s.Addr }
	ended(t, "redis", plain, func(l net.Listener) net.Listener { return l })
	with := certificate(t)
	ended(t, "rediss", func(t *testing.T, s *redistest.Server) string { return encrypted(t, with, s.Addr) },
		func(l net.Listener) net.Listener { return tls.NewListener(l, with) })
}

func ended(t *testing.T, scheme string, at func(*testing.T, *redistest.Server) string, listen func(net.Listener) net.Listener) {
	old, now := redistest.Start(t), redistest.Start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := newFakeSentinelAt(t, listen(l), at(t, old))
	url := strings.Replace(behind(o), "redis", scheme, 1) + "?max_retries=-1"
	if scheme == "rediss" {
		url += "&skip_verify=true"
	}
	st := openURL(t, url, redisstore.Options{})
	acquire(t, locker(t, open(t, now.Addr, redisstore.Options{})), request(patience, of(1, "k")))
	if snap, err := st.Snapshot(t.Context()); err != nil || len(snap.Holders) > 0 {
		t.Fatalf("%s: %v, %v", scheme, snap, err)
	}
	elsewhere := at(t, now)
	o.set(func() { o.master = elsewhere })
	await(t, "the new master answers", func() bool {
		asked := time.Now()
		snap, err := st.Snapshot(t.Context())
		// On a busy machine it may be under way for a second: then it loses its connection.
		if err != nil && time.Since(asked) < time.Second {
			t.Fatalf("%s: %v", scheme, err)
		}
		return len(snap.Holders) == 1
	})
}

func certificate(t *testing.T) *tls.Config {
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	return &tls.Config{Certificates: s.TLS.Certificates}
}

// encrypted is the address at which a server is reached by TLS.
func encrypted(t *testing.T, with *tls.Config, addr string) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", with)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				s, err := net.Dial("tcp", addr)
				if err != nil {
					return
				}
				defer s.Close()
				go io.Copy(s, c)
				_, _ = io.Copy(c, s)
			}()
		}
	}()
	return l.Addr().String()
}

// Somebody makes the master a replica by hand, while many connections to it stand.
func TestRefusalOfAReplicaLeadsToTheMaster(t *testing.T) {
	t.Parallel()
	old, now := redistest.Start(t), redistest.Start(t)
	link := redistest.StartProxy(t, old.Addr)
	o := newFakeSentinel(t, link.Addr)
	st := openURL(t, behind(o)+"?max_retries=-1&read_timeout=1h", redisstore.Options{})
	l := locker(t, st)
	release(t, acquire(t, l, request(time.Minute, of(1, "k"))))
	link.Blackhole(redistest.ToClient)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := st.Snapshot(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, "they have a connection each", func() bool {
		n, _ := strconv.Atoi(old.Info("clients", "connected_clients"))
		return n > 10
	})
	link.Heal()
	all.Wait()
	host, port, _ := net.SplitHostPort(now.Addr)
	old.Do("REPLICAOF", host, port)
	o.set(func() { o.master = now.Addr })
	if le, err := l.TryAcquire(t.Context(), request(time.Minute, of(1, "k"))); err == nil {
		release(t, le)
	} else {
		wantHint(t, "the old master", err, "replica")
	}
	release(t, acquire(t, l, request(time.Minute, of(1, "k"))))
}
