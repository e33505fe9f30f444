package quorumstore

import (
	"context"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// asks runs one Ask for k up to where it would ask the servers, and reports whether it
// would; else it returns the answer.
func asks(t *testing.T, s *Store, id string, wait bool) (votes bool, ans lockcore.Answer) {
	t.Helper()
	s.subscribing = true // without servers there is nothing to listen to
	ticket := ticketFor(id, time.Minute, "k")
	ticket.Wait = wait
	k, err := s.enter(context.Background(), ticket)
	if err != nil {
		t.Fatal(err)
	}
	defer k.leave()
	a := newAsking(s, k)
	choose, err := a.first(context.Background())
	if err == nil && choose != nil {
		return true, ans
	}
	ans, err = s.settle(a, nil, err, func(*lockcore.Grant) {})
	if err != nil {
		t.Fatal(err)
	}
	return false, ans
}

// TestHeadStart: keys that this process released while others listened are left to
// them for headStart. This process asks again after that, and not at its next poll. A
// request with a single attempt does not wait.
func TestHeadStart(t *testing.T) {
	for _, c := range []struct {
		what      string
		listeners int // subscribers, of all processes
		own       bool
		after     time.Duration
		wait      bool
		votes     bool
	}{
		{what: "another process listens", listeners: 1, wait: true, votes: false},
		{what: "this process does too", listeners: 2, own: true, wait: true, votes: false},
		{what: "nobody listens", listeners: 0, wait: true, votes: true},
		{what: "nobody but this process listens", listeners: 1, own: true, wait: true, votes: true},
		{what: "the moment is almost over", listeners: 1, after: headStart - 1, wait: true, votes: false},
		{what: "the moment is over", listeners: 1, after: headStart, wait: true, votes: true},
		{what: "a single attempt", listeners: 1, wait: false, votes: true},
	} {
		bubble(t, 3, func(s *Store) {
			for i, n := range s.nodes {
				n.subscribed = c.own
				s.leaveToOthers(i, "before", exclusive("k"), c.listeners)
			}
			time.Sleep(c.after)
			votes, ans := asks(t, s, "again", c.wait)
			if votes != c.votes {
				t.Errorf("%s: asks the servers at once: %v, want %v", c.what, votes, c.votes)
			}
			if !c.votes && ans.Poll != headStart {
				t.Errorf("%s: asks again after %s, want %s", c.what, ans.Poll, headStart)
			}
		})
	}
}

// TestHeadStartForOneKey: only what was given back is left to others, and only as
// much of it.
func TestHeadStartForOneKey(t *testing.T) {
	bubble(t, 3, func(s *Store) {
		s.leaveToOthers(0, "before", exclusive("other"), 1)
		s.leaveToOthers(0, "seat", []unit{{modes.Mode{Seats: 2}, "k"}}, 1)
		if votes, _ := asks(t, s, "whole", true); votes {
			t.Error("a seat is left to others, and the whole is asked for")
		}
		s.mu.Lock()
		s.forget(s.tickets["whole"])
		s.mu.Unlock()
		time.Sleep(headStart)
		s.leaveToOthers(0, "before", exclusive("other"), 1)
		if votes, _ := asks(t, s, "again", true); !votes {
			t.Error("another key is left to others, and this one is not asked for")
		}
		if n := len(s.view.leftToOthers.leases); n != 1 {
			t.Errorf("%d leases that were given back are remembered, want that of the last moment", n)
		}
	})
}

// what another request of this process is about to take is not
// asked for by one that can wait; it is by a single attempt, as the other one may
// fail.
func TestClaimedInThisProcess(t *testing.T) {
	bubble(t, 3, func(s *Store) {
		if votes, _ := asks(t, s, "first", true); !votes {
			t.Fatal("nobody is known to have the key, and it is not asked for")
		}
		votes, ans := asks(t, s, "second", true)
		if votes {
			t.Error("two requests of one process ask for the same key at once")
		}
		if ans.Poll <= headStart {
			t.Errorf("it asks again after %s, though it is woken when the other one ends", ans.Poll)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.line) != 1 || s.line[0].id != "second" {
			t.Errorf("in line are %v", s.line)
		}
	})
}

// TestYieldsToListeners: a release leaves its keys to other processes if these
// listen, and a keeping does not, which gives nothing back.
func TestYieldsToListeners(t *testing.T) {
	servers := redistest.StartN(t, 3)
	from, to := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	left := func() int {
		from.mu.Lock()
		defer from.mu.Unlock()
		return len(from.view.leftToOthers.keys["k"])
	}
	given := func(id string, keep time.Duration) {
		t.Helper()
		g, err := await(watched(t), from, waiting(ticketFor(id, time.Hour, "k")))
		if err != nil {
			t.Fatal(err)
		}
		if err := from.Release(watched(t), g, keep); err != nil {
			t.Fatal(err)
		}
	}
	given("alone", 0)
	spread(t, servers, "alone")
	if n := left(); n != 0 {
		t.Errorf("nobody listens, and %d leases are left to others", n)
	}

	keeper := take(t, to, ticketFor("keeper", time.Hour, "k"))
	if keeper == nil {
		t.Fatal("a free key was refused")
	}
	if take(t, to, waiting(ticketFor("waiter", time.Hour, "k"))) != nil {
		t.Fatal("a key that is held was given out")
	}
	listening(t, to, 0, 1, 2)
	release(t, to, keeper)
	given("kept", time.Millisecond)
	if n := left(); n != 0 {
		t.Errorf("what is kept is no lease that others could have, and %d are left to them", n)
	}
	given("listened to", 0)
	if n := left(); n == 0 {
		t.Error("another process listens, and nothing is left to it")
	}
}
