package quorumstore

import (
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// The waiters of this process stand in a line of their own. When something comes
// free, those that could be served with it are woken in the order of their rank,
// and no more of them than that: the process sends one question to the servers
// and not one for each waiter. Other processes do the same with theirs, and the
// gate decides between them.

// enline puts a ticket in line, or notes that it still waits. Store.mu is held.
func (s *Store) enline(k *ticket, wake func(*lockcore.Grant)) {
	k.wake = wake
	if k.waiting {
		return
	}
	k.waiting = true
	k.rank = k.heard.Add(-k.t.Waited - time.Duration(k.t.Priority)*sched.Level)
	i, _ := slices.BinarySearchFunc(s.line, k, func(o, k *ticket) int {
		if o.rank.After(k.rank) {
			return 1
		}
		return -1 // behind its equals
	})
	s.line = slices.Insert(s.line, i, k)
}

// unline takes a ticket out of the line. Store.mu is held.
func (s *Store) unline(k *ticket) {
	if k.waiting {
		k.waiting, k.hint, k.wake = false, none, nil
		s.line = slices.DeleteFunc(s.line, func(o *ticket) bool { return o == k })
	}
}

// dispatch wakes the waiters that the gate could serve. Store.mu is held.
func (s *Store) dispatch(now time.Time) {
	if len(s.line) == 0 {
		return
	}
	g := s.gate(now)
	s.rouse(now, byGate, s.view.freeAt(g, now))
	if end := s.view.servers[g].nextEnd(now); !end.IsZero() {
		s.arm(end, now)
	}
	if g > 0 {
		s.arm(now.Add(oddFor), now) // the one before it may be back by then
	}
}

// rouse wakes the waiters that could be served, beside each other. Store.mu is
// held.
func (s *Store) rouse(now time.Time, h hint, free freeFunc) {
	var stale []*ticket
	for _, k := range s.line {
		switch {
		case k.asking:
			// What it is about to hear may be older than this. What the gate tells is kept
			// in the view, and looked at when the ask is over; the rest is not.
			k.again = k.again || h == byOther
		case k.stale(now):
			stale = append(stale, k)
		case k.hint != none && now.Sub(k.hinted) < slow:
			k.hint = max(k.hint, h)
		case now.Before(k.after):
		default:
			reqs := k.t.Requirements
			s.view.claims.drop(k.id)
			if picks, ok := lockcore.Match(reqs, s.view.beside(reqs, free, now), nil); ok {
				s.claim(k, picks, now.Add(slow))
				k.hint, k.hinted = h, now
				k.wake(nil)
			}
		}
	}
	for _, k := range stale {
		s.forget(k)
	}
}

// A rumour is the end of a lease that another server told of than the gate.
type rumour struct {
	from    int
	attempt int64
	at      time.Time // when to follow it
	tries   int       // how often it was
}

// ended takes in that a server no longer has a lease.
//
// Waiters are woken by what the gate tells: it is the one that they ask, and it
// may be behind the others. Only if it stays silent, because its message was lost
// or it never had the lease, must the word of any other server do.
func (s *Store) ended(i int, id string, attempt int64) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.gate(now)
	s.view.servers[i].end(id, attempt)
	switch {
	case len(s.line) == 0:
	case i == g:
		s.dispatch(now)
	case !s.view.servers[g].over(id, attempt):
		if s.rumours == nil {
			s.rumours = make(map[string]rumour)
		}
		r := rumour{from: i, attempt: attempt, at: now.Add(jitter(rumourWait))}
		s.rumours[id] = r
		s.arm(r.at, now)
	}
}

// rumourWait is how much longer the gate may take to tell what another server
// has told. While the gate cannot be heard, a rumour is followed again, each time
// after twice as long, up to a second, for a minute or so: whoever followed it at
// once may have come to most servers before the release did, and nobody else would
// tell of that.
const (
	rumourWait   = 8 * time.Millisecond
	rumourWaitTo = time.Second
	rumourTries  = 64
)

// subscribed takes in that a server tells from now on what happens there, and
// that something may have been missed before; or that it does not any more.
func (s *Store) subscribed(i int, on bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[i].heard = on
	if !on {
		return
	}
	s.anew = true
	s.arm(now.Add(jitter(rumourWait)), now)
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

// tick does what was put off, and looks for leases that ended by themselves:
// nobody tells of these.
func (s *Store) tick() {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = time.Time{}
	if s.anew {
		s.rouse(now, byOther, func(r *lockcore.Requirement, _ string) int { return max(1, r.Seats) })
	}
	s.pursue(now)
	s.anew = false
	s.dispatch(now)
}

// pursue follows the rumours that are due. Store.mu is held.
func (s *Store) pursue(now time.Time) {
	g := s.gate(now)
	for id, r := range s.rumours {
		over := s.view.servers[g].over(id, r.attempt)
		if !over && !now.Before(r.at) {
			s.rouse(now, byOther, s.view.freeAt(r.from, now))
			r.tries++
			r.at = now.Add(jitter(min(rumourWait<<min(r.tries, 10), rumourWaitTo)))
		}
		if over || len(s.line) == 0 || r.tries == rumourTries || r.tries > 0 && s.nodes[g].heard {
			delete(s.rumours, id)
			continue
		}
		s.rumours[id] = r
		s.arm(r.at, now)
	}
}
