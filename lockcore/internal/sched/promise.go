package sched

import (
	"math"
	"slices"
)

// A promise was made to a waiter when a request that came later was let past it:
// that it is back by the shadow time of that moment.
type promise struct {
	to   string
	back int64
}

// promisesOf lists what is promised to whom for the keys that are taken although
// they are reserved.
func (p *pass) promisesOf(picks [][]string, back int64) []promise {
	var out []promise
	for _, c := range p.claims {
		b := p.bound(c.w)
		if b <= back || slices.ContainsFunc(out, func(o promise) bool { return o.to == c.w.id }) {
			continue
		}
		for _, keys := range picks {
			if slices.Contains(keys, c.key) {
				out = append(out, promise{c.w.id, b})
				break
			}
		}
	}
	return out
}

// promised notes when the first promise of the lease may be broken.
func (s *State) promised(l *lease) {
	for _, p := range l.promises {
		s.due = min(s.due, p.back)
	}
}

// settle counts the promises that are broken: whoever was let past a waiter and
// still holds when it should be back, harms it. Harm is counted once for each
// request that was let past, however late it is.
//
// It runs before anything else in a step, so a lease that is given back too late
// is still there to be seen.
func (s *State) settle() {
	if s.now <= s.due {
		return
	}
	s.due = math.MaxInt64
	for _, l := range s.leases {
		l.promises = slices.DeleteFunc(l.promises, func(p promise) bool {
			w := s.waiting[p.to]
			if w != nil && p.back < s.now {
				w.broken++
			}
			return w == nil || p.back < s.now
		})
		s.promised(l)
	}
}

// budget is how many may break their promise to a waiter of the class before
// nobody is let past it any more: twice the size of the pool that it could use.
//
// It is there for those who lie about their length, and must stay out of the way
// of everybody else: where a test in thirty hangs, a small budget is soon spent,
// and a waiter that lets nobody past makes all others wait.
func (c *class) budget() int {
	n := 0
	for _, units := range c.keys() {
		n += units
	}
	return 2 * n
}

// keys are the candidates of the class, with the number of units of each.
func (c *class) keys() map[string]int {
	if c.units == nil {
		c.units = make(map[string]int)
		for i := range c.reqs {
			for _, k := range c.reqs[i].Candidates {
				c.units[k.Key] = max(c.units[k.Key], c.reqs[i].Seats, 1)
			}
		}
	}
	return c.units
}
