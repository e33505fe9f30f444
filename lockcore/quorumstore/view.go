package quorumstore

import (
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// A glimpse is what one server last said about who holds what, kept up to date
// by what it publishes. It may be wrong at any moment and is never trusted: it
// only says which question is worth asking. The zero value knows nothing, and
// takes every key to be free.
type glimpse struct {
	keys   map[string][]holding
	leases map[string]*seen
	ended  map[string]int64 // attempts that ended lately
	order  []string         // of ended, oldest first
	used   map[string]int64 // last uses under LeastRecentlyUsed, in microseconds
}

// seen is a lease that a server told of.
type seen struct {
	id      string
	attempt int64
	until   time.Time // when it ends unless renewed
	units   []unit
}

// A holding is one unit of a key.
type holding struct {
	lease *seen
	mode  modes.Mode
}

// endedKept is how many ends of leases are remembered.
const endedKept = 512

// observe takes in an answer to a question about keys; nil means all there are.
//
// The answer may be older than what was published since, as the two come on
// different connections. So a lease that is known to have ended stays so.
func (g *glimpse) observe(keys []string, leases []*seen) {
	if keys == nil {
		g.keys, g.leases = nil, nil
	}
	for _, k := range keys {
		for len(g.keys[k]) > 0 {
			g.remove(g.keys[k][0].lease)
		}
	}
	for _, l := range leases {
		if !g.over(l.id, l.attempt) {
			g.put(l)
		}
	}
}

// put enters a lease.
func (g *glimpse) put(l *seen) {
	if old := g.leases[l.id]; old != nil {
		g.remove(old)
	}
	if g.leases == nil {
		g.leases, g.keys = make(map[string]*seen), make(map[string][]holding)
	}
	g.leases[l.id] = l
	for _, u := range l.units {
		g.keys[u.name] = append(g.keys[u.name], holding{l, u.mode})
	}
}

func (g *glimpse) remove(l *seen) {
	if g.leases[l.id] == l {
		delete(g.leases, l.id)
	}
	for _, u := range l.units {
		rest := slices.DeleteFunc(g.keys[u.name], func(h holding) bool { return h.lease == l })
		if len(rest) == 0 {
			delete(g.keys, u.name)
		} else {
			g.keys[u.name] = rest
		}
	}
}

// drop takes out a lease by its id.
func (g *glimpse) drop(id string) {
	if l := g.leases[id]; l != nil {
		g.remove(l)
	}
}

// end notes that an attempt of a lease, and those before it, are over.
func (g *glimpse) end(id string, attempt int64) {
	if g.ended == nil {
		g.ended = make(map[string]int64)
	}
	if at, ok := g.ended[id]; !ok {
		g.order = append(g.order, id)
		if len(g.order) > endedKept {
			delete(g.ended, g.order[0])
			g.order = g.order[1:]
		}
		g.ended[id] = attempt
	} else {
		g.ended[id] = max(at, attempt)
	}
	if l := g.leases[id]; l != nil && l.attempt <= attempt {
		g.remove(l)
	}
}

// over reports whether the server told of the end of an attempt.
func (g *glimpse) over(id string, attempt int64) bool {
	at, ok := g.ended[id]
	return ok && at >= attempt
}

// units is how a key is taken.
func (g *glimpse) units(key string, now time.Time) (u modes.Units) {
	for _, h := range g.keys[key] {
		if h.lease.until.After(now) {
			u.Add(h.mode)
		}
	}
	return u
}

// prune forgets what ended unheard: a view that is not told grows for ever.
func (g *glimpse) prune(now time.Time) {
	for _, l := range g.leases {
		if !l.until.After(now) {
			g.remove(l)
		}
	}
}

// A view is what all servers said, and what attempts of this process are about
// to take.
type view struct {
	servers  []glimpse
	claims   glimpse
	courtesy glimpse // what was just given back and is left to other processes
}

// A freeFunc says how many units of a key a requirement could take.
type freeFunc func(r *lockcore.Requirement, key string) int

// freeAt is what one server would give.
func (v *view) freeAt(i int, now time.Time) freeFunc {
	return func(r *lockcore.Requirement, key string) int {
		u := v.servers[i].units(key, now)
		return u.Free(modeOf(r))
	}
}

// freeByMajority is what a majority would give: of the free units on each
// server, the number that a majority has or exceeds. Servers that are not to count
// give nothing; nil stands for all.
func (v *view) freeByMajority(counted []bool, now time.Time) freeFunc {
	counts := make([]int, len(v.servers))
	if len(counts) == 0 {
		return func(*lockcore.Requirement, string) int { return 0 }
	}
	return func(r *lockcore.Requirement, key string) int {
		for i := range counts {
			counts[i] = 0
			if counted == nil || counted[i] {
				u := v.servers[i].units(key, now)
				counts[i] = u.Free(modeOf(r))
			}
		}
		slices.Sort(counts)
		return counts[len(counts)-majority(len(counts))]
	}
}

// bare fits a freeFunc to [lockcore.Match].
func (v *view) bare(reqs []lockcore.Requirement, free freeFunc) func(int, string) int {
	return func(r int, key string) int { return free(&reqs[r], key) }
}

// beside is bare, bounded by what is claimed in this process.
func (v *view) beside(reqs []lockcore.Requirement, free freeFunc, now time.Time) func(int, string) int {
	return v.bare(reqs, v.except(&v.claims, free, now))
}

// except bounds what is free by what a glimpse has. Both count, as claims are
// not on the servers yet.
func (v *view) except(g *glimpse, free freeFunc, now time.Time) freeFunc {
	return func(r *lockcore.Requirement, key string) int {
		n := free(r, key)
		if n > 0 && len(g.keys[key]) > 0 {
			u := g.units(key, now)
			n = min(n, u.Free(modeOf(r)))
		}
		return n
	}
}

// hold notes a lease that this process was just granted.
func (v *view) hold(l *seen, by []reply) {
	for i := range v.servers {
		if by[i] == yes {
			v.servers[i].put(l)
		}
	}
}

// order is the order in which candidates are looked at. The last use of a key is
// the latest that any server knows of.
func (v *view) order(reqs []lockcore.Requirement, rnd sched.Rand) func(int) func(int) int {
	return sched.Order(reqs, func(key string) int64 {
		var at int64
		for i := range v.servers {
			at = max(at, v.servers[i].used[key])
		}
		return at
	}, rnd)
}

// nextEnd is when the next lease ends that a server told of, or zero.
func (g *glimpse) nextEnd(now time.Time) (at time.Time) {
	for _, l := range g.leases {
		if l.until.After(now) && (at.IsZero() || l.until.Before(at)) {
			at = l.until
		}
	}
	return at
}
