package quorumstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// endingOn is how the last use of a key ended, as a server remembers it.
func endingOn(s *redistest.Server, key string) lockcore.Ending {
	value, _ := s.Do("HGET", "rtest:{test}:quorum:endings", key).(string)
	if value == "" {
		return lockcore.Released
	}
	return lockcore.Ending(value[0] - '0')
}

// remember waits until all servers remember the same ending of key k.
func remember(t *testing.T, servers []*redistest.Server, want lockcore.Ending) {
	t.Helper()
	until(t, fmt.Sprintf("all servers remember that k was %q", want), func() bool {
		return !slices.ContainsFunc(servers, func(s *redistest.Server) bool { return endingOn(s, "k") != want })
	})
}

// releaseAs gives a lease back with an ending.
func releaseAs(t *testing.T, s *Store, g *lockcore.Grant, e lockcore.Ending) {
	t.Helper()
	g.Ending = e
	release(t, s, g)
}

// share has a ticket take its keys in shared mode.
func share(t *lockcore.Ticket) *lockcore.Ticket { t.Requirements[0].Shared = true; return t }

// missing grants a lease of k that has not arrived at the last of three servers. The bid
// goes on to that server with lift.
func missing(t *testing.T, s *Store, servers []*redistest.Server, ticket *lockcore.Ticket) (*lockcore.Grant, *delayedCall) {
	t.Helper()
	h := holdQuestion(t, s.nodes[2], takeScript())
	g := take(t, s, ticket)
	if g == nil {
		t.Fatalf("%s is refused a free key", ticket.ID)
	}
	<-h.stuck
	spread(t, servers, ticket.ID, 0, 1)
	return g, h
}

// arrives lets a bid go on, which comes too late: the server must not give it anything.
func arrives(t *testing.T, servers []*redistest.Server, h *delayedCall, id string) {
	t.Helper()
	h.lift()
	<-h.done
	if holds(servers[2], id) {
		t.Errorf("the third server gave the keys to %s, which has ended", id)
	}
}

// TestEndedBeforeTheBid: a server to which a grant comes after its end refuses it, and
// remembers how the use ended as if it had had the lease.
func TestEndedBeforeTheBid(t *testing.T) {
	for _, c := range []struct {
		what string
		end  func(t *testing.T, s *Store, g *lockcore.Grant)
		want lockcore.Ending
	}{
		{"freed", func(t *testing.T, s *Store, _ *lockcore.Grant) {
			if _, err := s.Free(watched(t), "k", "for the test"); err != nil {
				t.Fatal(err)
			}
		}, lockcore.Unknown},
		{"taken out of service", func(t *testing.T, s *Store, _ *lockcore.Grant) {
			if _, err := s.Disable(watched(t), lockcore.Outage{Keys: []string{"other"}, Now: true}); err != nil {
				t.Fatal(err)
			}
		}, lockcore.Unknown},
		{"given back in order", func(t *testing.T, s *Store, g *lockcore.Grant) { release(t, s, g) }, lockcore.Released},
		{"given back after a test that failed", func(t *testing.T, s *Store, g *lockcore.Grant) { releaseAs(t, s, g, lockcore.TestFailed) }, lockcore.TestFailed},
		{"kept for a while", func(t *testing.T, s *Store, g *lockcore.Grant) {
			g.Ending = lockcore.TestFailed
			if err := s.Release(watched(t), g, time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}, lockcore.TestFailed},
		{"withdrawn", func(t *testing.T, s *Store, g *lockcore.Grant) {
			if err := s.Withdraw(watched(t), g.Ticket.ID); err != nil {
				t.Fatal(err)
			}
		}, lockcore.Died},
	} {
		t.Run(c.what, func(t *testing.T) {
			servers := redistest.StartN(t, 3)
			s := openStore(t, urlOf(servers))
			releaseAs(t, s, take(t, s, ticketFor("before", time.Minute, "k")), lockcore.Died)
			remember(t, servers, lockcore.Died)
			ticket := ticketFor("lease", time.Minute, "k", "other")
			ticket.Requirements[0].Need = 2
			g, h := missing(t, s, servers, ticket)
			c.end(t, s, g)
			until(t, "the third server refuses the lease", func() bool { return tombstoneOf(servers[2], "lease") != "" })
			remember(t, servers, c.want)
			arrives(t, servers, h, "lease")
			remember(t, servers, c.want)
		})
	}
}

// TestFreedWhileDown: a server that was down when a lease was freed is told when it is
// back.
func TestFreedWhileDown(t *testing.T) {
	servers := redistest.StartN(t, 3)
	proxies, url := proxied(t, servers)
	s := openStore(t, url)
	take(t, s, ticketFor("lease", time.Hour, "k"))
	spread(t, servers, "lease", 0, 1, 2)
	proxies[2].Refuse(true)
	proxies[2].Cut()
	if _, err := s.Free(watched(t), "k", "for the test"); err != nil {
		t.Fatal(err)
	}
	spread(t, servers, "lease", 2)
	proxies[2].Refuse(false)
	spread(t, servers, "lease")
	remember(t, servers, lockcore.Unknown)
}

// TestFreedAndAskedAgain: a ticket that was freed may be granted again, also where the
// grant that was freed never arrived.
func TestFreedAndAskedAgain(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	g, h := missing(t, s, servers, ticketFor("lease", time.Minute, "k"))
	if _, err := s.Free(watched(t), "k", "for the test"); err != nil {
		t.Fatal(err)
	}
	arrives(t, servers, h, "lease")
	if again := take(t, s, g.Ticket); again == nil || again.Last["k"] != lockcore.Unknown {
		t.Fatalf("asked again after it was freed: %v", again)
	}
	spread(t, servers, "lease", 0, 1, 2)
}

// TestFreeSparesAttempts: what a minority has is an attempt that is under way, or a grant
// of just now. Whoever frees its key takes it away where the call arrives, and nowhere
// else.
func TestFreeSparesAttempts(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	for _, server := range servers[:2] {
		lone := Config{Namespace: "test"}.New(redis.NewClient(&redis.Options{Addr: server.Addr}))
		defer lone.Close()
		take(t, lone, ticketFor("attempt", time.Hour, "k"))
	}
	h := holdQuestion(t, s.nodes[0], freeScript()) // which has the earlier number
	if _, err := s.Free(watched(t), "k", "for the test"); err != nil {
		t.Fatal(err)
	}
	<-h.stuck
	until(t, "the third server refuses it", func() bool { return tombstoneOf(servers[2], "attempt") != "" })
	spread(t, servers, "attempt", 0)
	if endingOn(servers[2], "k") != lockcore.Released {
		t.Error("the server remembers a use that there was not")
	}
}

// TestCleanReleaseClearsNoLaterEnding: a clean ending makes up for what was before that
// use, and not for what another holder did meanwhile, whether the server had the lease or
// not.
func TestCleanReleaseClearsNoLaterEnding(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	g, h := missing(t, s, servers, share(ticketFor("clean", time.Minute, "k")))
	other := take(t, s, share(ticketFor("fails", time.Minute, "k")))
	spread(t, servers, "fails", 0, 1, 2)
	releaseAs(t, s, other, lockcore.TestFailed)
	remember(t, servers, lockcore.TestFailed)
	release(t, s, g)
	until(t, "the third server knows of the release", func() bool { return tombstoneOf(servers[2], "clean") != "" })
	remember(t, servers, lockcore.TestFailed)
	arrives(t, servers, h, "clean")
}

// TestReleaseAfterNextGrant: a server that has the next holder already when it hears of
// the end of a use before it lets that holder say how the key is.
func TestReleaseAfterNextGrant(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	g, bid := missing(t, s, servers, ticketFor("lease", time.Minute, "k"))
	end := holdQuestion(t, s.nodes[2], releaseScript())
	releaseAs(t, s, g, lockcore.TestFailed)
	<-end.stuck
	next := take(t, s, ticketFor("next", time.Minute, "k"))
	spread(t, servers, "next", 0, 1, 2)
	end.lift()
	<-end.done
	release(t, s, next)
	remember(t, servers, lockcore.Released)
	arrives(t, servers, bid, "lease")
}

// slowRelease gives a lease of k back, which all three servers have. The last one hears of
// that with lift.
func slowRelease(t *testing.T, s *Store, servers []*redistest.Server, g *lockcore.Grant, e lockcore.Ending) *delayedCall {
	t.Helper()
	spread(t, servers, g.Ticket.ID, 0, 1, 2)
	h := holdQuestion(t, s.nodes[2], releaseScript())
	releaseAs(t, s, g, e)
	<-h.stuck
	spread(t, servers, g.Ticket.ID, 2)
	return h
}

// TestReleaseAfterNextUseBegan: an exclusive use in order makes up for the one before it,
// also on a server that hears last of the end of that one.
func TestReleaseAfterNextUseBegan(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	end := slowRelease(t, s, servers, take(t, s, ticketFor("fails", time.Minute, "k")), lockcore.TestFailed)
	next, err := await(watched(t), s, waiting(ticketFor("next", time.Minute, "k")))
	if err != nil || next.Last["k"] != lockcore.TestFailed {
		t.Fatalf("after a test that failed: %v, %v", next, err)
	}
	end.lift()
	<-end.done
	release(t, s, next)
	remember(t, servers, lockcore.Released)
}

// TestSnapshotLeavesOutServersBehind: a snapshot tells of endings as the next bid is told,
// not as a server does that has still to hear of the last end. Where too few servers
// agree on who has the key, all are believed.
func TestSnapshotLeavesOutServersBehind(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	told := func(what string, want lockcore.Ending) {
		t.Helper()
		if snap, err := s.Snapshot(watched(t)); err != nil || snap.Endings["k"] != want {
			t.Errorf("%s: the snapshot tells %q, want %q (%v)", what, snap.Endings["k"], want, err)
		}
	}
	releaseAs(t, s, take(t, s, ticketFor("fails", time.Minute, "k")), lockcore.TestFailed)
	remember(t, servers, lockcore.TestFailed)
	end := slowRelease(t, s, servers, take(t, s, ticketFor("clean", time.Minute, "k")), lockcore.Released)
	told("one server has not heard of the end", lockcore.Released)
	next, err := await(watched(t), s, waiting(ticketFor("next", time.Minute, "k")))
	if err != nil || next == nil {
		t.Fatal(err)
	}
	told("and k has the next holder", lockcore.Released)
	end.lift()
	<-end.done
	releaseAs(t, s, next, lockcore.TestFailed)
	spread(t, servers, "next")
	for i, server := range servers[:2] {
		lone := Config{Namespace: "test"}.New(redis.NewClient(&redis.Options{Addr: server.Addr}))
		defer lone.Close()
		take(t, lone, ticketFor(fmt.Sprint("attempt ", i), time.Hour, "k"))
		told("attempts are under way on some servers", lockcore.TestFailed)
	}
}

// TestReleaseRepeated: a release that is sent again says nothing new about the keys:
// somebody may have used them since.
func TestReleaseRepeated(t *testing.T) {
	for _, c := range []struct {
		what    string
		arrived bool // the server had the lease
	}{{"the server had the lease", true}, {"the server never had it", false}} {
		t.Run(c.what, func(t *testing.T) {
			s, n, server := oneServer(t)
			r := releaseRequest{id: "lease", attempt: 1, ending: endingText(lockcore.TestFailed), units: exclusive("k"), since: time.Now()}
			if c.arrived {
				take(t, s, ticketFor("lease", time.Hour, "k"))
				s.mu.Lock()
				r.attempt = s.tickets["lease"].attempt
				s.mu.Unlock()
			}
			send := func() {
				t.Helper()
				if _, err := n.release(watched(t), r); err != nil {
					t.Fatal(err)
				}
			}
			send()
			next := take(t, s, ticketFor("next", time.Hour, "k"))
			if next.Last["k"] != lockcore.TestFailed {
				t.Errorf("the next holder is told %q", next.Last["k"])
			}
			release(t, s, next)
			send()
			if got := endingOn(server, "k"); got != lockcore.Released {
				t.Errorf("k was used in order since, and is told as %q", got)
			}
		})
	}
}

// TestPendingReleaseSaysHow: a release that is sent later says how the use ended, also to
// a server that never had the lease. The undoing of a bid does not take its place.
func TestPendingReleaseSaysHow(t *testing.T) {
	s, n, server := oneServer(t)
	n.mu.Lock()
	n.sending = true // by a goroutine that waits
	n.mu.Unlock()
	used := releaseRequest{id: "lease", attempt: 5, ending: endingText(lockcore.TestFailed), units: exclusive("k"), since: time.Now()}
	s.releaseLater(n, used, time.Hour)
	s.releaseLater(n, releaseRequest{id: "lease", attempt: 5}, time.Hour)
	s.releaseLater(n, releaseRequest{id: "lease", attempt: 4, ending: endingText(lockcore.Died), units: exclusive("k"), since: time.Now()}, time.Hour)
	s.spawn(func() { s.sendPending(n) })
	allReleased(t, n)
	if got := endingOn(server, "k"); got != lockcore.TestFailed {
		t.Errorf("k is told as %q", got)
	}
	if got := tombstoneOf(server, "lease"); !strings.HasPrefix(got, number(5)) {
		t.Errorf("refused are attempts up to %q", got)
	}
}

// TestEarlierAttemptThere: a server that has an earlier attempt of the ticket, which was
// given up, drops it, and takes the release for a use that it has missed.
func TestEarlierAttemptThere(t *testing.T) {
	for _, e := range []lockcore.Ending{lockcore.Released, lockcore.TestFailed} {
		t.Run(e.String(), func(t *testing.T) {
			s, n, server := oneServer(t)
			first := newAsking(s, &ticket{id: "lease", t: ticketFor("lease", time.Hour, "a", "k")})
			b := first.bid([][]string{{"a"}})
			if ans, err := b.ask(watched(t), n); err != nil || !ans.yes {
				t.Fatal(ans, err)
			}
			late := first.bid([][]string{{"k"}})
			r := releaseRequest{id: "lease", attempt: late.attempt, ending: endingText(e), units: exclusive("k"), since: late.made}
			if rep, err := n.release(watched(t), r); err != nil || rep.held {
				t.Errorf("it had another attempt: got %v, %v", rep, err)
			}
			if holds(server, "lease") || endingOn(server, "k") != e || endingOn(server, "a") != lockcore.Released {
				t.Errorf("it is there: %v; k was %q, and a, which was never used, %q", holds(server, "lease"), endingOn(server, "k"), endingOn(server, "a"))
			}
			if ans, err := late.ask(watched(t), n); err != nil || ans.yes {
				t.Errorf("the attempt that was released comes now: got %v, %v", ans.yes, err)
			}
		})
	}
}

// TestReleaseByOtherProcess: who releases a lease that another process was granted does not
// know its attempt, and so has no attempt refused that may be later.
func TestReleaseByOtherProcess(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s, other := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	g := take(t, s, ticketFor("lease", time.Minute, "k"))
	spread(t, servers, "lease", 0, 1, 2)
	release(t, other, g)
	spread(t, servers, "lease")
	for i, server := range servers {
		if got := tombstoneOf(server, "lease"); got != "" {
			t.Errorf("server %d refuses attempts up to %q", i, got)
		}
	}
}

// TestGivenBackBeforeItArrived: keys of a reservation that are given back in order are
// told so by a server to which the reservation never came, and by one that was down.
func TestGivenBackBeforeItArrived(t *testing.T) {
	for _, c := range []struct {
		what string
		keys []string
	}{{"some keys", []string{"k"}}, {"all keys", []string{"k", "other"}}} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, down %v", c.what, down), func(t *testing.T) {
				servers := redistest.StartN(t, 3)
				proxies, url := proxied(t, servers)
				s := openStore(t, url)
				releaseAs(t, s, take(t, s, ticketFor("before", time.Minute, "k")), lockcore.TestFailed)
				remember(t, servers, lockcore.TestFailed)
				take(t, s, reservationFor("ann", time.Hour, "k", "other"))
				spread(t, servers, "ann", 0, 1, 2)
				until(t, "it is reserved", func() bool {
					return !slices.ContainsFunc(servers, func(s *redistest.Server) bool { return stateOf(s, "ann") != "3" })
				})
				if down {
					proxies[2].Refuse(true)
					proxies[2].Cut()
				} else {
					servers[2].Do("DEL", heldHash)
				}
				if err := openStore(t, url).EndReservation(watched(t), "ann", c.keys); err != nil {
					t.Fatal(err)
				}
				proxies[2].Refuse(false)
				remember(t, servers, lockcore.Released)
			})
		}
	}
}

// TestUsedInOrderAfterExpiry: one use in order makes up for a holder that died.
func TestUsedInOrderAfterExpiry(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	take(t, s, share(ticketFor("dies", time.Hour, "k")))
	spread(t, servers, "dies", 0, 1, 2)
	for _, server := range servers {
		age(server, "dies", time.Second)
	}
	ctx, cancel := context.WithCancel(watched(t))
	defer cancel()
	next, err := await(ctx, openStore(t, urlOf(servers)), waiting(ticketFor("next", time.Hour, "k")))
	if err != nil || next.Last["k"] != lockcore.Died {
		t.Fatalf("after a holder that died: %v, %v", next, err)
	}
	spread(t, servers, "next", 0, 1, 2)
	release(t, s, next)
	remember(t, servers, lockcore.Released)
}
