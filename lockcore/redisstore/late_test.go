package redisstore_test

import (
	"testing"
	"time"

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
