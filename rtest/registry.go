package rtest

import (
	"slices"
	"strings"
	"sync"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// registry knows what the tests of this process hold and wait for. The store
// knows it for all processes, but not which test is a subtest of which, nor who
// occupies a parallel slot.
type registry struct {
	mu     sync.Mutex
	tests  map[any]*testState
	runs   map[string]int // how often a test of that name came here
	leases map[*Lease]struct{}
	calls  map[*call]struct{} // those that wait, or are about to
	suite  *Lease             // of Main
	ending error              // why no call may begin any more; nil while they may
	idle   chan struct{}      // closed when ending is set and no call is left
}

var reg = registry{tests: map[any]*testState{}, runs: map[string]int{}, leases: map[*Lease]struct{}{}, calls: map[*call]struct{}{}}

// testState is one run of one test that acquires something.
type testState struct {
	key    any
	name   string
	driven bool // by package testing, so that a slash in the name means a subtest
	suite  bool
	// Everything that the process acquires while this test has a lease is nested
	// in it.
	encloses bool
	attempt  int
	count    int // calls of Acquire so far

	mu     sync.Mutex
	totals totals
}

// keyOfTest tells tests apart. Other frameworks hand out a new value at each
// call of their GinkgoT or its like, so there it is the name.
func keyOfTest(t TB) any {
	if driven(t) {
		return t
	}
	return "name:" + t.Name()
}

// enter notes one more Acquire of the test. The first one of a test gets fresh
// true, and must arrange for leave.
func (r *registry) enter(t TB) (ts *testState, fresh bool) {
	key := keyOfTest(t)
	r.mu.Lock()
	defer r.mu.Unlock()
	ts = r.tests[key]
	if ts == nil {
		fresh = true
		r.runs[t.Name()]++
		suite, encloses := suiteOf(t)
		ts = &testState{key: key, name: t.Name(), driven: driven(t), suite: suite, encloses: encloses, attempt: r.runs[t.Name()]}
		r.tests[key] = ts
	}
	ts.count++
	return ts, fresh
}

func (r *registry) leave(ts *testState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tests, ts.key)
}

// within reports whether ts is the other test, or a subtest of it at any depth:
// what the other holds, it will not release before ts is done.
func (ts *testState) within(other *testState) bool {
	switch {
	case other.suite || other.encloses || ts.key == other.key:
		return true
	case !ts.driven || !other.driven:
		return false
	}
	return ts.name == other.name || strings.HasPrefix(ts.name, other.name+"/")
}

// above lists the live leases that stay held while the test waits: its own,
// those of the tests that it is part of, and the suite's.
func (r *registry) above(ts *testState, source any) []*Lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heldAbove(ts, source)
}

// heldAbove is above for who holds r.mu.
func (r *registry) heldAbove(ts *testState, source any) []*Lease {
	var out []*Lease
	for l := range r.leases {
		if l.source == source && !l.lost.Load() && ts.within(l.test) {
			out = append(out, l)
		}
	}
	return out
}

// add enters a lease, and ends the calls that would wait for it in vain: other
// goroutines of its test, or of subtests, asked at the same time.
func (r *registry) add(l *Lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leases[l] = struct{}{}
	if l.test.suite {
		r.suite = l
	}
	for c := range r.calls {
		if c.id == l.id || c.source != l.source || !c.test.within(l.test) {
			continue
		}
		if key, by := ownUse(c.reqs, r.heldAbove(c.test, c.source)); by != nil {
			c.cancel(c.heldAlready(key, by))
		}
	}
}

// enterCall counts a call as waiting, or says why it cannot begin. What was looked
// at before is looked at again, because another goroutine of the test may have got
// something, or asked for it, meanwhile.
func (r *registry) enterCall(c *call) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending != nil {
		return r.ending
	}
	c.above = r.heldAbove(c.test, c.source)
	if key, by := ownUse(c.reqs, c.above); by != nil {
		return c.heldAlready(key, by)
	}
	for o := range r.calls {
		if o.source == c.source && o.test == c.test {
			if key := sameDemand(o.reqs, c.reqs); key != "" {
				return c.askedAlready(key, o)
			}
		}
	}
	r.calls[c] = struct{}{}
	return nil
}

func (r *registry) leaveCall(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropCall(c)
}

// dropCall is leaveCall for who holds r.mu.
func (r *registry) dropCall(c *call) {
	if _, waits := r.calls[c]; !waits {
		return
	}
	delete(r.calls, c)
	if r.ending != nil && len(r.calls) == 0 {
		close(r.idle)
	}
}

// refuse ends all calls, and those that come later, with the error. The channel
// is closed when no call is left.
func (r *registry) refuse(why error) (idle <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ending, r.idle = why, make(chan struct{})
	for c := range r.calls {
		c.cancel(why)
	}
	if len(r.calls) == 0 {
		close(r.idle)
	}
	return r.idle
}

// refused returns why no call may begin, or nil.
func (r *registry) refused() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ending
}

func (r *registry) remove(l *Lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.leases, l)
	if r.suite == l {
		r.suite = nil
	}
}

// byID finds live leases of this process by their identity in a store.
func (r *registry) byID() map[string]*Lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := make(map[string]*Lease, len(r.leases))
	for l := range r.leases {
		m[l.id] = l
	}
	return m
}

// ownUse finds what of the requirements the leases make unattainable however
// long one waits: those leases end after the wait. It returns the key and lease
// to name, or nil.
//
// A candidate that is held so is no mistake in itself: the next board of five is
// a fair request while there are others.
func ownUse(reqs []lockcore.Requirement, leases []*Lease) (key string, by *Lease) {
	held := make(map[string][]lockcore.Requirement)
	first := make(map[string]*Lease)
	for _, l := range leases {
		for i, keys := range l.obtained {
			for _, k := range keys {
				held[k] = append(held[k], l.reqs[i])
				if first[k] == nil {
					first[k] = l
				}
			}
		}
	}
	if len(held) == 0 {
		return "", nil
	}
	free := func(r int, k string) int { return reqs[r].FreeBeside(held[k]...) }
	all := func(r int, _ string) int { return max(1, reqs[r].Seats) }
	picks, ok := lockcore.Match(reqs, free, nil)
	if ok {
		return "", nil
	}
	if _, ok := lockcore.Match(reqs, all, nil); !ok {
		return "", nil // impossible anyway, which lockcore words
	}
	for pass := range 2 { // first where something is missing, then anywhere
		for i := range reqs {
			if pass == 0 && len(picks[i]) >= reqs[i].Units() {
				continue
			}
			for _, c := range reqs[i].Candidates {
				if l := first[c.Key]; l != nil && free(i, c.Key) < all(i, c.Key) {
					return c.Key, l
				}
			}
		}
	}
	return "", nil
}

// sameDemand returns a key that two requests both need, if they cannot both be
// served even with everything free: one has to wait for the end of the other.
func sameDemand(one, other []lockcore.Requirement) string {
	if haveBoth(one, exclusive(other)) && haveBoth(exclusive(one), other) {
		return ""
	}
	wanted := make(map[string]bool)
	for _, r := range one {
		for _, c := range r.Candidates {
			wanted[c.Key] = true
		}
	}
	for _, r := range other {
		for _, c := range r.Candidates {
			if wanted[c.Key] {
				return c.Key
			}
		}
	}
	return "" // one of them is impossible by itself, which lockcore words
}

// haveBoth reports whether two lists of requirements can be met at the same time.
func haveBoth(one, other []lockcore.Requirement) bool {
	both := slices.Concat(one, other)
	_, ok := lockcore.Match(both, func(r int, _ string) int { return max(1, both[r].Seats) }, nil)
	return ok
}

// exclusive leaves out what two requests can have side by side.
func exclusive(reqs []lockcore.Requirement) []lockcore.Requirement {
	return slices.DeleteFunc(slices.Clone(reqs), func(r lockcore.Requirement) bool { return r.Shared })
}
