package quorumstore

import (
	"context"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// A ticket is what this process knows of a request. Servers know of leases only.
type ticket struct {
	id   string
	turn chan struct{} // one element while a call about the ticket is under way: the next call waits

	// The rest is guarded by Store.mu.
	t          *lockcore.Ticket
	attempt    int64                      // the number of the last attempt; those before were given up
	guessed    bool                       // another process numbered the attempts
	obtained   [][]string                 // once granted
	last       map[string]lockcore.Ending // how the last use of what was obtained ended before
	since      time.Time                  // when the bid was sent that was granted; zero: another process knows
	valid      time.Time                  // until when the grant can be counted on
	unrenewed  bool                       // the last renewal failed, or is under way
	tombstones []bool                     // servers that are to refuse what arrives after the release
	confirmed  []bool                     // servers that confirmed its release
	releasing  bool                       // it is being released
	lastAsked  time.Time                  // when the last Ask for it began
	asking     bool                       // an Ask for it is under way

	waiting    bool
	wake       func(*lockcore.Grant)
	rank       time.Time // place among the waiters of this process
	after      time.Time // it is not woken before: it collided with a rival
	collisions int       // collisions in a row
	hint       hint
	hinted     time.Time
	recheck    bool // something came free elsewhere during an Ask
}

// A hint is why a waiter was woken, which decides where it looks first. Of two hints
// the larger one counts, as it makes the waiter look at more servers.
type hint uint8

const (
	none          hint = iota
	freeAtLeader       // what it needs came free on the server that all waiters ask first
	freeElsewhere      // something came free elsewhere, or messages may have been lost
)

// wokenFor is how long a waiter that was woken keeps the claim to what it was woken
// for. After that its goroutine is busy with something else, and other waiters of this
// process are woken.
const wokenFor = 100 * time.Millisecond

// enter returns the ticket of that id to one caller at a time, and makes it if there
// is none. The caller ends its turn with leave.
func (s *Store) enter(ctx context.Context, t *lockcore.Ticket) (*ticket, error) {
	for {
		s.mu.Lock()
		if s.duplicate != nil {
			defer s.mu.Unlock()
			return nil, s.duplicate
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
			k.t, k.lastAsked, k.asking = t, time.Now(), true
			s.mu.Unlock()
			return k, nil
		}
		s.mu.Unlock() // it was withdrawn meanwhile
		k.leave()
	}
}

func (k *ticket) leave() { <-k.turn }

// over reports whether the lease of a ticket was released or lost.
func (s *Store) over(k *ticket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.releasing || s.tickets[k.id] != k
}

// foreign is a ticket that was granted to another process. The caller has its turn.
func foreign(t *lockcore.Ticket) *ticket {
	k := &ticket{id: t.ID, t: t, attempt: time.Now().UnixMicro(), guessed: true, turn: make(chan struct{}, 1)}
	k.turn <- struct{}{}
	return k
}

// known is enter for a ticket that may not exist: it returns nil then.
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
	s.removeFromLine(k)
	s.view.claims.drop(k.id)
}

// prune drops tickets that no call will come for any more. The store is not told of a
// lease that expired, nor of a waiter whose goroutine ended without Withdraw.
// Store.mu is held.
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

// lapsedKept is how long an expired lease is remembered, in case a renewal still
// comes.
const lapsedKept = 10 * time.Minute

// stale reports whether a waiter missed its polls.
func (k *ticket) stale(now time.Time) bool {
	return now.After(k.lastAsked.Add(3 * sched.Poll(k.t.TTL)))
}

// number returns the number of a ticket's next attempt, and that of the attempt
// before it. Numbers come from the clock, so they also rise when a process restarts or
// another process goes on with the ticket. Two processes do not ask for one ticket at
// the same time.
func (s *Store) number(k *ticket) (attempt, void int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last+1, time.Now().UnixMicro())
	attempt, void = s.last, k.attempt
	k.attempt = attempt
	return attempt, void
}
