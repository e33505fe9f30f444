package sched

import (
	"slices"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Requests that are made while their requester holds other leases can be kept
// waiting by reservations alone. A suite holds the rack, and its test wants the
// board; somebody in line before it wants both, and has the board reserved. It
// will not get the rack before the suite's test is done, and the test not the
// board: a circle that would not be there without the reservation.

// untangle looks for waiters that are stuck in such circles and serves the
// first nested one of them that can be served when the claims of the others do
// not count. It reports whether there was one; then everybody is looked at
// again.
//
// Taking what stuck waiters reserved costs nobody a start: none of them can
// start before one of the circle does.
func (p *pass) untangle(rnd Rand) bool {
	stuck := p.stuck()
	for _, w := range p.s.queue {
		if !stuck[w] || len(w.parents) == 0 {
			continue
		}
		reserved := p.claimsOf(func(v *waiter) bool { return !stuck[v] && byRank(v, w) < 0 })
		free := p.s.freeBeside(w.class.reqs, reserved)
		if picks, ok := lockcore.Match(w.class.reqs, free, p.s.visit(w.class.reqs, rnd)); ok {
			p.s.remove(w)
			p.s.grant(w, picks, false)
			return true
		}
	}
	return false
}

// stuck finds the waiters that wait for each other, and those behind them.
// Everybody is taken to be stuck until it is shown that they are not: who could
// be served if all leases were given back but those that stuck requesters sit
// on, and if only stuck waiters kept their claims, will be served sooner or
// later. What is left when nothing changes any more is stuck.
func (p *pass) stuck() map[*waiter]bool {
	stuck := make(map[*waiter]bool, len(p.s.queue))
	for _, w := range p.s.queue {
		stuck[w] = true
	}
	for changed := true; changed; {
		changed = false
		pinned := make(map[string]bool)
		for w := range stuck {
			for _, id := range w.parents {
				pinned[id] = true
			}
		}
		for _, w := range p.s.queue {
			if stuck[w] && p.startable(w, stuck, pinned) {
				delete(stuck, w)
				changed = true
			}
		}
	}
	return stuck
}

func (p *pass) startable(w *waiter, stuck map[*waiter]bool, pinned map[string]bool) bool {
	claimed := p.claimsOf(func(v *waiter) bool { return stuck[v] && byRank(v, w) < 0 })
	_, ok := lockcore.Match(w.class.reqs, func(r int, key string) int {
		u := claimed[key]
		if h := p.s.keys[key]; h != nil {
			stay := holding{leases: slices.DeleteFunc(slices.Clone(h.leases), func(l *lease) bool { return !pinned[l.id] })}
			stay.recount(key)
			u = u.plus(stay.units)
		}
		return u.free(&w.class.reqs[r])
	}, nil)
	return ok
}

// claimsOf adds up what some of the waiters have reserved.
func (p *pass) claimsOf(some func(*waiter) bool) map[string]units {
	out := make(map[string]units)
	for _, c := range p.claims {
		if some(c.w) {
			u := out[c.key]
			u.add(&c.w.class.reqs[c.req])
			out[c.key] = u
		}
	}
	return out
}
