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
	reqs := w.class.reqs
	past, seats := 0, 1 // keys taken past it, and what it can have of one
	for _, l := range p.backfilled() {
		if l.letPast(w) {
			past += count(l.obtained)
		}
	}
	for r := range reqs {
		seats = max(seats, reqs[r].Seats)
	}
	if past == 0 || has+past*seats < needed(reqs) {
		return
	}
	p.s.looks += w.class.candidates()
	if _, ok := lockcore.Match(reqs, func(r int, key string) int {
		u := p.s.unitsBut(key, func(l *lease) bool { return l.letPast(w) }).plus(p.reserved[key])
		return u.free(&reqs[r])
	}, nil); ok {
		w.delayed = p.s.now
		p.s.noteWaiter(w)
	}
}

// backfilled lists the leases that were let past anybody.
func (p *pass) backfilled() []*lease {
	if p.past == nil {
		for _, l := range p.s.leases {
			if l.backfilled {
				p.past = append(p.past, l)
			}
		}
	}
	return p.past
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
