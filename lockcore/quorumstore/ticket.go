package quorumstore

import (
	"context"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// A ticket is what this process knows of a request: servers know only of
// leases.
type ticket struct {
	id   string
	turn chan struct{} // taken through a call about the ticket: a second one waits

	// The rest is guarded by Store.mu.
	t        *lockcore.Ticket
	attempt  int64      // the number of the last attempt; those before were given up
	obtained [][]string // once granted
	valid    time.Time  // until when the grant can be counted on
	doubt    bool       // the last renewal did not succeed, or has not yet
	stones   []bool     // servers that are to refuse what comes after the release
	given    []bool     // servers that confirmed its release
	leaving  bool       // it is being released
	heard    time.Time  // when it was last asked about
	asking   bool       // it is being asked about

	waiting bool
	wake    func(*lockcore.Grant)
	rank    time.Time // place among the waiters of this process
	after   time.Time // not to be woken before: it collided with a rival
	misses  int       // collisions in a row
	hint    hint
	hinted  time.Time
	again   bool // something came free elsewhere while it was being asked about
}

// A hint is why a waiter was woken, and so where it looks first. A later one looks
// further.
type hint uint8

const (
	none    hint = iota
	byGate       // what it needs came free on the server that rivals ask first
	byOther      // something came free elsewhere, or messages may have been lost
)

// slow is after which time a waiter that was woken no longer stands in the way
// of others in this process: its goroutine is busy with something else.
const slow = 100 * time.Millisecond

// enter returns the ticket of that id, made if need be, for one caller at a
// time; leave hands it on.
func (s *Store) enter(ctx context.Context, t *lockcore.Ticket) (*ticket, error) {
	for {
		s.mu.Lock()
		if s.twins != nil {
			defer s.mu.Unlock()
			return nil, s.twins
		}
		k := s.tickets[t.ID]
		if k == nil {
			s.prune()
			k = &ticket{id: t.ID, turn: make(chan struct{}, 1)}
			s.tickets[t.ID] = k
		}
		s.mu.Unlock()
		select {
		case k.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		s.mu.Lock()
		if s.tickets[t.ID] == k {
			k.t, k.heard, k.asking = t, time.Now(), true
			s.mu.Unlock()
			return k, nil
		}
		s.mu.Unlock() // it was withdrawn meanwhile
		k.leave()
	}
}

func (k *ticket) leave() { <-k.turn }

// over reports whether a ticket was given back or lost.
func (s *Store) over(k *ticket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.leaving || s.tickets[k.id] != k
}

// known returns the ticket of an id for one caller, or nil.
func (s *Store) known(ctx context.Context, id string) (*ticket, error) {
	s.mu.Lock()
	k := s.tickets[id]
	s.mu.Unlock()
	if k == nil {
		return nil, nil
	}
	select {
	case k.turn <- struct{}{}:
		return k, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// forget drops a ticket. Store.mu is held.
func (s *Store) forget(k *ticket) {
	if s.tickets[k.id] == k {
		delete(s.tickets, k.id)
	}
	s.unline(k)
	s.view.claims.drop(k.id)
}

// prune drops tickets that nobody asks about any more: leases that ran out are
// not reported to the store, and the owner of a waiter may have died in a way
// that a process survives. Store.mu is held.
func (s *Store) prune() {
	if len(s.tickets) < s.pruneAt {
		return
	}
	now := time.Now()
	for _, k := range s.tickets {
		if k.t == nil || len(k.turn) > 0 {
			continue
		}
		if k.obtained != nil && now.After(k.valid.Add(lapsedKept)) || k.obtained == nil && k.stale(now) {
			s.forget(k)
		}
	}
	for i := range s.view.servers {
		s.view.servers[i].prune(now)
	}
	s.pruneAt = max(64, 2*len(s.tickets))
}

// lapsedKept is how long an expired lease is remembered, should a renewal still
// come.
const lapsedKept = 10 * time.Minute

// stale reports whether a waiter missed its polls.
func (k *ticket) stale(now time.Time) bool { return now.After(k.heard.Add(3 * sched.Poll(k.t.TTL))) }

// number returns a number for the next attempt of a ticket and that of the last
// one before. They rise over restarts and processes, as far as clocks do: the
// same ticket is not asked for by two processes at the same time.
func (s *Store) number(k *ticket) (attempt, void int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last+1, time.Now().UnixMicro())
	attempt, void = s.last, k.attempt
	k.attempt = attempt
	return attempt, void
}
