package sched

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A candidate could be let past all whose claims stood when it was looked at.
type candidate struct {
	w      *waiter
	score  float64
	claims int
}

// score is the time for which the waiter keeps keys from others, as a share of the
// time that it has stood in line, times the square root of how many keys it wants: the
// least is let past first. A long wait makes up for a long hold and a large need in
// the end, so nobody who could be let past is passed over for ever; and who waits
// longer goes before others of the same length. The number of keys itself, not its
// root, would make those wait longer who want many.
//
// The score is worked out in microseconds, in which whoever follows these rules
// elsewhere counts, so that equals are equal there, too.
func (s *State) score(w *waiter) float64 {
	return scoreOf(w.heaviness(), s.waitOf(w))
}

func scoreOf(weight float64, wait int64) float64 {
	return weight / (float64(wait+int64(freshWait)) / 1e3)
}

func (s *State) waitOf(w *waiter) int64 { return max(0, s.now-w.rank()) }

// freshWait is added to everybody's wait when one is chosen to be let past others:
// among those who have just come, the shortest and smallest are first.
const freshWait = time.Second

// consider notes a blocked waiter as the one to be let past others, if it could be
// and no better one is known. Whether it could be is found out last, because that costs
// most.
func (p *pass) consider(w *waiter) {
	if p.s.Passes != nil {
		p.follow(w)
		return
	}
	e := w.expectation()
	if e <= 0 || len(p.claims) == 0 || p.looking || p.s.Policy != lockcore.Backfill {
		return
	}
	p.promise(w.class)
	if score := p.s.score(w); (p.best.w == nil || score < p.best.score) && p.mayPass(w.class, later(p.s.now, e)) {
		p.best = candidate{w, score, len(p.claims)}
	}
}

// sortedFrom is the pass of a step from which on the waiters are sorted by their weights:
// sorting costs as much as a pass or two, and most steps have no more than two. In a
// forecast they are sorted once.
const sortedFrom = 3

// heaviness is the score without the wait.
func (w *waiter) heaviness() float64 {
	return float64(w.expectation()) / 1e3 * math.Sqrt(float64(w.class.need))
}

// sortByWeight sorts those who could be let past others at some time, for considerFrom.
func (s *State) sortByWeight() {
	s.byWeight = make([]*waiter, 0, len(s.queue))
	for i, w := range s.queue {
		w.place, w.weight = i, w.heaviness()
		if w.weight > 0 {
			s.byWeight = append(s.byWeight, w)
		}
	}
	slices.SortFunc(s.byWeight, byWeight)
}

func byWeight(a, b *waiter) int {
	return cmp.Or(cmp.Compare(a.weight, b.weight), cmp.Compare(a.place, b.place))
}

// considerFrom is consider for all from a place in line on, once nothing is left for
// them to get or to reserve: where a step lets many past, a pass need not look at
// everybody. None of them has waited for longer than the first; so those who would be
// too heavy even with its wait need no look, nor those behind them in the order of
// weights.
func (p *pass) considerFrom(first int) {
	if len(p.claims) == 0 || p.looking || p.s.Policy != lockcore.Backfill {
		return
	}
	rest := p.s.queue[first:]
	if slices.ContainsFunc(p.claims, func(c claim) bool { return c.w.promise == 0 }) {
		for _, w := range rest {
			if w.expectation() > 0 && w.skipped != p.number {
				p.promise(w.class)
			}
		}
	}
	longest := p.s.waitOf(rest[0])
	for _, w := range p.s.byWeight {
		if p.best.w != nil && scoreOf(w.weight, longest) > p.best.score {
			return
		}
		p.s.looks++
		if w.place < rest[0].place || w.skipped == p.number {
			continue
		}
		score := scoreOf(w.weight, p.s.waitOf(w))
		if better := p.best.w == nil || score < p.best.score || score == p.best.score && w.place < p.best.w.place; better && p.couldPass(w) && p.mayPass(w.class, later(p.s.now, w.expectation())) {
			p.best = candidate{w, score, len(p.claims)}
		}
	}
}

// couldPass reports whether a look at what the waiter lists may find that it can be let
// past others. In a forecast, once nothing is open that is not reserved, it can not if it
// needs more than is open, or is back after the bounds of all for whom anything is
// reserved.
func (p *pass) couldPass(w *waiter) bool {
	if !p.nothingLeft() {
		return true
	}
	if reqs := w.class.reqs; len(reqs) == 1 && reqs[0].Seats == 0 && reqs[0].Units() > p.s.playing.open {
		return false
	}
	return later(p.s.now, w.expectation()) < p.lastBound()
}

// lastBound is the latest bound of those for whom anything is reserved.
func (p *pass) lastBound() int64 {
	if p.lastClaims != len(p.claims) && p.s.Policy == lockcore.Backfill {
		p.lastClaims, p.last = len(p.claims), nobody
		for i, c := range p.claims {
			if i == 0 || p.claims[i-1].w != c.w {
				p.last = max(p.last, p.bound(c.w))
			}
		}
	}
	return p.last
}

// letOnePast returns what the one to be let past gets out of what is reserved for
// those before it; nil if there is none.
func (p *pass) letOnePast(rnd Rand) [][]string {
	if p.best.w == nil {
		return nil
	}
	all := p.claims
	p.claims = all[:p.best.claims] // who stands behind it has no claim against it
	defer func() { p.claims = all }()
	reqs := p.usable(p.best.w.class)
	// As much as it can of what nobody has reserved, so that nobody is passed
	// without need.
	reserved := p.claimsOf(func(*waiter) bool { return true })
	unclaimed, _ := lockcore.Match(reqs, p.s.freeBeside(reqs, reserved), p.s.visit(reqs, rnd))
	free := p.s.freeBeside(reqs, p.against(p.best.w))
	picks, ok := lockcore.Match(reqs, free, preferring(reqs, unclaimed, p.s.visit(reqs, rnd)))
	if !ok {
		return nil
	}
	return picks
}

// against adds up the reservations that count against the one to be let past.
func (p *pass) against(w *waiter) map[string]units {
	if p.s.Passes != nil {
		return p.claimsOf(func(v *waiter) bool { return !p.s.Passes(w.id, v.id) })
	}
	return p.reservedAgainst(later(p.s.now, w.expectation()))
}

// follow is consider where it was decided before who is let past whom: the first in line
// that can be served is next.
func (p *pass) follow(w *waiter) {
	if p.best.w != nil || !slices.ContainsFunc(p.claims, func(c claim) bool { return p.s.Passes(w.id, c.w.id) }) {
		return
	}
	reqs := p.usable(w.class)
	if _, ok := lockcore.Match(reqs, p.s.freeBeside(reqs, p.against(w)), nil); ok {
		p.best = candidate{w, 0, len(p.claims)}
	}
}

// preferring puts the keys that a requirement has first, and leaves the rest in
// its order.
func preferring(reqs []lockcore.Requirement, has [][]string, visit func(r int) func(int) int) func(r int) func(int) int {
	return func(r int) func(int) int {
		cands, at := reqs[r].Candidates, visit(r)
		var first, rest []int
		for i := range cands {
			j := i
			if at != nil {
				j = at(i)
			}
			if slices.Contains(has[r], cands[j].Key) {
				first = append(first, j)
			} else {
				rest = append(rest, j)
			}
		}
		order := append(first, rest...)
		return func(i int) int { return order[i] }
	}
}

// mayPass reports whether a request of the class that is expected back at the
// moment can be served if the reservations that do not count against it are
// ignored. The class remembers up to when one has to be back for that, so that a
// thousand waiters cost little more than one.
func (p *pass) mayPass(c *class, back int64) bool {
	if c.limitPass == p.number && c.limitClaims == len(p.claims) {
		return back < c.limit
	}
	c.limitPass, c.limitClaims, c.limit = p.number, len(p.claims), nobody
	reqs := p.usable(c)
	if len(reqs) == 1 && reqs[0].Seats == 0 {
		c.limit = p.limitOfOne(c)
		return back < c.limit
	}
	fits := func(reserved map[string]units) bool {
		_, ok := lockcore.Match(reqs, p.s.freeBeside(reqs, reserved), nil)
		return ok
	}
	if !fits(nil) {
		return false
	}
	var bounds []int64 // the latest first
	for _, cl := range p.claims {
		if _, listed := c.keys()[cl.key]; listed {
			if b := p.bound(cl.w); b != nobody && !slices.Contains(bounds, b) {
				bounds = append(bounds, b)
			}
		}
	}
	slices.SortFunc(bounds, func(a, b int64) int {
		if a > b {
			return -1
		}
		return 1
	})
	if i := firstTrue(len(bounds), func(i int) bool { return fits(p.reservedAgainst(bounds[i] - 1)) }); i < len(bounds) {
		c.limit = bounds[i]
	}
	return back < c.limit
}
