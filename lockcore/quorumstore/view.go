package quorumstore

import (
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// A leaseTable is what one server last said about its leases, kept up to date by what
// it publishes. It may be wrong at any moment, so nothing is granted by it: it only
// tells which keys are worth asking for. In the zero value every key is free.
type leaseTable struct {
	keys   map[string][]holding
	leases map[string]*knownLease
	ended  map[string]int64 // attempts that ended lately
	order  []string         // of ended, oldest first
	used   map[string]int64 // last uses under LeastRecentlyUsed, in microseconds
}

// A knownLease is a lease that a server reported.
type knownLease struct {
	id      string
	attempt int64
	until   time.Time // when it ends unless renewed
	units   []unit
}

// A holding is one unit of a key.
type holding struct {
	lease *knownLease
	mode  modes.Mode
}

// endedKept is how many ends of leases are remembered.
const endedKept = 512

// observe takes in an answer to a question about keys; nil means all there are.
//
// The answer may be older than a message that arrived before it, as the two come on
// different connections. So a lease that is known to have ended is not entered again.
func (g *leaseTable) observe(keys []string, leases []*knownLease) {
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
func (g *leaseTable) put(l *knownLease) {
	if old := g.leases[l.id]; old != nil {
		g.remove(old)
	}
	if g.leases == nil {
		g.leases, g.keys = make(map[string]*knownLease), make(map[string][]holding)
	}
	g.leases[l.id] = l
	for _, u := range l.units {
		g.keys[u.name] = append(g.keys[u.name], holding{l, u.mode})
	}
}

func (g *leaseTable) remove(l *knownLease) {
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
func (g *leaseTable) drop(id string) {
	if l := g.leases[id]; l != nil {
		g.remove(l)
	}
}

// end notes that an attempt of a lease, and those before it, are over.
func (g *leaseTable) end(id string, attempt int64) {
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

// over reports whether the server has published the end of an attempt.
func (g *leaseTable) over(id string, attempt int64) bool {
	at, ok := g.ended[id]
	return ok && at >= attempt
}

// units is how a key is taken.
func (g *leaseTable) units(key string, now time.Time) (u modes.Units) {
	for _, h := range g.keys[key] {
		if h.lease.until.After(now) {
			u.Add(h.mode)
		}
	}
	return u
}

// prune drops leases that expired: no server publishes that, and the table would grow
// for ever.
func (g *leaseTable) prune(now time.Time) {
	for _, l := range g.leases {
		if !l.until.After(now) {
			g.remove(l)
		}
	}
}

// A view is what all servers said, and what this process is about to take.
type view struct {
	servers      []leaseTable
	claims       leaseTable
	leftToOthers leaseTable // what was just released, and is left to other processes for headStart
}

// A freeFunc says how many units of a key a requirement could take.
type freeFunc func(r *lockcore.Requirement, key string) int

// freeAt is what is free on one server.
func (v *view) freeAt(i int, now time.Time) freeFunc {
	return func(r *lockcore.Requirement, key string) int {
		u := v.servers[i].units(key, now)
		return u.Free(modeOf(r))
	}
}

// freeByMajority is what is free on a majority: the largest number of units such that
// a majority has at least so many free. Servers that are not counted have none free;
// nil counts all of them.
//
//	free seats on five servers: 3 3 2 1 0    freeByMajority: 2
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

// bare turns a freeFunc into what [lockcore.Match] takes.
func (v *view) bare(reqs []lockcore.Requirement, free freeFunc) func(int, string) int {
	return func(r int, key string) int { return free(&reqs[r], key) }
}

// beside is bare, less what other requests of this process claim.
func (v *view) beside(reqs []lockcore.Requirement, free freeFunc, now time.Time) func(int, string) int {
	return v.bare(reqs, v.except(&v.claims, free, now))
}

// except bounds what is free by a table of what is not on the servers: claims, or
// keys that are left to other processes.
func (v *view) except(g *leaseTable, free freeFunc, now time.Time) freeFunc {
	return func(r *lockcore.Requirement, key string) int {
		n := free(r, key)
		if n > 0 && len(g.keys[key]) > 0 {
			u := g.units(key, now)
			n = min(n, u.Free(modeOf(r)))
		}
		return n
	}
}

// hold enters a lease that this process was just granted.
func (v *view) hold(l *knownLease, by []reply) {
	for i := range v.servers {
		if by[i] == yes {
			v.servers[i].put(l)
		}
	}
}

// order is the order in which candidates are tried. The last use of a key is the
// latest that any server knows of.
func (v *view) order(reqs []lockcore.Requirement, rnd sched.Rand) func(int) func(int) int {
	return sched.Order(reqs, func(key string) int64 {
		var at int64
		for i := range v.servers {
			at = max(at, v.servers[i].used[key])
		}
		return at
	}, rnd)
}

// disabled lists the candidates that at least so many servers keep out of service.
func (v *view) disabled(reqs []lockcore.Requirement, now time.Time, atLeast int) (keys []string) {
	for r := range reqs {
		for _, c := range reqs[r].Candidates {
			n := 0
			for i := range v.servers {
				if l := v.servers[i].leases[disabledID(c.Key)]; l != nil && l.until.After(now) {
					n++
				}
			}
			if n >= atLeast && !slices.Contains(keys, c.Key) {
				keys = append(keys, c.Key)
			}
		}
	}
	return keys
}

// nextEnd is when the next lease of the table ends, or zero.
func (g *leaseTable) nextEnd(now time.Time) (at time.Time) {
	for _, l := range g.leases {
		if l.until.After(now) && (at.IsZero() || l.until.Before(at)) {
			at = l.until
		}
	}
	return at
}
