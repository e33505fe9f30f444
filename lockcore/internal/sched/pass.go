package sched

import (
	"slices"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// schedule serves the waiters in the order of their rank: each gets everything
// it asks for out of what is free and not reserved by those before it, or
// reserves what it could use.
//
// Reservations are worked out anew in every pass and stored nowhere. Keeping
// them up to date instead would be faster for many pools, and was rejected: what
// cannot be stale needs no proof that it is not.
func (s *State) schedule(rnd Rand) {
	if len(s.queue) == 0 {
		return
	}
	p := pass{s: s, number: s.passes(), open: len(s.classes)}
	left := s.queue[:0:0]
	for i, w := range s.queue {
		if p.finished() {
			left = append(left, s.queue[i:]...)
			break
		}
		if picks := p.serve(w, rnd); picks != nil {
			s.leave(w)
			s.forgetWaiter(w)
			if w.class.waiters == 0 && w.class.pass != p.number {
				p.open--
			}
			s.grant(w, picks)
			continue
		}
		left = append(left, w)
	}
	s.queue = left
}

// passes numbers the passes, so that marks of an old one need no clearing.
func (s *State) passes() uint64 {
	s.passCount++
	return s.passCount
}

// A pass is one walk along the queue.
type pass struct {
	s        *State
	number   uint64
	open     int              // classes for which there may be something left
	reserved map[string]units // by the waiters passed so far
	claims   []claim          // the same, by waiter
}

// A claim is one unit reserved by a blocked waiter.
type claim struct {
	w   *waiter
	req int
	key string
}

// finished reports whether nobody further back can get or reserve anything. A
// waiter with parents may get what others have reserved, so it is always looked
// at.
func (p *pass) finished() bool { return p.open == 0 && p.s.nested == 0 }

// serve returns what the waiter gets, by requirement, or nil after reserving
// what it could use.
func (p *pass) serve(w *waiter, rnd Rand) [][]string {
	c := w.class
	if c.pass == p.number && len(w.parents) == 0 {
		return nil
	}
	reserved := p.reserved
	picks, complete := lockcore.Match(c.reqs, p.s.freeBeside(c.reqs, reserved), nil)
	if !complete && len(w.parents) > 0 && len(p.claims) > 0 {
		reserved = p.withoutDependents(w)
		picks, complete = lockcore.Match(c.reqs, p.s.freeBeside(c.reqs, reserved), nil)
	}
	if !complete {
		p.reserve(w, picks)
		if c.pass != p.number && !p.anyLeft(c) {
			c.pass = p.number
			p.open--
		}
		return nil
	}
	if rnd != nil {
		// Any complete matching will do, so take one in the order of choice. The
		// first was in the order of the candidates because that is what a blocked
		// waiter reserves: the same keys in every pass.
		picks, _ = lockcore.Match(c.reqs, p.s.freeBeside(c.reqs, reserved), p.s.visit(c.reqs, rnd))
	}
	return picks
}

// freeBeside counts the free units of keys beside what is held and reserved.
func (s *State) freeBeside(reqs []lockcore.Requirement, reserved map[string]units) func(r int, key string) int {
	return func(r int, key string) int {
		u := s.unitsOf(key)
		if v, ok := reserved[key]; ok {
			u = u.plus(v)
		}
		return u.free(&reqs[r])
	}
}

// reserve keeps aside for a blocked waiter what it could use now, and keeps
// newcomers off keys that it waits to have without their present holders; both
// together at most what it needs.
func (p *pass) reserve(w *waiter, picks [][]string) {
	for r, keys := range picks {
		for _, k := range keys {
			p.claim(w, r, k)
		}
	}
	for r := range w.class.reqs {
		req := &w.class.reqs[r]
		missing := req.Units() - len(picks[r])
		for i := 0; i < len(req.Candidates) && missing > 0; i++ {
			k := req.Candidates[i].Key
			u := p.s.unitsOf(k).plus(p.reserved[k])
			if u.joinable() && u.free(req) == 0 && !p.claimed(w, k) {
				p.claim(w, r, k)
				missing--
			}
		}
	}
}

func (p *pass) claim(w *waiter, r int, key string) {
	if p.reserved == nil {
		p.reserved = make(map[string]units)
	}
	u := p.reserved[key]
	u.add(&w.class.reqs[r])
	p.reserved[key] = u
	p.claims = append(p.claims, claim{w, r, key})
}

// claimed reports whether the waiter has a claim on the key already. Its claims
// are the last ones made.
func (p *pass) claimed(w *waiter, key string) bool {
	for i := len(p.claims) - 1; i >= 0 && p.claims[i].w == w; i-- {
		if p.claims[i].key == key {
			return true
		}
	}
	return false
}

// anyLeft reports whether a later waiter of the class could get or reserve
// anything.
func (p *pass) anyLeft(c *class) bool {
	for r := range c.reqs {
		req := &c.reqs[r]
		for i := range req.Candidates {
			k := req.Candidates[i].Key
			if u := p.s.unitsOf(k).plus(p.reserved[k]); u.free(req) > 0 || u.joinable() {
				return true
			}
		}
	}
	return false
}

// withoutDependents is what is reserved by those earlier waiters that could
// start although w waits.
//
// The others cannot: what they lack sits in leases that w's requester, or the
// requester of another such waiter, gives back only after it was served.
// Reserving against w would then keep both waiting for ever, w for the
// reservation and the reserver for w's parents. So w may take those keys;
// nobody loses a start by it.
func (p *pass) withoutDependents(w *waiter) map[string]units {
	dependent := map[*waiter]bool{w: true}
	pinned := make(map[string]bool)
	pin := func(w *waiter) {
		for _, id := range w.parents {
			pinned[id] = true
		}
	}
	pin(w)
	for grown := true; grown; {
		grown = false
		for _, v := range p.s.queue {
			if !dependent[v] && !p.s.startable(v, pinned) {
				dependent[v] = true
				pin(v)
				grown = grown || len(v.parents) > 0
			}
		}
	}
	reserved := make(map[string]units)
	for _, c := range p.claims {
		if !dependent[c.w] {
			u := reserved[c.key]
			u.add(&c.w.class.reqs[c.req])
			reserved[c.key] = u
		}
	}
	return reserved
}

// startable reports whether the waiter could be served if every lease were
// given back but the pinned ones.
func (s *State) startable(w *waiter, pinned map[string]bool) bool {
	_, ok := lockcore.Match(w.class.reqs, func(r int, key string) int {
		var u units
		if h := s.keys[key]; h != nil {
			stay := holding{leases: slices.DeleteFunc(slices.Clone(h.leases), func(l *lease) bool { return !pinned[l.id] })}
			stay.recount(key)
			u = stay.units
		}
		return u.free(&w.class.reqs[r])
	}, nil)
	return ok
}

// reservations lists, for people, what is kept aside for whom.
func (s *State) reservations() map[*waiter][]string {
	p := pass{s: s, number: s.passes(), open: len(s.classes)}
	out := make(map[*waiter][]string)
	for _, w := range s.queue {
		if p.finished() {
			break
		}
		p.serve(w, nil)
	}
	for _, c := range p.claims {
		if s.unitsOf(c.key).free(&c.w.class.reqs[c.req]) > 0 {
			out[c.w] = append(out[c.w], c.key)
		}
	}
	return out
}
