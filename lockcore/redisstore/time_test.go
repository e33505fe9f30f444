package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// A bubble is a server and its clients for whom time is what the test says.
type bubble struct {
	*testing.T
	server *miniredis.Miniredis
}

func inBubble(t *testing.T, f func(b bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := miniredis.NewMiniRedis()
		m.ClockTTL(true)
		t.Cleanup(m.Close)
		f(bubble{t, m})
	})
}

func (b bubble) open(opts redisstore.Options) *redisstore.Store {
	b.Helper()
	return on(b, b.client(), opts)
}

func (b bubble) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Dialer:                func(context.Context, string, string) (net.Conn, error) { return b.server.Dial() },
		Addr:                  "127.0.0.1:6379", // else the name is looked up, outside of the bubble
		ContextTimeoutEnabled: true,
	})
}

func (b bubble) renew(s lockcore.Store, g *lockcore.Grant) error {
	b.Helper()
	errs, err := s.Renew(b.Context(), []*lockcore.Grant{g})
	if err != nil {
		b.Fatal(err)
	}
	return errs[0]
}

func wantLost(t testing.TB, err error, words string) {
	t.Helper()
	if !errors.Is(err, lockcore.ErrLost) || !strings.Contains(err.Error(), words) {
		t.Errorf("want ErrLost and %q, got: %v", words, err)
	}
}

// soon is what a chain of calls may take in a bubble, where nothing takes any
// time but timers.
const soon = 5 * time.Millisecond

// The head of the line is told when the lease before it ends, and asks then.
func TestKeyOfADeadHolderGoesOnAtItsExpiry(t *testing.T) {
	inBubble(t, func(b bubble) {
		dead := b.open(redisstore.Options{})
		if ask(b, dead, ticket("dead", 20*time.Second, of(1, "k"))).Grant == nil {
			b.Fatal("k is free")
		}
		died := time.Now()
		l := locker(b, b.open(redisstore.Options{}))
		time.Sleep(3 * time.Second)
		le := acquire(b, l, request(time.Minute, of(1, "k")))
		if late := time.Since(died) - 20*time.Second; late < 0 || late > soon {
			b.Errorf("it came %s after the expiry", late)
		}
		release(b, le)
	})
}

func TestUnconfirmedGrantGoesOnAfterFiveSeconds(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		holder := ask(b, s, ticket("holder", time.Minute, of(1, "k")))
		absent := ticket("absent", time.Minute, of(1, "k"))
		ask(b, s, absent)
		l := locker(b, b.open(redisstore.Options{}))
		got := make(chan time.Time)
		go func() {
			release(b, acquire(b, l, request(time.Minute, of(1, "k"))))
			got <- time.Now()
		}()
		synctest.Wait()
		if err := s.Release(b.Context(), holder.Grant, 0); err != nil {
			b.Fatal(err)
		}
		released := time.Now()
		if late := (<-got).Sub(released) - 5*time.Second; late < 0 || late > soon {
			b.Errorf("the next one got it %s after the five seconds", late)
		}
		wantLost(b, b.renew(s, &lockcore.Grant{Ticket: absent, Obtained: [][]string{{"k"}}, Token: 1}), "not taken up in time")
	})
}

func TestPoll(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		ask(b, s, ticket("holder", 7*time.Second, of(1, "k")))
		for i, c := range []struct {
			ttl, want time.Duration
		}{
			{time.Minute, 5 * time.Second}, {time.Minute, 5 * time.Second}, {3 * time.Second, time.Second}, {time.Minute, 5 * time.Second},
		} {
			ans := ask(b, s, ticket(fmt.Sprint("w", i), c.ttl, of(1, "k")))
			if ans.Poll != c.want {
				b.Errorf("%d in line with a TTL of %s polls after %s, want %s", i+1, c.ttl, ans.Poll, c.want)
			}
			if want := min(5*time.Second, c.ttl); ans.Window != want {
				b.Errorf("window %s, want %s", ans.Window, want)
			}
		}
		if err := s.Withdraw(b.Context(), "w2"); err != nil { // else its heartbeat is what ends first
			b.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		if got := ask(b, s, ticket("w0", time.Minute, of(1, "k"))).Poll; got != 4500*time.Millisecond {
			b.Errorf("the lease ends in 4.5 s, and the head of the line polls after %s", got)
		}
		if got := ask(b, s, ticket("w1", time.Minute, of(1, "k"))).Poll; got != 4500*time.Millisecond {
			b.Errorf("the lease ends in 4.5 s, and the second in line polls after %s", got)
		}
		if got := ask(b, s, ticket("w3", time.Minute, of(1, "k"))).Poll; got != 5*time.Second {
			b.Errorf("whoever is behind polls after %s", got)
		}
	})
}

// Whoever stands in line is told the latest token, so that a message about an
// earlier grant is not taken for news.
func TestLatestToken(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		held := ask(b, s, ticket("holder", time.Minute, of(1, "k"))).Grant
		tk := ticket("w", time.Minute, of(1, "k"))
		if got := ask(b, s, tk).Latest; got != held.Token {
			b.Errorf("latest token %d, want %d", got, held.Token)
		}
		other := ask(b, s, ticket("other", time.Minute, of(1, "z"))).Grant
		if got := ask(b, s, tk).Latest; got != other.Token {
			b.Errorf("latest token %d at the next poll, want %d", got, other.Token)
		}
	})
}

// A waiter that is not heard of for three polls is dropped, with what was
// reserved for it.
func TestDeadWaiterIsDropped(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		ask(b, s, ticket("holder", time.Hour, of(1, "a")))
		ask(b, s, ticket("dead", 30*time.Second, of(1, "a"), of(1, "b")))
		start := time.Now()
		l := locker(b, b.open(redisstore.Options{}))
		release(b, acquire(b, l, request(time.Minute, of(1, "b"))))
		if late := time.Since(start) - 15*time.Second; late < 0 || late > soon {
			b.Errorf("b came %s after the third missed poll", late)
		}
	})
}

// The first in line looks at what there is whenever it asks: so it gets what came free
// without anybody telling, as after a lease that somebody deleted on the server.
func TestLineIsServedWhenItsFirstAsks(t *testing.T) {
	inBubble(t, func(b bubble) {
		const base = "{rtest:default}:"
		s := b.open(redisstore.Options{})
		ask(b, s, ticket("holder", time.Hour, of(1, "k")))
		first := ticket("first", time.Minute, of(1, "k"))
		ask(b, s, first)
		ask(b, s, ticket("second", time.Minute, of(1, "k")))
		record := b.server.HGet(base+"all", "k")
		b.server.HSet(base+"all", "k", strings.Replace(record, "!holder x 1", "", 1))
		b.server.HDel(base+"all", "!holder")
		b.server.ZRem(base+"due", "!holder")
		pool, _, _ := strings.Cut(record[strings.LastIndexByte(record, '|')+1:], ":")
		if _, err := b.server.ZAdd(base+"av:"+pool, 1, "k"); err != nil {
			b.Fatal(err)
		}
		consistent(b, b.server)
		if ask(b, s, first).Grant == nil {
			b.Error("k is free, and the first in line does not get it")
		}
	})
}

// When something is over at the moment of a call, it makes two passes in one step, and
// the second one finds another line and other leases than the first one did.
func TestLineIsReadAnew(t *testing.T) {
	expect := func(tk *lockcore.Ticket, d time.Duration) *lockcore.Ticket {
		tk.Expect = d
		return tk
	}
	over := ticket("over", 2*time.Second, of(1, "z"))
	all := ticket("all", time.Minute, of(3, "x", "y", "z")) // or nobody of the line would look at z
	record := func(b bubble, id string) string { return b.server.HGet("{rtest:default}:all", "!"+id) }
	t.Run("for who comes", func(t *testing.T) {
		inBubble(t, func(b bubble) {
			st := b.open(redisstore.Options{})
			granted(b, st, expect(ticket("soak", time.Minute, of(1, "x")), 10*time.Minute))
			granted(b, st, over)
			ask(b, st, ticket("pair", time.Minute, of(2, "x", "y"))) // y is kept for it
			ask(b, st, expect(ticket("long", time.Minute, of(1, "y")), time.Hour))
			ask(b, st, all)
			time.Sleep(over.TTL)
			nested := expect(ticket("nested", time.Minute, of(1, "y")), time.Second)
			nested.Parents = []string{"somebody"} // such a one stands in line before anybody is served
			if !granted(b, st, nested).Backfilled {
				b.Error("y is kept for the pair, and nested was not let past it")
			}
		})
	})
	t.Run("for what comes free", func(t *testing.T) {
		inBubble(t, func(b bubble) {
			st := b.open(redisstore.Options{})
			held := granted(b, st, ticket("held", time.Minute, of(2, "x", "y")))
			granted(b, st, over)
			ask(b, st, all)
			time.Sleep(over.TTL)
			if err := st.Release(b.Context(), held, 0); err != nil {
				b.Fatal(err)
			}
			if got := record(b, "all"); !strings.HasPrefix(got, "L ") {
				b.Errorf("x, y and z are free, and who waits for them is still %q", got)
			}
		})
	})
	t.Run("for who waits for nothing else any more", func(t *testing.T) {
		inBubble(t, func(b bubble) {
			st := b.open(redisstore.Options{})
			held := granted(b, st, expect(ticket("held", time.Minute, of(1, "x")), 10*time.Minute))
			granted(b, st, over)
			ask(b, st, ticket("pair", time.Minute, of(2, "x", "y")))
			granted(b, st, expect(ticket("quick", time.Minute, of(1, "y")), time.Second)) // past the pair
			ask(b, st, all)
			time.Sleep(over.TTL)
			if err := st.Release(b.Context(), held, 0); err != nil {
				b.Fatal(err)
			}
			if got, want := strings.Fields(record(b, "pair"))[11], strconv.FormatInt(time.Now().UnixMicro(), 10); got != want {
				b.Errorf("quick delays the pair since %s, not %s", want, got)
			}
		})
	})
}

func TestRenewalKeepsALeaseForAnHour(t *testing.T) {
	inBubble(t, func(b bubble) {
		l := locker(b, b.open(redisstore.Options{}))
		le := acquire(b, l, request(30*time.Second, of(1, "k")))
		other := locker(b, b.open(redisstore.Options{}))
		for range 60 {
			time.Sleep(time.Minute)
			if _, err := other.TryAcquire(b.Context(), request(0, of(1, "k"))); !errors.Is(err, lockcore.ErrBusy) {
				b.Fatalf("want ErrBusy, got %v", err)
			}
		}
		if err := context.Cause(le.Context()); err != nil {
			b.Fatal(err)
		}
		release(b, le)
	})
}

func TestLockDelay(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{LockDelay: 10 * time.Second})
		g := ask(b, s, ticket("expires", 20*time.Second, of(1, "k"))).Grant
		start := time.Now()
		l := locker(b, b.open(redisstore.Options{}))
		done := make(chan time.Duration)
		go func() {
			release(b, acquire(b, l, request(time.Minute, of(1, "k"))))
			done <- time.Since(start)
		}()
		time.Sleep(25 * time.Second)
		snap, err := s.Snapshot(b.Context())
		if err != nil || len(snap.Holders) != 1 || snap.Holders[0].State != "kept" || !strings.Contains(snap.Holders[0].Reason, "lock delay") {
			b.Errorf("want a holder that is kept for the lock delay, got %+v, %v", snap.Holders, err)
		}
		if late := <-done - 30*time.Second; late < 0 || late > soon {
			b.Errorf("k came %s after the lock delay", late)
		}
		wantLost(b, b.renew(s, g), "given to somebody else")

		// What is released is free at once, and its holder may come back before the
		// delay is over.
		g = ask(b, s, ticket("released", time.Minute, of(1, "k"))).Grant
		if err := s.Release(b.Context(), g, 0); err != nil {
			b.Fatal(err)
		}
		g = ask(b, s, ticket("returns", 20*time.Second, of(1, "k"))).Grant
		if g == nil {
			b.Fatal("a released key was kept aside")
		}
		time.Sleep(25 * time.Second)
		if ask(b, s, ticket("greedy", time.Minute, of(1, "k"))).Grant != nil {
			b.Fatal("the key of an expired lease was not kept aside")
		}
		if err := b.renew(s, g); err != nil {
			b.Errorf("the holder came back within the lock delay: %v", err)
		}
		if snap, err = s.Snapshot(b.Context()); err != nil || len(snap.Holders) != 1 || snap.Holders[0].State != "held" {
			b.Errorf("after the return: %+v, %v", snap.Holders, err)
		}
	})
}

// A release that is repeated because its answer was lost is a success, and
// nothing that was sent before it and comes later undoes it.
func TestTombstones(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		tk := ticket("t", 30*time.Second, of(1, "k"))
		g := ask(b, s, tk).Grant
		for range 2 {
			if err := s.Release(b.Context(), g, 0); err != nil {
				b.Fatal(err)
			}
		}
		wantLost(b, b.renew(s, g), "released")
		if _, err := s.Ask(b.Context(), tk, nil); !errors.Is(err, lockcore.ErrLost) {
			b.Errorf("an Ask that comes after the release: %v", err)
		}
		ask(b, s, ticket("next", 30*time.Second, of(1, "k")))
		if err := s.Release(b.Context(), g, 0); err != nil {
			b.Errorf("a repeated release after the next one has it: %v", err)
		}
		late := ticket("withdrawn", 30*time.Second, of(1, "free"))
		if err := s.Withdraw(b.Context(), late.ID); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Ask(b.Context(), late, nil); !errors.Is(err, lockcore.ErrLost) {
			b.Errorf("an Ask that comes after its withdrawal: %v", err)
		}
		if snap, err := s.Snapshot(b.Context()); err != nil || len(snap.Holders) != 1 || len(snap.Waiters) != 0 {
			b.Errorf("%+v, %v", snap, err)
		}
		time.Sleep(16 * time.Second)
		if err := s.Release(b.Context(), g, 0); !errors.Is(err, lockcore.ErrNotHeld) {
			b.Errorf("long after: %v", err)
		}
	})
}

// A lease that the server has lost stands again if nothing was granted since.
func TestDataLoss(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		reqs := []lockcore.Requirement{of(2, "a", "b c"), {Candidates: of(1, "ro").Candidates, Shared: true}, {Candidates: of(1, "lic").Candidates, Need: 2, Seats: 3}}
		tk := ticket("holder", 30*time.Second, reqs...)
		tk.Reason, tk.Expect = "soldering", time.Minute
		g := ask(b, s, tk).Grant
		b.server.FlushAll()
		if err := b.renew(s, g); err != nil {
			b.Fatalf("nobody was there: %v", err)
		}
		snap, err := s.Snapshot(b.Context())
		if err != nil || len(snap.Holders) != 1 {
			b.Fatalf("%+v, %v", snap, err)
		}
		h := snap.Holders[0]
		if h.Token != g.Token || h.Owner.Test != "holder" || h.Reason != "soldering" || h.Expect != time.Minute || len(h.Keys()) != 5 || h.State != "held" {
			b.Errorf("the lease came back as %+v", h)
		}
		if ask(b, s, ticket("x", time.Minute, of(1, "b c"))).Grant != nil {
			b.Error("a key of the lease was given out")
		}
		reader := ticket("reader", time.Minute, reqs[1])
		if ask(b, s, reader).Grant == nil {
			b.Error("a second reader was refused")
		}
		seat := ticket("seat", time.Minute, lockcore.Requirement{Candidates: reqs[2].Candidates, Seats: 3})
		if ask(b, s, seat).Grant == nil {
			b.Error("the third seat was refused")
		}
		// Now somebody is faster.
		b.server.FlushAll()
		time.Sleep(time.Microsecond)
		thief := ask(b, s, ticket("thief", time.Minute, of(1, "a"))).Grant
		if thief == nil || thief.Token <= g.Token {
			b.Fatalf("after the loss of all data: %+v; the token before was %d", thief, g.Token)
		}
		wantLost(b, b.renew(s, g), `"a" is held by thief`)
		if err := s.Release(b.Context(), thief, 0); err != nil {
			b.Fatal(err)
		}
		wantLost(b, b.renew(s, g), `"a" was given to somebody else`)
		if ask(b, s, ticket("all", time.Minute, of(2, "a", "b c"))).Grant == nil {
			b.Error("the lost lease left something behind")
		}
	})
}

// A holder sleeps until its lease is over and somebody else has the key. An Ask of
// its own that was long on the way then gets it another key: no renewal may take
// that for the first.
func TestRenewalOfAnEarlierGrant(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		tk := ticket("sleeper", 2*time.Second, of(1, "a", "b"))
		first := ask(b, s, tk).Grant
		time.Sleep(3 * time.Second)
		rival := ask(b, s, ticket("rival", time.Minute, of(1, first.Obtained[0]...))).Grant
		if rival == nil {
			b.Fatal("the lease is over, and its key not free")
		}
		second := ask(b, s, tk).Grant
		if second == nil || second.Token <= first.Token {
			b.Fatalf("want a second grant, got %+v", second)
		}
		wantLost(b, b.renew(s, first), "later grant")
		if ask(b, s, ticket("next", time.Minute, of(1, second.Obtained[0]...))).Grant == nil {
			b.Error("the grant that nobody knows of was kept")
		}
		if err := b.renew(s, rival); err != nil {
			b.Errorf("the rival: %v", err)
		}
	})
}

// Who asks again after the server has lost everything stands where they stood.
func TestLineOutlivesTheLossOfAllData(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		holder := ask(b, s, ticket("holder", time.Minute, of(1, "k"))).Grant
		start := time.Now()
		came := make(map[string]time.Time)
		for _, id := range []string{"first", "second", "third"} {
			time.Sleep(time.Second)
			came[id] = time.Now()
			ask(b, s, ticket(id, time.Minute, of(1, "k")))
		}
		b.server.FlushAll()
		if err := b.renew(s, holder); err != nil {
			b.Fatal(err)
		}
		for _, id := range []string{"third", "first", "second"} {
			tk := ticket(id, time.Minute, of(1, "k"))
			tk.Waited = time.Since(came[id])
			ask(b, s, tk)
			time.Sleep(time.Second)
		}
		snap, err := s.Snapshot(b.Context())
		if err != nil || len(snap.Waiters) != 3 {
			b.Fatalf("%+v, %v", snap, err)
		}
		for i, id := range []string{"first", "second", "third"} {
			if w := snap.Waiters[i]; w.ID != id || !w.Since.Equal(came[id]) {
				b.Errorf("%d in line is %s, since %s after the start", i+1, w.ID, w.Since.Sub(start))
			}
		}
	})
}

// A replica that is promoted may know an older lease, and not that it ended. The
// token of the later one proves that it did.
func TestOlderLeaseGivesWay(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		old := ask(b, s, ticket("old", time.Minute, of(1, "a", "b"))).Grant
		k := old.Obtained[0][0]
		young := &lockcore.Grant{Ticket: ticket("young", time.Minute, of(1, k)), Obtained: [][]string{{k}}, Token: old.Token + 1000}
		if err := b.renew(s, young); err != nil {
			b.Fatal(err)
		}
		wantLost(b, b.renew(s, old), "fail-over")
		if next := ask(b, s, ticket("next", time.Minute, of(1, "z"))).Grant; next.Token <= young.Token {
			b.Errorf("token %d after token %d", next.Token, young.Token)
		}
	})
}

// miniredis has no replicas, and says so.
func TestTooFewReplicas(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{MinReplicas: 1})
		_, err := s.Ask(b.Context(), ticket("t", time.Minute, of(1, "k")), nil)
		if err == nil || !strings.Contains(err.Error(), "0 of min_replicas=1") {
			b.Fatalf("%v", err)
		}
		plain := b.open(redisstore.Options{})
		if snap, err := plain.Snapshot(b.Context()); err != nil || len(snap.Holders) != 0 {
			b.Errorf("the grant was not given back: %+v, %v", snap, err)
		}
		holder := ask(b, plain, ticket("holder", time.Minute, of(1, "k"))).Grant
		if _, err := s.Renew(b.Context(), []*lockcore.Grant{holder}); err == nil {
			b.Error("a renewal that no replica has counted")
		}
		w := ticket("w", time.Minute, of(1, "k"))
		if ans := ask(b, s, w); ans.Window != 0 || ans.Grant != nil {
			b.Errorf("%+v: a grant that comes by message may not be on a replica", ans)
		}
		if err := plain.Release(b.Context(), holder, 0); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Ask(b.Context(), w, nil); err == nil {
			b.Error("taking up a grant that no replica has counted")
		}
		if ask(b, plain, ticket("next", time.Minute, of(1, "k"))).Grant == nil {
			b.Error("it was not given back")
		}
	})
}
