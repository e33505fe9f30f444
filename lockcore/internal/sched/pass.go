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
//
// A pass ends with the one that it lets past others, because those have to reserve
// anew, before anybody else looks at what is left. Who that is, is chosen among all
// who could be: see [pass.letOnePast].
func (s *State) schedule(rnd Rand) {
	s.look = 0
	if s.playing == nil {
		defer func() { s.byWeight = nil }()
	}
	for passes := 1; len(s.queue) > 0; passes++ {
		if s.byWeight == nil && s.Passes == nil && (passes == sortedFrom || s.playing != nil) {
			s.sortByWeight()
		}
		p := s.pass(rnd)
		if !p.passed && (s.nested == 0 || !p.untangle(rnd)) {
			s.lookAt(p.look)
			s.over = p
			return
		}
		s.over = p
	}
}

// lookAt sees to it that somebody looks when the shadow of a waiter is reached,
// and it still waits: then a holder has overrun, and who was too long to be let
// past may not be so any more.
func (s *State) lookAt(at int64) {
	if at != never {
		s.look = max(at, s.now+int64(shortestPoll))
		s.expiresAt(s.look)
	}
}

func (s *State) pass(rnd Rand) *pass {
	p := s.newPass()
	var served []*waiter
	for i, w := range s.queue {
		if p.finished() {
			break
		}
		if s.byWeight != nil && (p.open == 0 || p.nothingLeft()) {
			p.shutFrom(i)
			p.considerFrom(i)
			break
		}
		if picks := p.serve(w, rnd); picks != nil {
			served = append(served, w)
			s.grant(w, picks, false)
		}
	}
	if s.forecast {
		p.lastBound() // has somebody look when the shadow of any of them is reached
	}
	if picks := p.letOnePast(rnd); picks != nil {
		served = append(served, p.best.w)
		s.grant(p.best.w, picks, true)
		p.passed = true
	}
	for _, w := range served {
		s.remove(w)
	}
	return p
}

// newPass numbers the passes, so that marks of an old one need no clearing. It takes up
// the memory of one that is over: a forecast makes thousands.
func (s *State) newPass() *pass {
	s.passCount++
	p := s.over
	if s.over = nil; p == nil {
		p = new(pass)
	}
	clear(p.reserved)
	clear(p.until[0])
	clear(p.until[1])
	*p = pass{s: s, number: s.passCount, open: len(s.classes), look: never,
		reserved: p.reserved, claims: p.claims[:0], past: backfilled{taken: p.past.taken[:0]}, until: p.until, backs: backs{free: p.backs.free[:0], at: p.backs.at[:0]}}
	return p
}

// A pass is one walk along the queue.
type pass struct {
	s        *State
	number   uint64
	open     int                 // classes for which there may be something left
	reserved map[string]units    // by the waiters passed so far
	claims   []claim             // the same, by waiter
	best     candidate           // who is to be let past others
	passed   bool                // it was
	look     int64               // the first shadow
	past     backfilled          // see there
	looking  bool                // nobody is to be let past others
	until    [2]map[string]until // see claimedUntil
	backs    backs
	closed   int // keys that are reserved exclusively

	last       int64 // see lastBound
	lastClaims int
	exhausted  []lockcore.Candidate // a list of which nothing is left, see anyLeft
}

// A claim is one unit reserved by a blocked waiter.
type claim struct {
	w   *waiter
	req int
	key string
}

// finished reports whether nobody further back can get or reserve anything.
//
// Where something is reserved, somebody further back may be let past.
func (p *pass) finished() bool {
	return p.open == 0 && (len(p.claims) == 0 || p.s.Policy != lockcore.Backfill)
}

// serve returns what the waiter gets, by requirement, or nil after reserving
// what it could use.
func (p *pass) serve(w *waiter, rnd Rand) [][]string {
	c := w.class
	p.s.looks++
	if c.pass == p.number {
		p.consider(w)
		return nil
	}
	if p.waitsForOutage(c) {
		c.pass = p.number
		p.open--
		return nil
	}
	if p.nothingLeft() || !p.anyLeft(c) {
		p.shut(w)
		return nil
	}
	reqs := p.usable(c)
	picks, complete := lockcore.Match(reqs, p.s.freeBeside(reqs, p.reserved), nil)
	if !complete {
		p.consider(w)
		p.noteDelay(w, count(picks))
		if p.s.Policy != Greedy {
			p.reserve(w, picks)
		}
		if !p.anyLeft(c) {
			c.pass = p.number
			p.open--
		}
		return nil
	}
	if rnd != nil {
		// Any complete matching will do, so take one in the order of choice. The
		// first was in the order of the candidates because that is what a blocked
		// waiter reserves: the same keys in every pass.
		picks, _ = lockcore.Match(reqs, p.s.freeBeside(reqs, p.reserved), p.s.visit(reqs, rnd))
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

// reserve keeps aside for a blocked waiter what it could use now, which is what
// picks says, and keeps newcomers off keys that it waits to have without their
// present holders; both together at most what it needs.
//
// Newcomers are kept off only where they could join: a key that is held
// exclusively comes free by itself, and this waiter looks at it first.
func (p *pass) reserve(w *waiter, picks [][]string) {
	reqs := p.usable(w.class)
	if joins := p.joinable(reqs); joins != nil {
		picks = p.withDrained(reqs, picks, joins)
	}
	for r, keys := range picks {
		for _, k := range keys {
			p.claim(w, r, k)
		}
	}
}

// joinable lists the candidates that others could join and the requirement
// could not, as "requirement, candidate" pairs; nil if there are none.
func (p *pass) joinable(reqs []lockcore.Requirement) (joins []map[int]bool) {
	for r := range reqs {
		for i, c := range reqs[r].Candidates {
			if u := p.unitsOf(c.Key); u.Joinable() && u.free(&reqs[r]) == 0 {
				if joins == nil {
					joins = make([]map[int]bool, len(reqs))
				}
				if joins[r] == nil {
					joins[r] = make(map[int]bool)
				}
				joins[r][i] = true
			}
		}
	}
	return joins
}

// withDrained extends a matching over the free keys by keys to be drained. Each
// requirement looks at what it has first, then at keys to drain: so every free
// key that was matched stays matched, if perhaps to another requirement.
func (p *pass) withDrained(reqs []lockcore.Requirement, picks [][]string, joins []map[int]bool) [][]string {
	orders := make([][]int, len(reqs))
	drain := make([]map[string]bool, len(reqs))
	for r := range reqs {
		var has, drains, rest []int
		drain[r] = make(map[string]bool)
		for i, c := range reqs[r].Candidates {
			switch {
			case slices.Contains(picks[r], c.Key):
				has = append(has, i)
			case joins[r][i]:
				drains = append(drains, i)
				drain[r][c.Key] = true
			default:
				rest = append(rest, i)
			}
		}
		orders[r] = slices.Concat(has, drains, rest)
	}
	free := p.s.freeBeside(reqs, p.reserved)
	out, _ := lockcore.Match(reqs, func(r int, key string) int {
		if drain[r][key] {
			return max(1, reqs[r].Seats)
		}
		return free(r, key)
	}, func(r int) func(int) int { return func(i int) int { return orders[r][i] } })
	return out
}

// unitsOf is how a key is taken and reserved.
func (p *pass) unitsOf(key string) units { return p.s.unitsOf(key).plus(p.reserved[key]) }

// claim reserves a unit of a key for requirement r, or for one that lists the
// key too and wants it exclusively: which of them will get the key is open
// until all are met, and readers must not slip in meanwhile.
func (p *pass) claim(w *waiter, r int, key string) {
	r = w.class.strictest(r, key)
	if p.reserved == nil {
		p.reserved = make(map[string]units)
	}
	u := p.reserved[key]
	was := u.Exclusive
	u.add(&w.class.reqs[r])
	p.reserved[key] = u
	if was == 0 && u.Exclusive > 0 {
		p.closed++
	}
	p.claims = append(p.claims, claim{w, r, key})
}

// anyLeft reports whether a later waiter of the class could get or reserve
// anything.
//
// If nothing is left of a list for one class, then nothing is left for another, in
// whatever mode that takes its keys: what nobody has is free for all of them, and what
// is shared or given out by the seat can be joined until it is full or reserved.
func (p *pass) anyLeft(c *class) bool {
	reqs := p.usable(c)
	for r := range reqs {
		req := &reqs[r]
		if sameKeys(req.Candidates, p.exhausted) {
			continue
		}
		p.s.looks += len(req.Candidates)
		for i := range req.Candidates {
			k := req.Candidates[i].Key
			reserved := p.reserved[k]
			if reserved.Exclusive > 0 {
				continue // whatever it is held like
			}
			if u := p.s.unitsOf(k).plus(reserved); u.free(req) > 0 || u.Joinable() {
				return true
			}
		}
		p.exhausted = req.Candidates
	}
	return false
}

// sameKeys reports whether two lists are of the same keys in the same order. The
// classes of a line often differ by need or name only, and what was found for one
// then holds for the next.
func sameKeys(a, b []lockcore.Candidate) bool {
	return slices.EqualFunc(a, b, func(a, b lockcore.Candidate) bool { return a.Key == b.Key })
}

// reservations lists, for people, what is kept aside for whom.
func (s *State) reservations() map[*waiter][]string {
	p := s.newPass()
	p.looking = true
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
