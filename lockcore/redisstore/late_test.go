package redisstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// A waiter that learns of its grant by a message need not ask: its renewal confirms it.
func TestRenewalOfAGrantConfirmsIt(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		holder := ask(b, s, ticket("holder", time.Minute, of(1, "k"))).Grant
		waiter := ticket("waiter", time.Minute, of(1, "k"))
		ask(b, s, waiter)
		giveBack(b, s, holder)
		holds := func() lockcore.Holder {
			b.Helper()
			snap, err := s.Snapshot(b.Context())
			if err != nil || len(snap.Holders) != 1 {
				b.Fatalf("%+v, %v", snap.Holders, err)
			}
			return snap.Holders[0]
		}
		h := holds()
		if h.State != "granted" {
			b.Errorf("it is %s", h.State)
		}
		if err := b.renew(s, &lockcore.Grant{Ticket: waiter, Obtained: h.Obtained, Token: h.Token}); err != nil {
			b.Error(err)
		}
		time.Sleep(50 * time.Second)
		if h := holds(); h.ID != "waiter" || h.State != "held" {
			b.Errorf("%s is %s", h.ID, h.State)
		}
	})
}

// What is kept has been given back: its holder cannot renew it.
func TestRenewalOfWhatIsKept(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		g := ask(b, s, ticket("t", time.Minute, of(1, "k"))).Grant
		if err := s.Release(b.Context(), g, time.Hour); err != nil {
			b.Fatal(err)
		}
		wantLost(b, b.renew(s, g), "it was released")
	})
}

// An Ask that was sent before a withdrawal, and comes after it, does not bring the
// request back, whether it waited or held.
func TestLineForgetsWhoWithdrew(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		holds, waits := ticket("holds", time.Minute, of(1, "k")), ticket("waits", time.Minute, of(1, "k"))
		ask(b, s, holds)
		ask(b, s, waits)
		for _, tk := range []*lockcore.Ticket{waits, holds} {
			if err := s.Withdraw(b.Context(), tk.ID); err != nil {
				b.Fatal(err)
			}
			_, err := s.Ask(b.Context(), tk, func(*lockcore.Grant) {})
			wantLost(b, err, "withdrawn")
		}
		if snap, err := s.Snapshot(b.Context()); err != nil || len(snap.Holders)+len(snap.Waiters) > 0 {
			b.Errorf("%+v, %v", snap, err)
		}
	})
}

// One call renews several leases, each to the full, and tells of each.
func TestRenewalOfSeveral(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		var grants []*lockcore.Grant
		for _, k := range []string{"a", "b", "c"} {
			grants = append(grants, ask(b, s, ticket(k, time.Minute, of(1, k))).Grant)
		}
		if _, err := s.Free(b.Context(), "b", "for the test"); err != nil {
			b.Fatal(err)
		}
		for range 3 {
			time.Sleep(50 * time.Second)
			errs, err := s.Renew(b.Context(), grants)
			if err != nil || len(errs) != 3 || errs[0] != nil || errs[2] != nil {
				b.Fatalf("%v, %v", errs, err)
			}
			wantLost(b, errs[1], "for the test")
		}
		snap, err := s.Snapshot(b.Context())
		if err != nil || len(snap.Holders) != 2 {
			b.Fatalf("%+v, %v", snap.Holders, err)
		}
		time.Sleep(2 * time.Minute)
		errs, err := s.Renew(b.Context(), grants)
		if err != nil || errs[0] != nil || errs[2] != nil {
			b.Errorf("all of them have expired, and nobody had the keys since: %v, %v", errs, err)
		}
		consistent(b, b.server)
		for _, h := range snap.Holders {
			if left := h.Expires.Sub(snap.Time); left != time.Minute {
				b.Errorf("%s has %s left", h.ID, left)
			}
		}
	})
}

// A lease comes back whatever else is out of service; one whose own key is, does not.
func TestRenewalOfALeaseBesideAnOutage(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		g, bad := ask(b, s, ticket("good", 10*time.Second, of(1, "good"))).Grant, ask(b, s, ticket("bad", 10*time.Second, of(1, "bad"))).Grant
		time.Sleep(11 * time.Second)
		if _, err := s.Disable(b.Context(), lockcore.Outage{Keys: []string{"bad"}}); err != nil {
			b.Fatal(err)
		}
		if err := b.renew(s, g); err != nil {
			b.Error(err)
		}
		wantLost(b, b.renew(s, bad), "out of service")
		// And one whose key somebody has is lost for that reason.
		time.Sleep(11 * time.Second)
		if ask(b, s, ticket("next", time.Minute, of(1, "good"))).Grant == nil {
			b.Fatal("it is held")
		}
		wantLost(b, b.renew(s, g), "next")
	})
}

// A renewal of a lease that the server does not have is two calls. What another call of
// its owner has done in between stands: the lease does not come back beside it.
//
//	the renewal asks: there is no such lease
//	an Ask, a withdrawal or a release comes, which was long on the way
//	the renewal states its case
func TestRenewalOfALeaseThatChangesMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		between func(b bubble, s lockcore.Store, g *lockcore.Grant)
		want    string // what the renewal says
		state   string // of the lease that stands in the end
	}{
		"it gets another grant": {func(b bubble, s lockcore.Store, g *lockcore.Grant) {
			if again := ask(b, s, g.Ticket).Grant; again == nil || again.Token == g.Token {
				b.Errorf("want a second grant, got %+v", again)
			}
		}, "later grant", "held"},
		"it waits again": {func(b bubble, s lockcore.Store, g *lockcore.Grant) {
			ask(b, s, ticket("blocker", time.Minute, of(1, "z")))
			ask(b, s, ticket("earlier", time.Minute, of(1, "z"), of(1, "k"))) // it has k kept aside
			if ask(b, s, g.Ticket).Grant != nil {
				b.Error("k is kept aside")
			}
		}, "released", ""},
		"it is withdrawn": {func(b bubble, s lockcore.Store, g *lockcore.Grant) {
			if err := s.Withdraw(b.Context(), g.Ticket.ID); err != nil {
				b.Error(err)
			}
		}, "withdrawn", ""},
		"it is given back, and kept": {func(b bubble, s lockcore.Store, g *lockcore.Grant) {
			again := ask(b, s, g.Ticket).Grant
			if err := s.Release(b.Context(), again, time.Hour); err != nil {
				b.Error(err)
			}
		}, "released", "kept"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b bubble) {
				s := b.open(redisstore.Options{})
				tk := ticket("t", 10*time.Second, of(1, "k"))
				g := ask(b, s, tk).Grant
				time.Sleep(11 * time.Second)
				calls := 0
				renewing := b.client()
				renewing.AddHook(before(func() {
					if calls++; calls == 2 {
						c.between(b, s, g)
					}
				}))
				client := on(b, renewing, redisstore.Options{})
				wantLost(b, b.renew(client, g), c.want)
				if calls != 2 {
					b.Errorf("the renewal took %d calls", calls)
				}
				snap, err := s.Snapshot(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				state := ""
				for _, h := range snap.Holders {
					if h.ID == "t" {
						state = h.State
					}
				}
				if state != c.state {
					b.Errorf("in the end it is %q, want %q: %+v", state, c.state, snap.Holders)
				}
				consistent(b, b.server)
			})
		})
	}
}

// before has something done before each call of a script.
type before func()

func (f before) DialHook(next redis.DialHook) redis.DialHook { return next }
func (f before) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			f()
		}
		return next(ctx, cmd)
	}
}
func (f before) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// A holder of a resource whose lease somebody has deleted on the server is in nobody's
// way for good: the lease that has the later token comes back.
func TestRenewalOfALeaseBesideAHolderWithoutALease(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		old := ask(b, s, ticket("old", time.Minute, of(1, "k"))).Grant
		b.server.HDel("{rtest:default}:all", "!old")
		young := &lockcore.Grant{Ticket: ticket("young", time.Minute, of(1, "k")), Obtained: [][]string{{"k"}}, Token: old.Token + 1000}
		if err := b.renew(s, young); err != nil {
			b.Error(err)
		}
		if snap, err := s.Snapshot(b.Context()); err != nil || len(snap.Holders) != 1 || snap.Holders[0].ID != "young" {
			b.Errorf("%+v, %v", snap.Holders, err)
		}
	})
}
