package rtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// registry knows what the tests of this process hold and wait for. The store
// knows it for all processes, but not which test is a subtest of which, nor who
// occupies a parallel slot.
type registry struct {
	mu      sync.Mutex
	leases  map[*Lease]struct{}
	pending map[*pending]struct{}
	suite   *Lease        // of Main
	ending  error         // why no call may begin any more; nil while they may
	idle    chan struct{} // closed when ending is set and no call is left
}

var reg = registry{leases: map[*Lease]struct{}{}, pending: map[*pending]struct{}{}}

func init() {
	holdings = &reg
	renewalFailed = reg.renewalFailed
}

// pending is a call that waits, or is about to.
type pending struct {
	id     string // of the request, and then of the lease
	source any    // what locker: leases of different ones do not concern each other
	test   *testState
	at     site
	reqs   []lockcore.Requirement
	slot   any  // the parallel slot that the test occupies
	known  bool // it is known whether the test has one
	cancel context.CancelCauseFunc
}

// ownError is about a test that would wait for itself.
type ownError struct{ words string }

func (e *ownError) Error() string { return e.words }
func (e *ownError) Unwrap() error { return lockcore.ErrDeadlock }

func (p *pending) heldAlready(key string, by *Lease) error {
	who := "this test"
	switch {
	case by.test.suite && !by.test.driven:
		who = "the suite"
	case by.test.suite:
		who = "the suite (rtest.Main)"
	case by.test.key != p.test.key:
		who = by.test.name + ", which this test is part of,"
	}
	return &ownError{fmt.Sprintf("cannot get %q: %s already holds it, acquired at %s, so waiting would never end. Take everything in one Acquire, or Release the first", key, who, by.at)}
}

func (p *pending) askedAlready(key string, other *pending) error {
	return &ownError{fmt.Sprintf("cannot get %q: another goroutine of this test asks for it already, at %s, and would hold it until the end of the test, so waiting would never end. Take everything in one Acquire", key, other.at)}
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
	for c := range r.pending {
		if c.id == l.id || c.source != l.source || !c.test.within(l.test) {
			continue
		}
		if key, by := ownUse(c.reqs, r.heldAbove(c.test, c.source)); by != nil {
			c.cancel(c.heldAlready(key, by))
		}
	}
}

// begin counts a call as pending, or says why it cannot begin. The result are the
// leases that stay held while it waits. They are looked at again, because another
// goroutine of the test may have got something, or asked for it, meanwhile.
func (r *registry) begin(p *pending) (above []*Lease, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending != nil {
		return nil, r.ending
	}
	above = r.heldAbove(p.test, p.source)
	if key, by := ownUse(p.reqs, above); by != nil {
		return nil, p.heldAlready(key, by)
	}
	for o := range r.pending {
		if o.source == p.source && o.test == p.test {
			if key := sameDemand(o.reqs, p.reqs); key != "" {
				return nil, p.askedAlready(key, o)
			}
		}
	}
	r.pending[p] = struct{}{}
	return above, nil
}

// change makes the call another request.
func (r *registry) change(p *pending, id string, reqs []lockcore.Requirement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.id, p.reqs = id, reqs
}

// asksFor is what the call is at this moment: it may change.
func (r *registry) asksFor(p *pending) (id string, reqs []lockcore.Requirement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.id, p.reqs
}

// end is called when the call does not wait any more.
func (r *registry) end(p *pending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(p)
}

// drop is end for a caller that holds r.mu.
func (r *registry) drop(p *pending) {
	if _, waits := r.pending[p]; !waits {
		return
	}
	delete(r.pending, p)
	if r.ending != nil && len(r.pending) == 0 {
		close(r.idle)
	}
}

// refuse ends all calls, and those that come later, with the error. The channel
// is closed when no call is left.
func (r *registry) refuse(why error) (idle <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ending, r.idle = why, make(chan struct{})
	for p := range r.pending {
		p.cancel(why)
	}
	if len(r.pending) == 0 {
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

// all lists the leases.
func (r *registry) all() []*Lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.leases))
}

// renewalFailed puts on record that a renewal did not reach the store.
func (r *registry) renewalFailed(grants []*lockcore.Grant, err error) {
	for _, l := range r.all() {
		if slices.ContainsFunc(grants, func(g *lockcore.Grant) bool { return g.Ticket.ID == l.id }) {
			l.log.renewFail(err)
		}
	}
}

// releaseAll is for the end of the process.
func (r *registry) releaseAll(most, limit time.Duration) []string {
	var mu sync.Mutex
	var keys []string
	var each sync.WaitGroup
	for _, l := range r.all() {
		each.Go(func() {
			if err := l.releaseEarly(most); err == nil {
				mu.Lock()
				defer mu.Unlock()
				keys = append(keys, l.keys...)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		each.Wait()
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(keys)
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
