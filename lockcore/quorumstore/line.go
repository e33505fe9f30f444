package quorumstore

import (
	"context"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// The waiters of this process stand in a line of their own. When something comes
// free, the process wakes those that could be served with it, in the order of their
// rank, and no others: so it sends one question to the servers and not one for each
// waiter. Other processes do the same with theirs, and the
// lead server decides between them.

// addToLine puts a ticket in line, or notes that it still waits. Store.mu is held.
func (s *Store) addToLine(k *ticket, wake func(*lockcore.Grant)) {
	k.wake = wake
	if k.waiting {
		return
	}
	k.waiting = true
	k.rank = k.lastAsked.Add(-k.t.Waited - time.Duration(k.t.Priority)*sched.Level)
	i, _ := slices.BinarySearchFunc(s.line, k, func(o, k *ticket) int {
		if o.rank.After(k.rank) {
			return 1
		}
		return -1 // behind its equals
	})
	s.line = slices.Insert(s.line, i, k)
}

// removeFromLine takes a ticket out of the line. Store.mu is held.
func (s *Store) removeFromLine(k *ticket) {
	if k.waiting {
		k.waiting, k.hint, k.wake = false, none, nil
		s.line = slices.DeleteFunc(s.line, func(o *ticket) bool { return o == k })
		if len(s.line) == 0 {
			s.hearNoMore()
		}
	}
}

// dispatch wakes the waiters that the lead server could serve. Store.mu is held.
func (s *Store) dispatch(now time.Time) {
	if len(s.line) == 0 {
		return
	}
	g := s.leader(now)
	s.wakeServable(now, freeAtLeader, s.view.freeAt(g, now))
	if end := s.view.servers[g].nextEnd(now); !end.IsZero() {
		s.arm(end, now)
	}
	if g > 0 {
		s.arm(now.Add(skipRestarted), now) // the one before it may be back by then
	}
}

// wakeServable wakes the waiters that could be served at the same time with what is
// free. Store.mu is held.
func (s *Store) wakeServable(now time.Time, h hint, free freeFunc) {
	var stale []*ticket
	for _, k := range s.line {
		switch {
		case k.asking:
			// The answers that it waits for may be older than this news. The view keeps
			// news of the lead server until the ask is over; other news must be noted here.
			k.recheck = k.recheck || h == freeElsewhere
		case k.stale(now):
			stale = append(stale, k)
		case k.hint != none && now.Sub(k.hinted) < wokenFor:
			k.hint = max(k.hint, h)
		case now.Before(k.after):
		default:
			reqs := k.t.Requirements
			s.view.claims.drop(k.id)
			if picks, ok := lockcore.Match(reqs, s.view.beside(reqs, free, now), nil); ok {
				s.claim(k, picks, now.Add(wokenFor))
				k.hint, k.hinted = h, now
				k.wake(nil)
			}
		}
	}
	for _, k := range stale {
		s.forget(k)
	}
}

// An unconfirmedEnd is the end of a lease that some server has published and the
// lead server has not.
type unconfirmedEnd struct {
	from    int
	attempt int64
	at      time.Time // when to act on it
	tries   int       // how often waiters were woken for it
}

// ended takes in that a server no longer has a lease.
//
// Waiters ask the lead server first, so they are woken when it publishes the end of
// a lease, even if others published it before. The lead server may not publish it:
// its message can get lost, or it never had the lease. Then the message of another
// server is enough, after confirmWait:
//
//	0 ms  server 2 publishes the end of lease A; server 0 leads
//	3 ms  server 0 publishes it: waiters are woken
//	or:
//	8 ms  server 0 is still silent: waiters are woken, and ask all servers
func (s *Store) ended(i int, id string, attempt int64) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.leader(now)
	s.view.servers[i].end(id, attempt)
	switch {
	case len(s.line) == 0:
	case i == g:
		s.dispatch(now)
	case !s.view.servers[g].over(id, attempt):
		if s.unconfirmed == nil {
			s.unconfirmed = make(map[string]unconfirmedEnd)
		}
		r := unconfirmedEnd{from: i, attempt: attempt, at: now.Add(jitter(confirmWait))}
		s.unconfirmed[id] = r
		s.arm(r.at, now)
	}
}

// confirmWait is how much longer than another server the lead server may take to
// publish the end of a lease.
//
// One attempt may come too early: the waiter may reach most servers before the
// release does, and no message tells it when to come again. So while this process is
// not subscribed to the lead server, waiters are woken again, after a pause that
// doubles up to confirmWaitMax, for about a minute.
const (
	confirmWait    = 8 * time.Millisecond
	confirmWaitMax = time.Second
	confirmTries   = 64
)

// outOfService wakes the waiters that list a key which was disabled, to learn of it.
func (s *Store) outOfService(key string) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.line {
		if !k.lists(key) {
			continue
		}
		if k.asking {
			k.recheck = true
			continue
		}
		k.hint, k.hinted = freeElsewhere, now
		k.wake(nil)
	}
}

// lists reports whether the key is a candidate of the request.
func (k *ticket) lists(key string) bool {
	return slices.ContainsFunc(k.t.Requirements, func(r lockcore.Requirement) bool {
		return slices.ContainsFunc(r.Candidates, func(c lockcore.Candidate) bool { return c.Key == key })
	})
}

// subscribed notes that the subscription to a server began or broke. Messages may
// have been missed before it began, so all waiters then look anew.
func (s *Store) subscribed(life context.Context, i int, on bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if life.Err() != nil {
		return // another subscription has taken its place, or none
	}
	s.nodes[i].subscribed = on
	if !on {
		return
	}
	s.lookAtAll = true
	s.arm(now.Add(jitter(confirmWait)), now)
}

// arm has tick called at the moment, or earlier. Store.mu is held.
func (s *Store) arm(at, now time.Time) {
	if s.life.Err() != nil || !s.due.IsZero() && !at.Before(s.due) {
		return
	}
	s.due = at
	if s.timer == nil {
		s.timer = time.AfterFunc(at.Sub(now), s.tick)
	} else {
		s.timer.Reset(at.Sub(now))
	}
}

// tick does what was put off until now. It also looks for leases that expired, as
// no server publishes that.
func (s *Store) tick() {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = time.Time{}
	if s.lookAtAll {
		s.wakeServable(now, freeElsewhere, func(r *lockcore.Requirement, _ string) int { return max(1, r.Seats) })
	}
	s.followUnconfirmed(now)
	s.lookAtAll = false
	s.dispatch(now)
}

// followUnconfirmed wakes waiters for the unconfirmed ends that are due. Store.mu is
// held.
func (s *Store) followUnconfirmed(now time.Time) {
	g := s.leader(now)
	for id, r := range s.unconfirmed {
		over := s.view.servers[g].over(id, r.attempt)
		if !over && !now.Before(r.at) {
			s.wakeServable(now, freeElsewhere, s.view.freeAt(r.from, now))
			r.tries++
			r.at = now.Add(jitter(min(confirmWait<<min(r.tries, 10), confirmWaitMax)))
		}
		if over || len(s.line) == 0 || r.tries == confirmTries || r.tries > 0 && s.nodes[g].subscribed {
			delete(s.unconfirmed, id)
			continue
		}
		s.unconfirmed[id] = r
		s.arm(r.at, now)
	}
}
