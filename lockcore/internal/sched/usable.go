package sched

import (
	"slices"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// usable is what the class asks for, without the candidates that it can neither
// get nor reserve now: those that are held exclusively, which in a busy pool are
// nearly all. What is not usable does not become so within a pass.
//
// From one pass to the next, one key or two come free or are taken. So the list is
// not made anew, as far as the notes about that reach back.
func (p *pass) usable(c *class) []lockcore.Requirement {
	if c.usablePass == p.number {
		return c.usable
	}
	c.usablePass = p.number
	turned, ok := p.s.turnedSince(c.turns)
	c.turns = p.s.turns()
	switch {
	case c.usable == nil:
		c.usable = headings(c.reqs)
		c.findUsable(p.s)
	case !ok || len(turned) > c.candidates()/4:
		c.findUsable(p.s)
	case len(c.reqs) == 1 && len(c.keys()) == len(c.reqs[0].Candidates):
		for _, k := range turned {
			c.turn(k, p.s.keys[k].open())
		}
	case slices.ContainsFunc(turned, c.lists):
		c.findUsable(p.s)
	}
	return c.usable
}

// shut serves the first waiter of a class for which others have left nothing. It
// reserves nothing, as those behind it will not; it can only be let past others.
func (p *pass) shut(w *waiter) {
	p.consider(w)
	p.noteDelay(w, 0)
	w.class.pass = p.number
	p.open--
}

// shutFrom is what serve does for the first waiters of all classes from a place in line
// on when nothing is left for anybody, but for considering them.
func (p *pass) shutFrom(first int) {
	if p.open == 0 || p.s.backfilled == 0 && p.s.outages == 0 {
		return
	}
	for _, w := range p.s.queue[first:] {
		if w.class.pass == p.number {
			continue
		}
		w.class.pass = p.number
		if p.waitsForOutage(w.class) {
			w.skipped = p.number
		} else {
			p.noteDelay(w, 0)
		}
	}
}

// findUsable looks at all candidates.
func (c *class) findUsable(s *State) {
	s.looks += c.candidates()
	c.places = c.places[:0]
	for r := range c.reqs {
		u := &c.usable[r]
		u.Candidates = u.Candidates[:0]
		for i, k := range c.reqs[r].Candidates {
			if s.keys[k.Key].open() {
				u.Candidates = append(u.Candidates, k)
				c.places = append(c.places, i)
			}
		}
	}
}

// turn enters a key into what is usable for a class of one requirement, or takes it
// out.
func (c *class) turn(key string, open bool) {
	place, listed := c.keys()[key]
	if !listed {
		return
	}
	u := &c.usable[0]
	i, has := slices.BinarySearch(c.places, place)
	switch {
	case open && !has:
		c.places = slices.Insert(c.places, i, place)
		u.Candidates = slices.Insert(u.Candidates, i, c.reqs[0].Candidates[place])
	case !open && has:
		c.places = slices.Delete(c.places, i, i+1)
		u.Candidates = slices.Delete(u.Candidates, i, i+1)
	}
}

// open reports whether anybody could get or reserve a unit of a key that is held
// like this; nil: by nobody.
func (h *holding) open() bool {
	return h == nil || h.Exclusive == 0 && (h.Shared > 0 || h.Seats < h.Lowest)
}

// turnsKept is how many are remembered at most.
const turnsKept = 256

// A turnLog lists keys that came open or ceased to be, the latest last.
type turnLog struct {
	keys   []string
	before uint64 // those that are forgotten
}

func (s *State) noteTurn(key string, open bool) {
	s.playing.noteTurn(key, open)
	l := &s.turned
	if len(l.keys) == turnsKept {
		l.before, l.keys = l.before+turnsKept, l.keys[:0]
	}
	l.keys = append(l.keys, key)
}

// turns counts them.
func (s *State) turns() uint64 { return s.turned.before + uint64(len(s.turned.keys)) }

// turnedSince returns those after the first n, if they are still known.
func (s *State) turnedSince(n uint64) ([]string, bool) {
	if n < s.turned.before {
		return nil, false
	}
	return s.turned.keys[n-s.turned.before:], true
}

// limitOfOne is the limit of a class with one requirement for whole resources, as
// mayPass finds it for any: the moment before which as many candidates as it needs
// would have to come back. There are no choices to be tried out.
//
//	needs 2   board-1 unclaimed   board-2 claimed until 9:00, board-3 until 8:00   limit 9:00
func (p *pass) limitOfOne(c *class) int64 {
	r, b := &c.usable[0], &p.backs
	if b.claims != len(p.claims) || b.shared != r.Shared || !sameKeys(b.of, r.Candidates) {
		*b = backs{of: r.Candidates, shared: r.Shared, claims: len(p.claims), free: b.free[:0], at: b.at[:0]}
		for i := range r.Candidates {
			if k := r.Candidates[i].Key; p.s.unitsOf(k).free(r) > 0 {
				b.free = append(b.free, k)
			}
		}
	}
	if len(b.free) < r.Units() {
		return nobody
	}
	if len(b.at) == 0 {
		for _, k := range b.free {
			b.at = append(b.at, p.claimedUntil(r, k))
		}
		slices.Sort(b.at)
	}
	return b.at[len(b.at)-r.Units()]
}

// The backs are the moments before which whoever uses them has to be back, for the
// candidates in a list that are free, as of when there were so many claims.
type backs struct {
	of     []lockcore.Candidate
	shared bool
	claims int
	free   []string
	at     []int64 // sorted; none: not found out yet, as somebody who needs more than are free does not ask
}

// claimedUntil is the moment before which whoever uses the key has to be back, by
// what is reserved; never if nothing is that is in the way of the requirement.
func (p *pass) claimedUntil(r *lockcore.Requirement, key string) int64 {
	known := &p.until[0]
	if r.Shared {
		known = &p.until[1]
	}
	if u, ok := (*known)[key]; ok && u.claims == len(p.claims) {
		return u.at
	}
	at := never
	for _, cl := range p.claims {
		if cl.key == key && !(r.Shared && cl.w.class.reqs[cl.req].Shared) {
			at = min(at, p.bound(cl.w))
		}
	}
	if *known == nil {
		*known = make(map[string]until)
	}
	(*known)[key] = until{len(p.claims), at}
	return at
}

// An until is a moment, as of when there were so many claims.
type until struct {
	claims int
	at     int64
}
