package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// oneServer is a store on one server, which knows the scripts.
func oneServer(t *testing.T) (*Store, *node, *redistest.Server) {
	server := redistest.Start(t)
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { c.Close() })
	s := Config{Namespace: "test", NodeTimeout: watchdog}.New(c)
	t.Cleanup(func() { s.Close() })
	teach(t, s)
	return s, s.nodes[0], server
}

// TestPendingReleases: a release that did not get through is sent again, as often as
// there is one; whatever is still on its way to the server is refused from then on, and
// waiters learn that the lease is over.
func TestPendingReleases(t *testing.T) {
	s, n, server := oneServer(t)
	for round := range 2 { // in the second round no goroutine is sending any more
		id := fmt.Sprint("lease ", round)
		if take(t, s, ticketFor(id, time.Hour, "k")) == nil {
			t.Fatal("a key is still taken that was given back")
		}
		s.mu.Lock()
		attempt := s.tickets[id].attempt
		s.mu.Unlock()
		s.releaseLater(n, releaseRequest{id: id, attempt: attempt}, time.Hour)
		allReleased(t, n)
		if holds(server, id) || !strings.HasPrefix(tombstoneOf(server, id), number(attempt)) {
			t.Errorf("%s is there: %v, and what comes after its release is refused: %q", id, holds(server, id), tombstoneOf(server, id))
		}
		s.mu.Lock()
		if !s.view.servers[0].over(id, attempt) {
			t.Errorf("nobody here is told that %s is over", id)
		}
		s.mu.Unlock()
		until(t, "the goroutine has ended", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return !n.sending })
	}
}

// TestPendingReleaseOfLaterAttempt: of several attempts of a ticket the last one
// counts, also when it comes while the release of an earlier one is being sent.
func TestPendingReleaseOfLaterAttempt(t *testing.T) {
	s, n, server := oneServer(t)
	first := holdAnswer(t, n, releaseScript())
	s.releaseLater(n, releaseRequest{id: "lease", attempt: 5}, time.Hour)
	s.releaseLater(n, releaseRequest{id: "lease", attempt: 3}, time.Hour)
	<-first.stuck
	if got := tombstoneOf(server, "lease"); !strings.HasPrefix(got, number(5)) {
		t.Errorf("the release of attempt 5 is pending, and then that of attempt 3; refused are those up to %q", got)
	}
	s.releaseLater(n, releaseRequest{id: "lease", attempt: 9}, time.Hour)
	first.lift()
	until(t, "attempt 9 is refused", func() bool { return strings.HasPrefix(tombstoneOf(server, "lease"), number(9)) })
	allReleased(t, n)
}

// TestPendingReleasesAreBounded: a server that stays away does not fill the memory, and what
// has ended there by itself is forgotten.
func TestPendingReleasesAreBounded(t *testing.T) {
	s, n, server := oneServer(t)
	n.mu.Lock()
	n.sending = true // by a goroutine that does not come back
	n.mu.Unlock()
	for i := range pendingKept + 1 {
		s.releaseLater(n, releaseRequest{id: fmt.Sprint("lost ", i), attempt: 1}, -time.Second)
	}
	n.mu.Lock()
	if len(n.pending) != pendingKept {
		t.Errorf("%d pending releases are kept", len(n.pending))
	}
	n.sending = false
	clear(n.pending)
	n.mu.Unlock()
	s.releaseLater(n, releaseRequest{id: "lost", attempt: 1}, -time.Second)
	allReleased(t, n)
	if got := tombstoneOf(server, "lost"); got != "" {
		t.Errorf("a lease that had ended by itself was given back: %q", got)
	}
}

// TestPendingReleasesAfterClose: a store that is closed sends no more, and remembers
// nothing new.
func TestPendingReleasesAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Config{}.build(make([]string, 1), make([]redis.UniversalClient, 1))
		s.releaseLater(s.nodes[0], releaseRequest{id: "lease", attempt: 1}, time.Hour) // a client that is not there cannot be asked
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s.releaseLater(s.nodes[0], releaseRequest{id: "other", attempt: 1}, time.Hour)
		synctest.Wait() // and a goroutine that still sleeps would end the bubble with a panic
		time.Sleep(time.Hour)
	})
}

// TestUnansweredInTime: whatever a client says when its time is over, the error
// says that the server did not answer, and for how long it was waited for.
func TestUnansweredInTime(t *testing.T) {
	_, n, _ := oneServer(t)
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	_, err := n.run(ctx, lookScript())
	var u unanswered
	if !errors.As(err, &u) || !strings.Contains(err.Error(), "no answer within") {
		t.Errorf("got %v", err)
	}
	if n.avoid(time.Time{}) == nil {
		t.Error("a server that did not answer is asked as if nothing were wrong")
	}
}

// TestLeader: waiters do not ask those servers first that failed or are skipped, for as
// long as they are; and if all are, the first will do.
func TestLeader(t *testing.T) {
	bubble(t, 3, func(s *Store) {
		for _, c := range []struct {
			what string
			do   func()
			want int
		}{
			{"all are well", func() {}, 0},
			{"the first failed", func() { s.nodes[0].note(errFails, time.Now()) }, 1},
			{"the second is skipped", func() { s.nodes[1].skip(time.Now().Add(skipRestarted)) }, 2},
			{"the last failed too", func() { s.nodes[2].note(errFails, time.Now()) }, 0},
			{"the first is back", func() { s.nodes[0].note(nil, time.Now()) }, 0},
			{"the first is skipped", func() { s.nodes[0].skip(time.Now().Add(2 * skipRestarted)) }, 0},
			{"the second is skipped no more", func() { time.Sleep(skipRestarted) }, 1},
			{"nor is the first", func() { time.Sleep(skipRestarted) }, 0},
		} {
			c.do()
			s.mu.Lock()
			if got := s.leader(time.Now()); got != c.want {
				t.Errorf("%s: server %d is asked first, want %d", c.what, got, c.want)
			}
			s.mu.Unlock()
		}
	})
}
