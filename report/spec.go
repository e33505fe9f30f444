package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A spec is what a list of requirements asks for, in the words of the fold.
type spec struct {
	wants  []want
	demand *demand
}

const (
	specsMax = 4096 // kept to be found again
	poolsMax = 4096 // kept when nobody waits for them
	setsMax  = 65_536
	alsoMax  = 50 // other names of a pool
)

// spec returns the same spec for the same list. The reader shares equal lists,
// so that most calls are one look-up by address.
func (f *fold) spec(reqs []eventlog.Requirement) *spec {
	if len(reqs) == 0 {
		return f.noWants
	}
	if s, ok := f.specs[&reqs[0]]; ok && len(s.wants) == len(reqs) {
		return s
	}
	if len(f.specs) >= specsMax {
		clear(f.specs)
	}
	if len(f.pools) >= poolsMax {
		f.forgetPools()
	}
	s := &spec{}
	var key strings.Builder
	for i := range reqs {
		r := &reqs[i]
		p := f.pool(r)
		w := want{pool: p, name: f.named(r, p), need: max(1, r.Need), shared: r.Shared, seats: max(0, r.Seats)}
		s.wants = append(s.wants, w)
		fmt.Fprintf(&key, "%q %q %d %t %d\n", p.hash, r.Name, w.need, w.shared, w.seats)
	}
	c := f.demands[key.String()]
	if c == nil {
		c = &demand{key: key.String(), wants: s.wants}
		f.demands[c.key] = c
	}
	s.demand = c
	f.specs[&reqs[0]] = s
	return s
}

// pool finds or makes the pool of a requirement.
func (f *fold) pool(r *eventlog.Requirement) *pool {
	hash := r.Hash
	if hash == "" {
		hash = eventlog.CandidateHash(r.Candidates)
	}
	p := f.pools[hash]
	if p == nil {
		p = &pool{hash: hash, members: map[string]bool{}}
		p.rivals = []*pool{p}
		f.pools[hash] = p
	}
	p.count = max(p.count, r.Count, len(r.Candidates))
	if len(p.members) < len(r.Candidates) {
		for _, k := range r.Candidates {
			f.addMember(p, k)
		}
	}
	return p
}

// addMember makes key a member of p.
func (f *fold) addMember(p *pool, key string) *slot {
	s := f.slot(key)
	if p.members[key] {
		return s
	}
	for _, c := range p.active {
		c.record(f.now, f)
	}
	p.members[key] = true
	p.count = max(p.count, len(p.members))
	for _, o := range s.pools {
		if !slices.Contains(p.rivals, o) {
			p.rivals = append(p.rivals, o)
			o.rivals = append(o.rivals, p)
		}
	}
	s.pools = append(s.pools, p)
	p.addSlot(s, 1)
	return s
}

func (f *fold) slot(key string) *slot {
	s := f.slots[key]
	if s == nil {
		s = &slot{key: key, res: &resource{key: key}}
		f.slots[key] = s
	}
	return s
}

// forgetPools drops the pools that nobody waits for; they are made again when
// they are met again. Suites that discover a different list each time would
// otherwise fill the memory.
func (f *fold) forgetPools() {
	gone := map[*pool]bool{}
	for h, p := range f.pools {
		if len(p.active) == 0 {
			gone[p] = true
			delete(f.pools, h)
		}
	}
	isGone := func(p *pool) bool { return gone[p] }
	for _, p := range f.pools {
		p.rivals = slices.DeleteFunc(p.rivals, isGone)
	}
	for _, s := range f.slots {
		s.pools = slices.DeleteFunc(s.pools, isGone)
	}
	for k, c := range f.demands {
		if len(c.waiters) == 0 {
			delete(f.demands, k)
		}
	}
	clear(f.specs)
}

// named finds or makes the entry of the report for the requirement's name. One
// without a name is called after its candidates. Names of the same candidates are
// one pool, called by the first of them: what matters is the resources that requests
// compete for.
//
//	TestBoot asks for 1 of "boards": b1 b2 b3
//	TestPair asks for 2 of "pair": b1 b2 b3      the same pool
func (f *fold) named(r *eventlog.Requirement, p *pool) int32 {
	name, given := r.Name, true
	if name == "" {
		given = false
		switch {
		case len(r.Candidates) == 1:
			name = r.Candidates[0]
		case len(r.Candidates) > 1:
			name = fmt.Sprintf("%s and %d more", slices.Min(r.Candidates), len(r.Candidates)-1)
		default:
			name = fmt.Sprintf("%d candidates (%s)", p.count, p.hash)
		}
	}
	i, ok := f.names[name]
	if !ok {
		if i, ok = f.sameSet[p.hash]; ok {
			f.namedPools[i].call(name, given)
		} else {
			i = int32(len(f.namedPools))
			f.namedPools = append(f.namedPools, &namedPool{name: name, given: given, sets: map[string]int{}})
		}
		f.names[name] = i
	}
	// A list that changes a little while tests run is still that pool; one board of
	// many that somebody asks for by the pool's name is not all of them.
	if _, known := f.sameSet[p.hash]; !known && len(f.sameSet) < setsMax && 2*p.count >= f.namedPools[i].size(0) {
		f.sameSet[p.hash] = i
	}
	f.namedPools[i].sets[p.hash] = p.count
	for k := range p.members {
		f.addToNamed(f.slots[k].res, i)
	}
	return i
}

// addToNamed makes a resource one of a named pool.
func (f *fold) addToNamed(res *resource, i int32) {
	if !slices.Contains(res.namedPools, i) {
		res.namedPools = append(res.namedPools, i)
	}
}
