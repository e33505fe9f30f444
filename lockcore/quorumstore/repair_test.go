package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// heldHash is where servers keep the namespace of these tests.
const heldHash = "rtest:{test}:quorum:held"

// holds reports whether a server has a lease. It looks into the server, past
// all clients.
func holds(s *redistest.Server, id string) bool {
	v, _ := s.Do("HGET", heldHash, "l"+id).(string)
	return v != ""
}

// haveIt lists the servers that have a lease.
func haveIt(servers []*redistest.Server, id string) []int {
	have := []int{}
	for i, s := range servers {
		if holds(s, id) {
			have = append(have, i)
		}
	}
	return have
}

// spread waits until exactly these servers have a lease.
func spread(t *testing.T, servers []*redistest.Server, id string, want ...int) {
	t.Helper()
	until(t, fmt.Sprintf("servers %v have %s, and no others", want, id), func() bool {
		return slices.Equal(haveIt(servers, id), want)
	})
}

// renewOne renews one lease.
func renewOne(t *testing.T, s *Store, g *lockcore.Grant) error {
	t.Helper()
	errs, err := s.Renew(watched(t), []*lockcore.Grant{g})
	if err != nil {
		return err
	}
	return errs[0]
}

// renewUntil renews a lease until exactly these servers have it. Not just once, as a
// server that has just been restarted may not be reached by the first call.
func renewUntil(t *testing.T, s *Store, g *lockcore.Grant, servers []*redistest.Server, want ...int) {
	t.Helper()
	until(t, fmt.Sprintf("servers %v have %s, and no others", want, g.Ticket.ID), func() bool {
		if err := renew(watched(t), s, g); err != nil {
			t.Fatalf("Renew: %v", err)
		}
		return slices.Equal(haveIt(servers, g.Ticket.ID), want)
	})
}

// age puts the end of a lease on a server into the past.
func age(s *redistest.Server, id string, past time.Duration) {
	putAge(s, "l"+id, 17, past)
}

// ends is when a lease ends on a server, unless it is renewed.
func ends(s *redistest.Server, id string) time.Time {
	value, _ := s.Do("HGET", heldHash, "l"+id).(string)
	us, _ := strconv.ParseInt(value[17:33], 10, 64)
	return time.UnixMicro(us)
}

// putAge puts the moment that stands at a place of a record into the past.
func putAge(s *redistest.Server, field string, at int, past time.Duration) {
	value, _ := s.Do("HGET", heldHash, field).(string)
	s.Do("HSET", heldHash, field, value[:at]+number(time.Now().Add(-past).UnixMicro())+value[at+16:])
}

// TestRenewalTakesBackIn: a server that lost its memory has the lease again
// after the next renewal, but for keys that somebody else holds there.
func TestRenewalTakesBackIn(t *testing.T) {
	servers := redistest.StartN(t, 5)
	s := openStore(t, urlOf(servers))
	g := take(t, s, ticketFor("lease", time.Minute, "k"))
	spread(t, servers, "lease", 0, 1, 2, 3, 4)
	servers[3].Restart()
	servers[4].Restart()
	// Somebody who sees one server only has the key there: an attempt that has not
	// been undone yet.
	lone := Config{Namespace: "test"}.New(redis.NewClient(&redis.Options{Addr: servers[4].Addr}))
	defer lone.Close()
	if take(t, lone, ticketFor("rival", time.Minute, "k")) == nil {
		t.Fatal("a server that has lost its memory refuses")
	}
	renewUntil(t, s, g, servers, 0, 1, 2, 3)
	if !holds(servers[4], "rival") {
		t.Error("the renewal took the key from somebody else")
	}
	// With it, the lease survives the loss of two others.
	servers[0].Restart()
	servers[1].Restart()
	renewUntil(t, s, g, servers, 0, 1, 2, 3)
}

// TestGraceOnServers: servers keep a lease for the TTL and the grace, whether a bid
// or a renewal brought it there.
func TestGraceOnServers(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	g := take(t, s, ticketFor("lease", time.Hour, "k"))
	spread(t, servers, "lease", 0, 1, 2)
	check := func(by string) {
		for i, server := range servers {
			value, _ := server.Do("HGET", heldHash, "llease").(string)
			if us, _ := strconv.ParseInt(value[49:65], 10, 64); time.Duration(us)*time.Microsecond != time.Hour+grace {
				t.Errorf("server %d has the lease by a %s, for %d us", i, by, us)
			}
		}
	}
	check("bid")
	for _, server := range servers[:2] {
		server.Do("DEL", heldHash) // one after the other: it takes a witness
		renewUntil(t, s, g, servers, 0, 1, 2)
	}
	servers[2].Do("DEL", heldHash)
	renewUntil(t, s, g, servers, 0, 1, 2)
	check("renewal")
}

// TestLostMemory: when no server knows the lease any more, it is lost, though
// its time is not over: somebody may have had the key in between.
func TestLostMemory(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	teach(t, s)
	g := take(t, s, ticketFor("lease", time.Hour, "k"))
	spread(t, servers, "lease", 0, 1, 2) // no bid is still on its way
	for _, server := range servers {
		server.Do("DEL", heldHash)
	}
	// Not even when some servers, which took it in, have it at the second try.
	slow := holdQuestion(t, s.nodes[2], renewScript())
	if err := renewOne(t, s, g); !errors.Is(err, lockcore.ErrNoQuorum) {
		t.Errorf("one server has not answered yet: want ErrNoQuorum, got %v", err)
	}
	slow.lift()
	if err := renew(watched(t), s, g); !errors.Is(err, lockcore.ErrLost) {
		t.Errorf("want ErrLost, got %v", err)
	}
	spread(t, servers, "lease") // what the renewals left is taken back
}

// TestExpiredIsNotTakenIn: a lease that has expired may be revived where it
// still is, but does not spread to servers that may have given the key to
// somebody else since.
func TestExpiredIsNotTakenIn(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s, other := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	g := take(t, s, ticketFor("sleeper", time.Hour, "k"))
	spread(t, servers, "sleeper", 0, 1, 2)
	for _, server := range servers {
		age(server, "sleeper", time.Second)
	}
	s.mu.Lock()
	s.tickets["sleeper"].valid = time.Now().Add(-time.Second)
	s.mu.Unlock()
	next := take(t, other, ticketFor("next", time.Minute, "k"))
	if next == nil {
		t.Fatal("the key of an expired lease is refused")
	}
	spread(t, servers, "next", 0, 1, 2)
	if err := other.Release(watched(t), next, 0); err != nil {
		t.Fatal(err)
	}
	spread(t, servers, "next")
	if err := renewOne(t, s, g); !errors.Is(err, lockcore.ErrLost) {
		t.Errorf("somebody had the key since: want ErrLost, got %v", err)
	}
	spread(t, servers, "sleeper")
}

func waiting(t *lockcore.Ticket) *lockcore.Ticket { t.Wait = true; return t }

// TestTombstone: a release that overtakes its bid leaves nothing for the bid to
// take.
func TestTombstone(t *testing.T) {
	server := redistest.Start(t)
	s := Config{Namespace: "test"}.New(redis.NewClient(&redis.Options{Addr: server.Addr}))
	defer s.Close()
	ctx := watched(t)
	a := newAsking(s, &ticket{id: "late", t: ticketFor("late", time.Minute, "k")})
	b := a.bid([][]string{{"k"}})
	for _, c := range []struct {
		what    string
		attempt int64
		want    bool
	}{
		{"the bid itself", b.attempt, false},
		{"an earlier one", b.attempt - 1, false},
		{"the next one", b.attempt + 1, true},
	} {
		server.Do("FLUSHALL")
		if _, err := s.nodes[0].release(ctx, releaseRequest{id: "late", attempt: b.attempt}); err != nil {
			t.Fatal(err)
		}
		// An older release, held up even longer, does not lift it.
		if _, err := s.nodes[0].release(ctx, releaseRequest{id: "late", attempt: b.attempt - 2, refuse: refuseAlways}); err != nil {
			t.Fatal(err)
		}
		b.args[1] = number(c.attempt)
		ans, err := b.ask(ctx, s.nodes[0])
		if err != nil || ans.yes != c.want {
			t.Errorf("%s after the release: got %v, %v, want %v", c.what, ans.yes, err, c.want)
		}
		server.Do("HDEL", heldHash, "llate", "kk")
		f, err := s.nodes[0].fields(ctx, renewScript(), 0, "late", c.attempt, time.Minute.Microseconds(), encode(exclusive("k")), "{}", 1, 0)
		if got := f.sub(0).text(0); err != nil || (got == "joined") != c.want {
			t.Errorf("a renewal of %s after the release: got %q, %v", c.what, got, err)
		}
	}
}

// TestVoteTakesTooLong: a majority that comes together when the lease would be
// over is none, and is undone.
func TestVoteTakesTooLong(t *testing.T) {
	servers := redistest.StartN(t, 3)
	proxies, url := proxied(t, servers)
	s := openStore(t, url+"?node_timeout=20s")
	take(t, s, ticketFor("opens the connections", time.Minute, "other"))
	for _, p := range proxies {
		p.Delay(150 * time.Millisecond) // and so 300 ms for a round trip
	}
	_, err := s.Ask(watched(t), ticketFor("hasty", 200*time.Millisecond, "k"), nil)
	if !errors.Is(err, lockcore.ErrNoQuorum) || !strings.Contains(err.Error(), "raise the TTL") {
		t.Errorf("the vote took longer than the TTL: want ErrNoQuorum that says so, got %v", err)
	}
	for _, p := range proxies {
		p.Delay(0)
	}
	spread(t, servers, "hasty")
}

// TestSlowNetwork: a free key is had, however long a round trip takes; no timer
// of ours may run against it. (rueidislock gives up each attempt after 20 ms, and
// with 24 ms to the server never gets anything.)
func TestSlowNetwork(t *testing.T) {
	servers := redistest.StartN(t, 3)
	proxies, url := proxied(t, servers)
	for _, p := range proxies {
		p.Delay(30 * time.Millisecond)
	}
	ctx := watched(t)
	one, two := lockcore.New(openStore(t, url), nil), lockcore.New(openStore(t, url), nil)
	req := lockcore.Request{Requirements: ticketFor("", 0, "k").Requirements}
	for range 2 {
		lease, err := one.TryAcquire(ctx, req)
		if err != nil {
			t.Fatalf("a free key, 60 ms away: %v", err)
		}
		got := make(chan error)
		go func() {
			next, err := two.Acquire(ctx, req)
			if err == nil {
				err = next.Release(ctx)
			}
			got <- err
		}()
		if err := lease.Release(ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatalf("a waiter, 60 ms away: %v", err)
		}
	}
}

// TestScriptsForgotten: a server that dropped its scripts is taught them again.
func TestScriptsForgotten(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	forget := func() {
		for _, server := range servers {
			server.Do("SCRIPT", "FLUSH")
		}
	}
	g := take(t, s, ticketFor("one", time.Minute, "k"))
	forget()
	if err := renewOne(t, s, g); err != nil {
		t.Errorf("Renew: %v", err)
	}
	forget()
	if snap, err := s.Snapshot(watched(t)); err != nil || len(snap.Holders) != 1 {
		t.Errorf("Snapshot: %d holders, %v", len(snap.Holders), err)
	}
	forget()
	if err := s.Release(watched(t), g, 0); err != nil {
		t.Errorf("Release: %v", err)
	}
}

// TestOwnClients: clients that heed no context hold nobody up either.
func TestOwnClients(t *testing.T) {
	servers := redistest.StartN(t, 3)
	var clients []redis.UniversalClient
	for _, server := range servers {
		c := redis.NewClient(&redis.Options{Addr: server.Addr, ReadTimeout: watchdog, ContextTimeoutEnabled: false})
		clients = append(clients, c)
		defer c.Close()
	}
	patient := Config{Namespace: "test", NodeTimeout: watchdog}.New(clients...)
	defer patient.Close()
	s := Config{Namespace: "test", NodeTimeout: 300 * time.Millisecond}.New(clients...)
	g := take(t, patient, ticketFor("one", time.Hour, "k"))
	spread(t, servers, "one", 0, 1, 2)
	adopted, err := retry(watched(t), func() (*lockcore.Grant, error) {
		ans, err := s.Ask(watched(t), g.Ticket, nil)
		return ans.Grant, err
	})
	if err != nil || adopted == nil {
		t.Fatalf("the same ticket in another store: %v, %v", adopted, err)
	}
	servers[1].Stop()
	servers[2].Stop()
	if err := renewOne(t, s, g); !errors.Is(err, lockcore.ErrNoQuorum) || !strings.Contains(err.Error(), "no answer within") {
		t.Errorf("two of three servers hang: want ErrNoQuorum that says so, got %v", err)
	}
	servers[1].Cont()
	if err := renew(watched(t), s, g); err != nil {
		t.Errorf("Renew with one server that hangs: %v", err)
	}
	if _, err := retry(watched(t), func() (int, error) { return 0, s.Release(watched(t), g, 0) }); err != nil {
		t.Errorf("Release with one server that hangs: %v", err)
	}
	servers[2].Cont()
	spread(t, servers, "one")
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := clients[0].Ping(context.Background()).Err(); err != nil {
		t.Errorf("Close closed a client that is not its own: %v", err)
	}
}

// TestNoServers: a store without servers says so.
func TestNoServers(t *testing.T) {
	s := New()
	_, err := s.Ask(watched(t), ticketFor("one", time.Minute, "k"), nil)
	if !errors.Is(err, lockcore.ErrNoQuorum) || !strings.Contains(err.Error(), "without any") {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
