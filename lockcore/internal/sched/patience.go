package sched

import (
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Expectations are guesses and may be lies, so letting others past a waiter needs
// a limit that does not depend on them. It is the patience of the waiter: from
// the moment at which it would be served if nobody had been let past it, it
// bears with that for three times as long as it has waited until then, and for a
// minute at least. After that nobody is let past it any more, and those who were
// are all that it waits for.
//
// Rejected, with what they cost in simulations of 20 boards on which one run in
// thirty hangs: counting those who are not back by the shadow time they were let
// past with needs a count of several times the number of boards to stay out of
// the way, which bounds the delay by hundreds of the longest hold; a patience
// that every delay of anybody in line uses up is nearly always used up, and makes
// the mean wait five times longer; a fixed time suits one length of tests only.

const (
	// patience is how many times as long as it had to wait anyway a waiter bears with
	// those who were let past it.
	patience = 3
	// minPatience is the patience of a waiter that has just come.
	minPatience = time.Minute
)

// letPast reports whether the lease went to a request that came after the waiter
// in line, and out of what was reserved.
func (l *lease) letPast(w *waiter) bool {
	return l.backfilled && l.token > w.fence && (l.rank > w.rank() || l.rank == w.rank() && l.seq > w.seq)
}

// noteDelay notes the moment from which a blocked waiter is kept waiting by
// nothing but those who were let past it. It is called before the waiter
// reserves anything, at every pass that comes to it: so at the very step that
// gives back the last of what it had to wait for anyway.
//
// has is how many units it could have now. Looking at all candidates is spared
// where that and what was taken past it cannot be enough.
func (p *pass) noteDelay(w *waiter, has int) {
	if w.delayed != 0 || p.s.backfilled == 0 || p.looking {
		return
	}
	if p.enoughBut(w, has) {
		w.delayed = p.s.now
		p.s.noteWaiter(w)
	}
}

// enoughBut reports whether the waiter would be served if those who were let past it
// were not there. has is how many units it could have with them.
func (p *pass) enoughBut(w *waiter, has int) bool {
	past, reqs, need := p.backfilled(), w.class.reqs, w.class.need
	units, seats := 0, 1 // taken past it, and what it can have of one
	for i := range past.taken {
		if past.taken[i].by.letPast(w) {
			units++
		}
	}
	for r := range reqs {
		seats = max(seats, reqs[r].Seats)
	}
	if units == 0 || has+units*seats < need {
		return false
	}
	if len(reqs) == 1 && reqs[0].Seats == 0 && past.exclusive {
		// What they hold makes all the difference, and nobody else has a part in it.
		for i := range past.taken {
			if t := &past.taken[i]; t.by.letPast(w) && w.class.lists(t.key) {
				if has++; has >= need {
					return true
				}
			}
		}
		return false
	}
	p.s.looks += w.class.candidates()
	_, ok := lockcore.Match(reqs, func(r int, key string) int {
		u := p.s.unitsBut(key, func(l *lease) bool { return l.letPast(w) }).plus(p.reserved[key])
		return u.free(&reqs[r])
	}, nil)
	return ok
}

// A taken is a unit of a key that somebody has who was let past others.
type taken struct {
	by  *lease
	key string
}

// The backfilled are all of them.
type backfilled struct {
	taken     []taken
	exclusive bool // nobody else has a part in any of the keys, or could have
	known     bool
}

func (p *pass) backfilled() *backfilled {
	if past := &p.past; !past.known {
		past.known, past.exclusive = true, true
		for _, l := range p.s.leases {
			if !l.backfilled {
				continue
			}
			for _, keys := range l.obtained {
				for _, k := range keys {
					past.taken = append(past.taken, taken{l, k})
					h := p.s.keys[k]
					past.exclusive = past.exclusive && len(h.leases) == 1 && h.Exclusive > 0
				}
			}
		}
	}
	return &p.past
}

// unitsBut is how a key is taken if some of the leases are not counted.
func (s *State) unitsBut(key string, not func(*lease) bool) units {
	h := s.keys[key]
	switch {
	case h == nil:
		return units{}
	case !slices.ContainsFunc(h.leases, not):
		return h.units
	}
	rest := holding{leases: slices.DeleteFunc(slices.Clone(h.leases), not)}
	rest.recount(key)
	return rest.units
}

// patienceEnd is when the patience of the waiter ends: if it is not yet delayed, as if
// it were from the moment on.
func (w *waiter) patienceEnd(now int64) int64 {
	if w.delayed != 0 {
		now = w.delayed
	}
	return later(now, time.Duration(max(int64(minPatience), patience*(now-w.arrived))))
}

// impatient reports whether nobody is let past the waiter any more.
func (s *State) impatient(w *waiter) bool {
	return w.delayed != 0 && s.now > w.patienceEnd(s.now)
}

func count(picks [][]string) int {
	n := 0
	for _, keys := range picks {
		n += len(keys)
	}
	return n
}

func needed(reqs []lockcore.Requirement) int {
	n := 0
	for i := range reqs {
		n += reqs[i].Units()
	}
	return n
}
