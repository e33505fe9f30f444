package quorumstore

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// hasty opens a store that gives servers little time. On a busy machine that
// makes healthy ones look dead as well, so what it asks may fail where the test
// wants it to succeed.
func hasty(t *testing.T, servers []*redistest.Server) *Store {
	s := openStore(t, urlOf(servers)+"?node_timeout=200ms")
	warm(t, s)
	return s
}

// warm waits until all servers have answered once: their first answers are waited
// for longer.
func warm(t *testing.T, s *Store) {
	t.Helper()
	until(t, "all servers have answered once", func() bool {
		_, _ = s.Snapshot(watched(t))
		return !slices.ContainsFunc(s.nodes, func(n *node) bool { cold, _ := n.health(); return cold })
	})
}

// teach has all servers learn the scripts, so that a call which is held up is one
// command.
func teach(t *testing.T, s *Store) {
	t.Helper()
	for _, n := range s.nodes {
		for _, script := range []*redis.Script{takeScript(), lookScript(), renewScript(), releaseScript()} {
			if err := script.Load(watched(t), n.client).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// tombstoneOf is the tombstone of a ticket on a server.
func tombstoneOf(s *redistest.Server, id string) string {
	v, _ := s.Do("HGET", heldHash, "g"+id).(string)
	return v
}

// allReleased waits until every pending release has got through to a server.
func allReleased(t *testing.T, n *node) {
	t.Helper()
	until(t, n.name+" has been told of all releases", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.pending) == 0
	})
}

// TestLateYes: what servers give after the asker has gone is taken back when
// they say so, or when it turns out that one cannot be understood.
func TestLateYes(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	teach(t, s)
	one, two := holdAnswer(t, s.nodes[1], takeScript()), holdAnswer(t, s.nodes[2], takeScript())
	ctx, giveUp := context.WithCancel(watched(t))
	failed := make(chan error)
	go func() {
		_, err := s.Ask(ctx, ticketFor("late", time.Hour, "k"), nil)
		failed <- err
	}()
	<-one.stuck
	<-two.stuck
	giveUp()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("want context.Canceled, got %v", err)
	}
	if !holds(servers[1], "late") || !holds(servers[2], "late") {
		t.Fatal("the servers whose answers are held up do not have the lease")
	}
	one.lift()
	two.lose()
	spread(t, servers, "late")
}

// TestUnansweredYes: what servers gave whose answer did not come in time is taken
// back without waiting for that answer.
func TestUnansweredYes(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := hasty(t, servers)
	teach(t, s)
	one, two := holdAnswer(t, s.nodes[1], takeScript()), holdAnswer(t, s.nodes[2], takeScript())
	if _, err := s.Ask(watched(t), ticketFor("unanswered", time.Hour, "k"), nil); !errors.Is(err, lockcore.ErrNoQuorum) {
		t.Fatalf("two of three servers do not answer: want ErrNoQuorum, got %v", err)
	}
	<-one.stuck
	<-two.stuck
	spread(t, servers, "unanswered")
}

// TestBidAfterUndo: a bid that arrives after its undoing is refused.
func TestBidAfterUndo(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := hasty(t, servers)
	teach(t, s)
	one, two := holdQuestion(t, s.nodes[1], takeScript()), holdQuestion(t, s.nodes[2], takeScript())
	if _, err := s.Ask(watched(t), ticketFor("slow", time.Hour, "k"), nil); !errors.Is(err, lockcore.ErrNoQuorum) {
		t.Fatalf("two of three servers do not hear: want ErrNoQuorum, got %v", err)
	}
	allReleased(t, s.nodes[1])
	allReleased(t, s.nodes[2])
	for i, h := range []*delayedCall{one, two} {
		h.lift()
		<-h.done
		if holds(servers[i+1], "slow") {
			t.Errorf("server %d gave a bid what had been taken back before it came", i+1)
		}
	}
	spread(t, servers, "slow")
}

// TestAfterRelease: whatever is on its way to a server when a lease is released
// elsewhere, and comes after its release there, takes nothing.
func TestAfterRelease(t *testing.T) {
	for _, c := range []struct {
		what    string
		script  *redis.Script // what is held up
		forgets bool          // the server has lost its memory by then
		joins   bool          // the server takes the lease in meanwhile
	}{
		{what: "the bid", script: takeScript()},
		{what: "the bid, when a renewal took the server in before it", script: takeScript(), joins: true},
		{what: "a renewal", script: renewScript()},
		{what: "a renewal that would take the server in", script: renewScript(), forgets: true},
	} {
		t.Run(c.what, func(t *testing.T) {
			servers := redistest.StartN(t, 3)
			s := openStore(t, urlOf(servers))
			teach(t, s)
			if c.script == renewScript() {
				g := take(t, s, ticketFor("lease", time.Hour, "k"))
				spread(t, servers, "lease", 0, 1, 2)
				if c.forgets {
					servers[2].Do("DEL", heldHash)
				}
				h := holdQuestion(t, s.nodes[2], c.script)
				if err := renewOne(t, s, g); err != nil {
					t.Fatal(err)
				}
				comesAfterRelease(t, s, servers, g, h)
				return
			}
			h := holdQuestion(t, s.nodes[2], c.script)
			g := take(t, s, ticketFor("lease", time.Hour, "k"))
			if c.joins {
				if err := renewOne(t, s, g); err != nil {
					t.Fatal(err)
				}
				spread(t, servers, "lease", 0, 1, 2)
			}
			comesAfterRelease(t, s, servers, g, h)
		})
	}
}

func comesAfterRelease(t *testing.T, s *Store, servers []*redistest.Server, g *lockcore.Grant, h *delayedCall) {
	t.Helper()
	<-h.stuck
	if err := s.Release(watched(t), g, 0); err != nil {
		t.Fatal(err)
	}
	until(t, "the third server knows of the release", func() bool { return tombstoneOf(servers[2], "lease") != "" })
	h.lift()
	<-h.done
	spread(t, servers, "lease")
	if next := take(t, s, ticketFor("next", time.Hour, "k")); next == nil {
		t.Error("a released key is refused")
	}
	spread(t, servers, "next", 0, 1, 2)
}

// TestTombstoneExpired: should a renewal come so late that no server remembers the
// release, the lease that it brings back is taken back once more.
func TestTombstoneExpired(t *testing.T) {
	servers := redistest.StartN(t, 3)
	s := openStore(t, urlOf(servers))
	teach(t, s)
	g := take(t, s, ticketFor("lease", time.Hour, "k"))
	spread(t, servers, "lease", 0, 1, 2)
	h := holdQuestion(t, s.nodes[2], renewScript())
	if err := renewOne(t, s, g); err != nil {
		t.Fatal(err)
	}
	<-h.stuck
	if err := s.Release(watched(t), g, 0); err != nil {
		t.Fatal(err)
	}
	until(t, "the third server knows of the release", func() bool { return tombstoneOf(servers[2], "lease") != "" })
	servers[2].Do("HDEL", heldHash, "glease")
	h.lift()
	<-h.done
	spread(t, servers, "lease")
}
