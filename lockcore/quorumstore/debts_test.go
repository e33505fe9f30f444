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

// debtor is a store on one server, which knows the scripts.
func debtor(t *testing.T) (*Store, *node, *redistest.Server) {
	server := redistest.Start(t)
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { c.Close() })
	s := Config{Namespace: "test", NodeTimeout: watchdog}.New(c)
	t.Cleanup(func() { s.Close() })
	teach(t, s)
	return s, s.nodes[0], server
}

// TestDebts: a release that did not get through is made later, as often as there
// is one; whatever is still on its way to the server is refused from then on, and
// waiters learn that the lease is over.
func TestDebts(t *testing.T) {
	s, n, server := debtor(t)
	for round := range 2 { // the second finds nobody who pays any more
		id := fmt.Sprint("lease ", round)
		if take(t, s, ticketFor(id, time.Hour, "k")) == nil {
			t.Fatal("a key is still taken that was given back")
		}
		s.mu.Lock()
		attempt := s.tickets[id].attempt
		s.mu.Unlock()
		s.owe(n, id, attempt, time.Hour)
		paid(t, n)
		if holds(server, id) || !strings.HasPrefix(stone(server, id), number(attempt)) {
			t.Errorf("%s is there: %v, and what comes after its release is refused: %q", id, holds(server, id), stone(server, id))
		}
		s.mu.Lock()
		if !s.view.servers[0].over(id, attempt) {
			t.Errorf("nobody here is told that %s is over", id)
		}
		s.mu.Unlock()
		until(t, "nobody pays any more", func() bool { n.mu.Lock(); defer n.mu.Unlock(); return !n.paying })
	}
}

// TestDebtOfLaterAttempt: of several attempts of a ticket the last one counts, also
// when it comes while an earlier one is being paid for.
func TestDebtOfLaterAttempt(t *testing.T) {
	s, n, server := debtor(t)
	first := holdAnswer(t, n, releaseScript)
	s.owe(n, "lease", 5, time.Hour)
	s.owe(n, "lease", 3, time.Hour)
	<-first.stuck
	if got := stone(server, "lease"); !strings.HasPrefix(got, number(5)) {
		t.Errorf("attempt 5 was owed, and then attempt 3; refused are those up to %q", got)
	}
	s.owe(n, "lease", 9, time.Hour)
	first.lift()
	until(t, "attempt 9 is refused", func() bool { return strings.HasPrefix(stone(server, "lease"), number(9)) })
	paid(t, n)
}

// TestDebtsAreBounded: a server that stays away does not fill the memory, and what
// has ended there by itself is forgotten.
func TestDebtsAreBounded(t *testing.T) {
	s, n, server := debtor(t)
	n.mu.Lock()
	n.paying = true // by a goroutine that does not come back
	n.mu.Unlock()
	for i := range debtsKept + 1 {
		s.owe(n, fmt.Sprint("lost ", i), 1, -time.Second)
	}
	n.mu.Lock()
	if len(n.debts) != debtsKept {
		t.Errorf("%d debts are kept", len(n.debts))
	}
	n.paying = false
	clear(n.debts)
	n.mu.Unlock()
	s.owe(n, "lost", 1, -time.Second)
	paid(t, n)
	if got := stone(server, "lost"); got != "" {
		t.Errorf("a lease that had ended by itself was given back: %q", got)
	}
}

// TestDebtsAfterClose: a store that is closed pays no more, and takes on nothing.
func TestDebtsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Config{}.build(make([]string, 1), make([]redis.UniversalClient, 1))
		s.owe(s.nodes[0], "lease", 1, time.Hour) // a client that is not there cannot be asked
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s.owe(s.nodes[0], "other", 1, time.Hour)
		synctest.Wait() // and a goroutine that still sleeps would end the bubble with a panic
		time.Sleep(time.Hour)
	})
}

// TestUnansweredInTime: whatever a client says when its time is over, the error
// says that the server did not answer, and for how long it was waited for.
func TestUnansweredInTime(t *testing.T) {
	_, n, _ := debtor(t)
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	_, err := n.run(ctx, lookScript)
	var u unanswered
	if !errors.As(err, &u) || !strings.Contains(err.Error(), "no answer within") {
		t.Errorf("got %v", err)
	}
	if n.avoid(time.Time{}) == nil {
		t.Error("a server that did not answer is asked as if nothing were wrong")
	}
}

// TestGate: waiters pass over servers that failed and those that are odd, for as
// long as they are; and if all are, the first will do.
func TestGate(t *testing.T) {
	bubble(t, 3, func(s *Store) {
		for _, c := range []struct {
			what string
			do   func()
			want int
		}{
			{"all are well", func() {}, 0},
			{"the first failed", func() { s.nodes[0].note(errFails, time.Now()) }, 1},
			{"the second is odd", func() { s.nodes[1].stray(time.Now().Add(oddFor)) }, 2},
			{"the last failed too", func() { s.nodes[2].note(errFails, time.Now()) }, 0},
			{"the first is back", func() { s.nodes[0].note(nil, time.Now()) }, 0},
			{"the first is odd", func() { s.nodes[0].stray(time.Now().Add(2 * oddFor)) }, 0},
			{"the second is so no more", func() { time.Sleep(oddFor) }, 1},
			{"nor is the first", func() { time.Sleep(oddFor) }, 0},
		} {
			c.do()
			s.mu.Lock()
			if got := s.gate(time.Now()); got != c.want {
				t.Errorf("%s: server %d is asked first, want %d", c.what, got, c.want)
			}
			s.mu.Unlock()
		}
	})
}
