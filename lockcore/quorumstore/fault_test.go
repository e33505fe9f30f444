package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// A harm is a way to lose a server, and to get it back.
type fault struct {
	name     string
	do, undo func(s *redistest.Server, p *redistest.Proxy)
	empties  bool // the server forgets everything
}

var faults = []fault{
	{"killed", func(s *redistest.Server, _ *redistest.Proxy) { s.Kill() }, func(s *redistest.Server, _ *redistest.Proxy) { s.Restart() }, true},
	{"stopped", func(s *redistest.Server, _ *redistest.Proxy) { s.Stop() }, func(s *redistest.Server, _ *redistest.Proxy) { s.Cont() }, false},
	{"cut-off", func(_ *redistest.Server, p *redistest.Proxy) { p.Refuse(true); p.Cut() }, func(_ *redistest.Server, p *redistest.Proxy) { p.Refuse(false) }, false},
	{"mute", func(_ *redistest.Server, p *redistest.Proxy) { p.Blackhole(redistest.ToClient) }, func(_ *redistest.Server, p *redistest.Proxy) { p.Heal() }, false},
	{"deaf", func(_ *redistest.Server, p *redistest.Proxy) { p.Blackhole(redistest.ToServer) }, func(_ *redistest.Server, p *redistest.Proxy) { p.Heal() }, false},
}

// TestMinorityLost takes two of five servers away, at moments that have nothing
// to do with what the clients are at: nothing may fail.
func TestMinorityLost(t *testing.T) {
	for _, h := range faults {
		t.Run(h.name, func(t *testing.T) {
			servers := redistest.StartN(t, 5)
			proxies, url := proxied(t, servers)
			ctx, stop := context.WithCancel(watched(t))
			var turns [3]atomic.Int64
			var wg sync.WaitGroup
			for i := range turns {
				s := openStore(t, url)
				wg.Go(func() { cycle(ctx, t, s, i, &turns[i]) })
			}
			// everybody lets all clients finish what they are at, and more.
			everybody := func(more int64) {
				for i := range turns {
					goal := turns[i].Load() + more
					until(t, fmt.Sprintf("client %d goes on", i), func() bool { return turns[i].Load() >= goal || t.Failed() })
				}
			}
			for range 2 {
				everybody(3)
				two := rand.Perm(len(servers))[:2]
				for _, i := range two {
					h.do(servers[i], proxies[i])
				}
				everybody(5)
				// A server that lost its memory may only come back when the leases that it
				// has forgotten are over: everybody has given back by now what it had.
				for _, i := range two {
					h.undo(servers[i], proxies[i])
				}
			}
			everybody(3)
			stop()
			wg.Wait()
		})
	}
}

// cycle acquires, renews and releases one of three keys together with one of
// its own, until the context ends. The shared keys make the clients wait for
// each other.
func cycle(ctx context.Context, t *testing.T, s *Store, client int, turns *atomic.Int64) {
	for n := 0; ctx.Err() == nil && !t.Failed(); n++ {
		own := fmt.Sprint("own-", client)
		ticket := ticketFor(fmt.Sprintf("c%d-%d", client, n), time.Minute, "a", "b")
		ticket.Requirements = append(ticket.Requirements, ticketFor("", 0, own).Requirements...)
		ticket.Wait = true
		g, err := await(ctx, s, ticket)
		if ctx.Err() != nil && err != nil {
			return
		}
		if err != nil {
			t.Errorf("%s: Ask: %v", ticket.ID, err)
			return
		}
		for range 2 {
			if err := renew(watched(t), s, g); err != nil {
				t.Errorf("%s: Renew: %v", ticket.ID, err)
			}
		}
		if err := s.Release(context.Background(), g, 0); err != nil {
			t.Errorf("%s: Release: %v", ticket.ID, err)
		}
		turns.Add(1)
	}
}

// renew renews as a lease does, which tries again when too few servers answer.
// In the moment in which two of them go, the third may still be at a question
// that it is about to take back.
func renew(ctx context.Context, s *Store, g *lockcore.Grant) error {
	_, err := retry(ctx, func() (int, error) {
		errs, err := s.Renew(ctx, []*lockcore.Grant{g})
		if err == nil {
			err = errs[0]
		}
		return 0, err
	})
	return err
}

// await asks until the ticket is granted.
func await(ctx context.Context, s *Store, ticket *lockcore.Ticket) (*lockcore.Grant, error) {
	woken := make(chan struct{}, 1)
	for {
		ans, err := s.Ask(ctx, ticket, func(*lockcore.Grant) {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
		if err != nil || ans.Grant != nil {
			return ans.Grant, err
		}
		select {
		case <-woken:
		case <-time.After(ans.Poll):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// TestMajorityLost takes three of five servers away: requests fail, saying why,
// and a lease is lost before anybody else can have its key.
func TestMajorityLost(t *testing.T) {
	for _, h := range faults {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			const ttl = time.Second
			servers := redistest.StartN(t, 5)
			proxies, url := proxied(t, servers)
			url += "?node_timeout=250ms" // the default for such a TTL
			ctx := watched(t)
			holder, rival := lockcore.New(openStore(t, url), nil), lockcore.New(openStore(t, url), nil)
			req := lockcore.Request{Requirements: ticketFor("", 0, "k").Requirements, TTL: ttl}
			for range 2 {
				lease, err := acquire(ctx, holder, req)
				if err != nil {
					t.Fatal(err)
				}
				three := rand.Perm(len(servers))[:3]
				for _, i := range three {
					h.do(servers[i], proxies[i])
				}
				_, err = rival.TryAcquire(ctx, req)
				if !errors.Is(err, lockcore.ErrNoQuorum) {
					t.Errorf("three of five servers are %s: want ErrNoQuorum, got %v", h.name, err)
				}
				for _, i := range three {
					if !strings.Contains(fmt.Sprint(err), proxies[i].Addr) {
						t.Errorf("%s is %s, and the error does not say so: %v", proxies[i].Addr, h.name, err)
					}
				}
				won := make(chan error)
				go func() { won <- succeed(ctx, rival, req, lease) }()
				if h.empties {
					<-lease.Context().Done() // the TTL, after which such servers may come back
				} else {
					<-time.After(rand.N(2 * ttl)) // at any moment
				}
				for _, i := range three {
					h.undo(servers[i], proxies[i])
				}
				if context.Cause(lease.Context()) == nil {
					// It may have survived, if they were back in time.
					_ = lease.Release(ctx) // or not: then it is lost
				}
				if err := <-won; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// succeed acquires what a lease has, and returns an error if the lease is not
// over by then.
func succeed(ctx context.Context, l *lockcore.Locker, req lockcore.Request, before *lockcore.Lease) error {
	next, err := acquire(ctx, l, req)
	if err != nil {
		return err
	}
	if before.Context().Err() == nil {
		return errors.New("somebody else has the key, and the holder's context is not cancelled")
	}
	_ = next.Release(ctx) // or its time is over by now
	return nil
}

// acquire goes on as long as there is no quorum.
func acquire(ctx context.Context, l *lockcore.Locker, req lockcore.Request) (*lockcore.Lease, error) {
	return retry(ctx, func() (*lockcore.Lease, error) { return l.Acquire(ctx, req) })
}

// TestRestartTooSoon shows why the package asks for a restart delay: a server that
// comes back empty within the TTL makes a majority for somebody else, with servers
// that were down when the lease was granted. The first holder learns of it at its
// next renewal; after the delay, its lease would have been over.
func TestRestartTooSoon(t *testing.T) {
	servers := redistest.StartN(t, 5)
	first, second := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	servers[3].Kill()
	servers[4].Kill()
	g, err := retry(watched(t), func() (*lockcore.Grant, error) {
		ans, err := first.Ask(watched(t), ticketFor("first", time.Hour, "k"), nil)
		return ans.Grant, err
	})
	if err != nil || g == nil {
		t.Fatalf("two of five servers are down: %v, %v", g, err)
	}
	for _, i := range []int{3, 4} {
		n := first.nodes[i]
		until(t, n.name+" was asked in vain", func() bool { return n.avoid(time.Time{}) != nil }) // and no bid is on its way
		servers[i].Restart()                                                                      // rightly: they had nothing of the lease
	}
	if take(t, second, ticketFor("patient", time.Hour, "k")) != nil {
		t.Error("three servers have the lease, and its key was given out")
	}
	servers[2].Restart() // too soon
	next, err := await(watched(t), second, waiting(ticketFor("second", time.Hour, "k")))
	if err != nil {
		t.Fatalf("three of five servers know of no holder: %v", err)
	}
	renewUntil(t, second, next, servers, 2, 3, 4)
	if err := renew(watched(t), first, g); !errors.Is(err, lockcore.ErrLost) || !strings.Contains(err.Error(), "second") {
		t.Errorf("want ErrLost that names the second holder, got %v", err)
	}
}
