package redisstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// How long what is over is remembered, to the hundredth of a second.

const moment = 10 * time.Millisecond

// A release that is repeated is a success for 15 s, whichever way the first one went.
func TestReleaseIsRemembered(t *testing.T) {
	for name, runs := range map[string]int{"the first of its test goes the long way": 1, "the second the short way": 2} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b bubble) {
				s := b.open(redisstore.Options{})
				var g *lockcore.Grant
				for i := range runs {
					tk := ticket(fmt.Sprint("t", i), time.Hour, of(1, "k"))
					tk.Owner.Test = "TestX"
					g = ask(b, s, tk).Grant
					time.Sleep(time.Microsecond) // one moment in 64 is for sweeping
					giveBack(b, s, g)
				}
				time.Sleep(15*time.Second - moment)
				if err := s.Release(b.Context(), g, 0); err != nil {
					b.Errorf("just before: %v", err)
				}
				time.Sleep(2 * moment)
				if err := s.Release(b.Context(), g, 0); !errors.Is(err, lockcore.ErrNotHeld) {
					b.Errorf("just after: %v", err)
				}
			})
		})
	}
}

// A request that was withdrawn is refused for a minute.
func TestWithdrawalIsRemembered(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		late := ticket("late", time.Hour, of(1, "k"))
		if err := s.Withdraw(b.Context(), late.ID); err != nil {
			b.Fatal(err)
		}
		time.Sleep(time.Minute - moment)
		if _, err := s.Ask(b.Context(), late, nil); !errors.Is(err, lockcore.ErrLost) {
			b.Errorf("just before: %v", err)
		}
		time.Sleep(2 * moment)
		if ask(b, s, late).Grant == nil {
			b.Error("just after: it got nothing")
		}
	})
}

// Why a lease was ended by hand is told for an hour.
func TestEndIsRemembered(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		g := ask(b, s, ticket("t", time.Hour, of(1, "k"))).Grant
		if _, err := s.Free(b.Context(), "k", "for the test"); err != nil {
			b.Fatal(err)
		}
		time.Sleep(time.Hour - moment)
		wantLost(b, b.renew(s, g), "for the test")
		time.Sleep(2 * moment)
		if err := b.renew(s, g); err != nil {
			b.Errorf("nobody had k since, and nobody remembers: %v", err)
		}
	})
}

// Who frees a resource is told until when it was held, even by one who was granted it in
// the same moment.
func TestEndIsTold(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		free := func(holder string, left time.Duration) {
			b.Helper()
			freed, err := s.Free(b.Context(), "k", "for the test")
			if err != nil || len(freed) != 1 || freed[0].ID != holder || !freed[0].Expires.Equal(time.Now().Add(left)) {
				b.Errorf("want %s with %s left at %s, got %+v, %v", holder, left, time.Now(), freed, err)
			}
		}
		ask(b, s, ticket("first", time.Hour, of(1, "k")))
		free("first", time.Hour)
		ask(b, s, ticket("dead", 8*time.Second, of(1, "k")))
		ask(b, s, ticket("waiter", time.Minute, of(1, "k")))
		time.Sleep(8 * time.Second)
		free("waiter", 5*time.Second)
	})
}

// Nobody is told to ask again at once.
func TestShortestPoll(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		ask(b, s, ticket("holder", 10*time.Second+500*time.Microsecond, of(1, "k")))
		if got := ask(b, s, ticket("short", time.Millisecond, of(1, "k"))).Poll; got != time.Millisecond {
			b.Errorf("with a TTL of a millisecond: %s", got)
		}
		w := ticket("w", time.Minute, of(1, "k"))
		ask(b, s, w)
		time.Sleep(10 * time.Second)
		if got := ask(b, s, w).Poll; got != time.Millisecond {
			b.Errorf("half a millisecond before the lease ends: %s", got)
		}
	})
}

// Outages of one resource double up to a day.
func TestLongestOutage(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		for _, want := range []time.Duration{7 * time.Hour, 14 * time.Hour, 24 * time.Hour, 24 * time.Hour} {
			if _, err := s.Disable(b.Context(), lockcore.Outage{Keys: []string{"k"}, Owner: lockcore.Owner{User: "ann"}, For: 7 * time.Hour}); err != nil {
				b.Fatal(err)
			}
			snap, err := s.Snapshot(b.Context())
			if err != nil || len(snap.Holders) != 1 || snap.Holders[0].Expires.Sub(snap.Time) != want {
				b.Fatalf("want an outage of %s, got %+v, %v", want, snap.Holders, err)
			}
			time.Sleep(want)
		}
	})
}

// Of a thousand resources it is remembered that their last use did not end in order;
// for another one, the one of which it was longest ago is forgotten.
func TestEndingsAreBounded(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		const bound = 1000
		for i := range bound + 2 {
			time.Sleep(time.Microsecond)
			g := *ask(b, s, ticket(fmt.Sprint("t", i), time.Hour, of(1, fmt.Sprint("k", i)))).Grant
			g.Ending = lockcore.TestFailed
			giveBack(b, s, &g)
		}
		snap, err := s.Snapshot(b.Context())
		if err != nil || len(snap.Endings) != bound {
			b.Fatalf("%d are remembered, %v", len(snap.Endings), err)
		}
		for _, k := range []string{"k0", "k1"} {
			if _, known := snap.Endings[k]; known {
				b.Errorf("%s was first, and is remembered", k)
			}
		}
	})
}

// What a test took says something for 90 days after its last run: of holders, of
// waiters, to people, and of whether somebody can be let past who is done earlier.
func TestHistoryAge(t *testing.T) {
	for name, c := range map[string]struct{ after, want time.Duration }{"just before": {-moment, 30 * time.Minute}, "just after": {moment, 0}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(b bubble) {
				s := b.open(redisstore.Options{})
				hold(b, s, "TestX", 0, 30*time.Minute)
				ended := time.Now()
				for i := range 150 {
					hold(b, s, "TestY", i, time.Millisecond) // what is usual gets shorter than a second
				}
				time.Sleep(90*24*time.Hour + c.after - time.Since(ended))
				for _, id := range []string{"holder", "waiter"} {
					tk := ticket(id, time.Hour, of(1, "k"))
					tk.Owner = lockcore.Owner{Test: "TestX", Package: "example.com/p"}
					ask(b, s, tk)
				}
				snap, err := s.Snapshot(b.Context())
				if err != nil || snap.Holders[0].Expect != c.want || snap.Waiters[0].Expect != c.want {
					b.Errorf("want %s of the holder and of the waiter: %+v, %v", c.want, snap, err)
				}
				if u, ok := history(b, s)["TestX"]; ok != (c.want > 0) || u.Median != c.want {
					b.Errorf("people are told %+v", u)
				}
				ask(b, s, ticket("both", time.Hour, of(2, "k", "other")))
				short := ticket("short", time.Hour, of(1, "other"))
				short.Expect = time.Minute
				if g := ask(b, s, short).Grant; (g != nil) != (c.want > 0) {
					b.Errorf("other is kept aside for a request that also waits for k, expected in %s, else in a moment, and one of a minute gets %+v", c.want, g)
				}
			})
		})
	}
}

// A page of the line is 64 waiters. Those behind the first page are served, too, in the
// same step and in the order of arrival.
func TestLineOfManyPages(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		const many = 130
		var keys []string
		for i := range many {
			keys = append(keys, fmt.Sprint("k", i))
		}
		all := ask(b, s, ticket("all", time.Hour, of(many, keys...))).Grant
		one := of(1, keys...)
		one.Choice = lockcore.InOrder
		for i := range many {
			ask(b, s, ticket(fmt.Sprint("w", i), time.Hour, one))
		}
		giveBack(b, s, all)
		snap, err := s.Snapshot(b.Context())
		if err != nil || len(snap.Holders) != many || len(snap.Waiters) != 0 {
			b.Fatalf("%d hold and %d wait, %v", len(snap.Holders), len(snap.Waiters), err)
		}
		for _, h := range snap.Holders {
			if want := "k" + h.ID[1:]; h.Keys()[0] != want {
				b.Errorf("%s has %s, want %s", h.ID, h.Keys()[0], want)
			}
		}
	})
}

// The server counts the leases that were let past others, so that it need not look for
// any while there are none.
func TestLeasesLetPastAreCounted(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		counted := func(when, want string) {
			b.Helper()
			if got := b.server.HGet("{rtest:default}:all", "#past"); got != want {
				b.Errorf("%s, %q were let past others, want %q", when, got, want)
			}
		}
		expecting := func(id string, d time.Duration, req lockcore.Requirement) *lockcore.Grant {
			tk := ticket(id, time.Hour, req)
			tk.Expect = d
			return ask(b, s, tk).Grant
		}
		expecting("holder", time.Hour, of(1, "k"))
		ask(b, s, ticket("all", time.Hour, of(3, "k", "a", "b")))
		first, second := expecting("first", time.Second, of(1, "a")), expecting("second", time.Second, of(1, "b"))
		counted("while two hold", "2")
		giveBack(b, s, first)
		counted("while one holds", "1")
		giveBack(b, s, second)
		counted("in the end", "0")
	})
}
