package sched

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Greedy is a policy for comparison only: nothing is reserved, whoever fits
// takes. It is what locks that are polled for amount to, and it starves those
// who want much.
const Greedy lockcore.QueuePolicy = -1

const (
	// never is the expected end of what nothing is known of.
	never int64 = math.MaxInt64
	// nobody is a moment before which nobody is back.
	nobody int64 = math.MinInt64
)

// later adds without overflow: whoever says that he holds for 300 years means
// "for ever".
func later(at int64, d time.Duration) int64 {
	if int64(d) > never-1-at {
		return never - 1
	}
	return at + int64(d)
}

// expected is what the ticket says about how long it will hold; 0: nothing.
func expected(t *lockcore.Ticket) time.Duration {
	if t.For > 0 {
		return t.For
	}
	return t.Expect
}

// known is how long the waiter will hold what it asks for: what it says itself, else
// the median of what earlier runs of its test took, else 0: unknown.
func (w *waiter) known() time.Duration {
	if w.expect > 0 {
		return w.expect
	}
	return w.learned
}

// expectation is the same, or a guess where it is unknown: the usual time.
func (w *waiter) expectation() time.Duration {
	if known := w.known(); known > 0 {
		return known
	}
	return w.guess
}

// expectedEnd is when the lease will be given back. One that has overrun its
// expectation is expected to take half as long again as it has taken: whatever
// hangs has always taken longest already, and a guess that grows with it lets
// the short ones go round it.
//
// Rejected, after simulations with 20 seeds. To expect of holders what three of
// four runs took, not the median, and to let a guess grow by a quarter only, makes
// the longest waits 5 to 10 % shorter, and the mean longer as often as shorter. To
// let waiters put up with delays of a share of their wait delays a line again and
// again, and doubles the longest waits.
func (s *State) expectedEnd(l *lease) int64 {
	switch {
	case l.kept, l.kind != leased:
		return l.expires
	case l.expect <= 0 && l.guess <= 0:
		return never
	}
	end := later(l.since, cmp.Or(l.expect, l.guess))
	if end <= s.now {
		end = later(s.now, time.Duration(s.now-l.since)/2)
	}
	return end
}

// shadow is the earliest moment at which, by the expected ends, everything that
// the blocked waiter asks for could be had at once; never if that hangs on a
// holder of whom nothing is known. What is reserved for earlier waiters counts
// as taken until they have come and gone.
func (p *pass) shadow(w *waiter) int64 {
	if w.shadowPass == p.number {
		return w.shadow
	}
	w.shadowPass, w.shadow = p.number, never
	if reqs := w.class.reqs; len(reqs) == 1 && reqs[0].Seats == 0 {
		w.shadow = p.shadowOfOne(w, &reqs[0])
	} else {
		w.shadow = p.shadowOfMany(w)
	}
	if w.shadow > p.s.now && w.shadow != never {
		p.look = min(p.look, w.shadow)
	}
	return w.shadow
}

// shadowOfOne is the shadow of a waiter with one requirement for whole resources:
// the moment at which the last of as many candidates as it needs comes free, the
// earliest first. There are no choices to be tried out.
func (p *pass) shadowOfOne(w *waiter, r *lockcore.Requirement) int64 {
	claimed := make(map[string]int64)
	for _, c := range p.claims {
		if c.w == w {
			break // claims are in the order of the queue
		}
		if other := &c.w.class.reqs[c.req]; !(r.Shared && other.Shared) {
			claimed[c.key] = max(claimed[c.key], p.claimEnd(c.w))
		}
	}
	free := make([]int64, 0, len(r.Candidates))
	for i := range r.Candidates {
		k := r.Candidates[i].Key
		at := p.s.now
		if len(claimed) > 0 {
			at = max(at, claimed[k])
		}
		if h := p.s.keys[k]; h != nil {
			for _, l := range h.leases {
				if !(r.Shared && l.shares(k)) {
					at = max(at, p.s.expectedEnd(l))
				}
			}
		}
		if at != never {
			free = append(free, at)
		}
	}
	if len(free) < r.Units() {
		return never
	}
	slices.Sort(free)
	return free[r.Units()-1]
}

// shares reports whether the lease has the key in shared use only.
func (l *lease) shares(key string) bool {
	for r, keys := range l.obtained {
		if !l.reqs[r].Shared && slices.Contains(keys, key) {
			return false
		}
	}
	return true
}

// claimEnd is when what an earlier waiter has reserved is expected to come back.
func (p *pass) claimEnd(w *waiter) int64 {
	end := p.shadow(w)
	if end != never {
		end = later(end, w.expectation())
	}
	return end
}

// shadowOfMany tries the moments at which something comes back.
func (p *pass) shadowOfMany(w *waiter) int64 {
	takers := p.takers(w)
	ends := []int64{p.s.now}
	for _, ts := range takers {
		for _, t := range ts {
			if t.end > p.s.now && t.end != never {
				ends = append(ends, t.end)
			}
		}
	}
	slices.Sort(ends)
	ends = slices.Compact(ends)
	reqs := w.class.reqs
	if i := firstTrue(len(ends), func(i int) bool {
		_, ok := lockcore.Match(reqs, func(r int, key string) int {
			var u units
			for _, t := range takers[key] {
				if t.end > ends[i] {
					u.add(t.mode)
				}
			}
			return u.free(&reqs[r])
		}, nil)
		return ok
	}); i < len(ends) {
		return ends[i]
	}
	return never
}

// firstTrue is the least i in [0, n) for which f holds, if it holds for all
// above; n if there is none.
func firstTrue(n int, f func(i int) bool) int {
	lo, hi := 0, n
	for lo < hi {
		if mid := (lo + hi) / 2; f(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// A taker is one unit of a key that is taken until a moment.
type taker struct {
	mode *lockcore.Requirement
	end  int64
}

// takers lists by key who is in the way of a waiter: holders, and earlier
// waiters with their reservations.
func (p *pass) takers(w *waiter) map[string][]taker {
	out := make(map[string][]taker, len(w.class.keys()))
	for k := range w.class.keys() {
		h := p.s.keys[k]
		if h == nil {
			continue
		}
		ts := make([]taker, 0, len(h.leases))
		for i, l := range h.leases {
			if i > 0 && h.leases[i-1] == l {
				continue // its units were all listed when it was first met
			}
			end := p.s.expectedEnd(l)
			for r, keys := range l.obtained {
				for _, o := range keys {
					if o == k {
						ts = append(ts, taker{&l.reqs[r], end})
					}
				}
			}
		}
		out[k] = ts
	}
	for _, c := range p.claims {
		if c.w == w {
			break // claims are in the order of the queue
		}
		if _, listed := w.class.keys()[c.key]; !listed {
			continue
		}
		out[c.key] = append(out[c.key], taker{&c.w.class.reqs[c.req], p.claimEnd(c.w)})
	}
	return out
}

// bound is the moment before which whoever uses what is reserved for the waiter has
// to be back; nobody, if it is unknown when the waiter could start, or if its patience
// is at its end. It is the later one of its shadow time and its promise, unless that
// is too far away.
func (p *pass) bound(w *waiter) int64 {
	now := p.s.now
	if p.s.impatient(w) {
		return nobody
	}
	s := p.shadow(w)
	if s == never {
		return nobody
	}
	latest, near := max(s, w.promise)-now, max((s-now)/shadowShare, (w.patienceEnd(now)-now)/patienceShare)
	if near < latest && w.delayed == 0 {
		// A fifth of three times its wait is more than near when it has waited for 5/3 of
		// that. Somebody looks a little later: then there may be one to be let past.
		p.look = min(p.look, w.arrived+2*near)
	}
	return now + wholeMicros(min(latest, near))
}

const (
	// shadowShare and patienceShare say how near the return of those who are let past a
	// waiter has to be: within a third of the time until its shadow time, or within a
	// fifth of its patience. Of the runs of a test one in many hangs, and takes several
	// times as long as all others: such a one is back, then, about when the waiter could
	// start, or when its patience ends.
	shadowShare   = 3
	patienceShare = 5
)

// promise makes a promise to every waiter with a claim on what the class lists, unless
// it has one or nobody knows when it could start. It is called when one of the class
// is looked at that could be let past others.
//
// A promise is the moment by which a waiter could start at the latest, as far as
// anybody knows when it is made, and as long as its patience lasts. It may be delayed
// until that moment, but no further, whoever overruns: a delay that grows with the
// shadow time would be granted anew each time.
//
// It is behind the shadow time by a twentieth of the wait until then, less a second: who
// has to wait for an hour does not mind three minutes; and where everybody holds for
// moments, in which every hand-over counts, nobody is delayed.
//
//	it could start in 10 m, and came 15 m ago    promised in 10 m + 75 s - 1 s
//
// What was tried else, with figures, stands in the doc of package simulate.
func (p *pass) promise(c *class) {
	if c.promisePass != p.number {
		c.promisePass, c.promiseClaims = p.number, 0
	}
	if c.promiseClaims == len(p.claims) {
		return
	}
	for _, cl := range p.claims[c.promiseClaims:] {
		w := cl.w
		if w.promise != 0 || !c.lists(cl.key) {
			continue
		}
		if s := p.shadow(w); s != never {
			delay := (s-w.arrived)/promisePart - int64(notDelayed)
			at := later(s, time.Duration(max(0, delay)))
			w.promise = p.s.now + wholeMicros(at-p.s.now)
			p.s.noteWaiter(w)
		}
	}
	c.promiseClaims = len(p.claims)
}

const (
	// promisePart says by which part of its wait until its shadow time a waiter may be
	// delayed.
	promisePart = 20
	// notDelayed is by how much less it may be.
	notDelayed = time.Second
)

// wholeMicros leaves out what is less than a microsecond, so that whoever follows
// these rules elsewhere and counts in microseconds comes to the same.
func wholeMicros(d int64) int64 { return d / 1000 * 1000 }

// reservedAgainst adds up the reservations that count against a request that is
// expected back at the moment.
func (p *pass) reservedAgainst(back int64) map[string]units {
	return p.claimsOf(func(v *waiter) bool { return p.bound(v) <= back })
}
