package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

func release(t *testing.T, s *Store, g *lockcore.Grant) {
	t.Helper()
	if err := s.Release(watched(t), g, 0); err != nil {
		t.Fatal(err)
	}
}

// TestChoice: candidates are taken in the order that the requirement asks for,
// by whichever process.
func TestChoice(t *testing.T) {
	servers := redistest.StartN(t, 3)
	stores := []*Store{openStore(t, urlOf(servers)), openStore(t, urlOf(servers))}
	for _, c := range []struct {
		choice lockcore.Choice
		want   string
	}{
		{lockcore.InOrder, "a a a a a a"},
		{lockcore.LeastRecentlyUsed, "a b c a b c"},
	} {
		var got []string
		for i := range 6 {
			s := stores[i%2]
			ticket := ticketFor(fmt.Sprint(c.choice, i), time.Minute, "a", "b", "c")
			ticket.Requirements[0].Choice = c.choice
			g := take(t, s, ticket)
			if g == nil {
				t.Fatal("a free key was refused")
			}
			got = append(got, g.Keys()...)
			release(t, s, g)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("choice %d: got %q, want %s", c.choice, got, c.want)
		}
	}
}

// TestLockDelay: the keys of an expired lease stay aside, those of a released
// one and of one that was kept for a time do not.
func TestLockDelay(t *testing.T) {
	servers := redistest.StartN(t, 3)
	careful, plain := openStore(t, urlOf(servers)+"?lock_delay=1h"), openStore(t, urlOf(servers))
	ctx := watched(t)
	release(t, careful, take(t, careful, ticketFor("released", time.Minute, "k")))
	kept := take(t, careful, ticketFor("kept", time.Minute, "k"))
	if kept == nil {
		t.Fatal("a released key was kept aside")
	}
	if err := careful.Release(ctx, kept, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	g, err := await(ctx, careful, waiting(ticketFor("expired", time.Hour, "k")))
	if err != nil {
		t.Fatal(err)
	}
	renewUntil(t, careful, g, servers, 0, 1, 2)
	for _, server := range servers {
		age(server, "expired", time.Second)
	}
	if take(t, careful, ticketFor("hasty", time.Minute, "k")) != nil {
		t.Error("the key of an expired lease was given out in spite of lock_delay")
	}
	if take(t, plain, ticketFor("other", time.Minute, "k")) == nil {
		t.Error("a store without lock_delay does not get the key of an expired lease")
	}
}

// TestSweep: what nobody asks about is dropped after an hour, and nothing else.
func TestSweep(t *testing.T) {
	server := redistest.Start(t)
	s := Config{Namespace: "test"}.New(redis.NewClient(&redis.Options{Addr: server.Addr}))
	defer s.Close()
	for _, id := range []string{"stands", "ended", "forgotten"} {
		if take(t, s, ticketFor(id, time.Hour, "key of "+id)) == nil {
			t.Fatal("a free key was refused")
		}
	}
	if _, err := s.nodes[0].release(watched(t), releaseRequest{id: "refused", attempt: 1}); err != nil {
		t.Fatal(err)
	}
	age(server, "ended", time.Minute)
	age(server, "forgotten", 2*time.Hour)
	putAge(server, "grefused", 16, time.Second)
	b := newAsking(s, &ticket{id: "sweeper", t: ticketFor("sweeper", time.Minute, "k")}).bid([][]string{{"k"}})
	b.args = b.args[:10]
	b.args[9] = "0"
	if ans, err := b.ask(watched(t), s.nodes[0]); err != nil || !ans.yes {
		t.Fatal(ans, err)
	}
	fields, _ := server.Do("HKEYS", heldHash).([]any)
	var got []string
	for _, f := range fields {
		got = append(got, fmt.Sprint(f))
	}
	slices.Sort(got)
	want := []string{"kk", "kkey of ended", "kkey of stands", "lended", "lstands", "lsweeper"}
	if !slices.Equal(got, want) {
		t.Errorf("the server has %q, want %q", got, want)
	}
}

// TestOtherProcess: leases can be dealt with by their id alone, and an ask that
// is repeated elsewhere finds what it has.
func TestOtherProcess(t *testing.T) {
	servers := redistest.StartN(t, 3)
	one, two := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	ticket := ticketFor("moving", time.Hour, "a", "b", "c")
	ticket.Requirements[0].Need = 2
	ticket.Requirements = append(ticket.Requirements, lockcore.Requirement{Seats: 3, Need: 2, Candidates: []lockcore.Candidate{{Key: "lic"}}})
	g := take(t, one, ticket)
	spread(t, servers, "moving", 0, 1, 2)
	for _, server := range servers {
		age(server, "moving", -time.Minute)
	}
	again := take(t, two, ticket)
	if again == nil || !slices.EqualFunc(again.Obtained, g.Obtained, slices.Equal) {
		t.Fatalf("the same ticket got %v here and %v there", g.Obtained, again)
	}
	full := 0
	for _, server := range servers {
		if ends(server, "moving").After(time.Now().Add(30 * time.Minute)) {
			full++
		}
	}
	if full < 2 {
		t.Errorf("the ticket has its whole TTL before it, and the lease was about to end: %d of 3 servers know that", full)
	}
	if err := renewOne(t, two, g); err != nil {
		t.Errorf("Renew: %v", err)
	}
	release(t, two, g)
	spread(t, servers, "moving")
	if err := one.Release(watched(t), g, 0); !errors.Is(err, lockcore.ErrNotHeld) {
		t.Errorf("it was given back elsewhere: want ErrNotHeld, got %v", err)
	}
	take(t, one, ticketFor("withdrawn", time.Minute, "a"))
	if err := two.Withdraw(watched(t), "withdrawn"); err != nil {
		t.Errorf("Withdraw: %v", err)
	}
	spread(t, servers, "withdrawn")
	if err := two.Withdraw(watched(t), "never heard of"); err != nil {
		t.Errorf("Withdraw of what never was: %v", err)
	}
}

// TestForeignData: something else under our name is an error that says so, and
// not a panic or a lease.
func TestForeignData(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	for _, server := range servers {
		server.Do("SET", s.nodes[0].keys[0], "mine")
	}
	if _, err := s.Ask(watched(t), ticketFor("one", time.Minute, "k"), nil); !errors.Is(err, lockcore.ErrNoQuorum) || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("want ErrNoQuorum with what the servers say, got %v", err)
	}
	for _, server := range servers {
		server.Do("DEL", s.nodes[0].keys[0])
		server.Do("HSET", s.nodes[0].keys[0], "kk", "what is this?", "lx", "and this?")
	}
	for _, f := range []func() error{
		func() error { _, err := s.Ask(watched(t), ticketFor("two", time.Minute, "k"), nil); return err },
		func() error { _, err := s.Snapshot(watched(t)); return err },
	} {
		if err := f(); !errors.Is(err, lockcore.ErrNoQuorum) {
			t.Errorf("want ErrNoQuorum, got %v", err)
		}
	}
}

// TestClosed: a closed store ends calls with an error, and Close can be called
// twice.
func TestClosed(t *testing.T) {
	s := openStore(t, urlOf(redistest.StartN(t, 3)))
	take(t, s, ticketFor("one", time.Minute, "k"))
	take(t, s, waiting(ticketFor("two", time.Minute, "k")))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := s.Ask(watched(t), ticketFor("three", time.Minute, "other"), nil); err == nil {
		t.Error("a closed store gives out leases")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Ask(ctx, ticketFor("four", time.Minute, "other"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("want context.Canceled, got %v", err)
	}
}

// TestPrune: tickets that nobody mentions any more are forgotten.
func TestPrune(t *testing.T) {
	s := Config{}.build(make([]string, 3), make([]redis.UniversalClient, 3))
	for i := range 1000 {
		k, err := s.enter(context.Background(), ticketFor(fmt.Sprint(i), time.Millisecond, "k"))
		if err != nil {
			t.Fatal(err)
		}
		long := time.Now().Add(-time.Hour)
		k.lastAsked = long
		if i%2 == 0 {
			k.obtained, k.valid = [][]string{{"k"}}, long
		}
		k.leave()
	}
	if n := len(s.tickets); n > 200 {
		t.Errorf("%d tickets are remembered", n)
	}
	live, err := s.enter(context.Background(), ticketFor("live", time.Hour, "k"))
	if err != nil {
		t.Fatal(err)
	}
	live.obtained, live.valid = [][]string{{"k"}}, time.Now().Add(time.Hour)
	live.leave()
	s.pruneAt = 0
	s.prune()
	if len(s.tickets) != 1 {
		t.Errorf("of one live ticket and many others, %d are remembered", len(s.tickets))
	}
}
