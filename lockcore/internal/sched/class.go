package sched

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A class is what waiters with the same requirements have in common. It is
// stored once, and looked at once a pass when there is nothing left for it: a
// thousand waiters for one pool cost little more than ten.
type class struct {
	sig     string
	reqs    []lockcore.Requirement
	need    int // units, over all requirements
	waiters int
	isNew   bool // since the state was saved, see changes

	pass       uint64                 // the pass in which nothing was left for it
	usable     []lockcore.Requirement // as of the pass usablePass; see there
	usablePass uint64
	turns      uint64         // up to which it is right, see turnedSince
	places     []int          // of the candidates that are usable
	placeOf    map[string]int // see keys

	// In the pass limitPass, when limitClaims units were reserved, whoever is back
	// before limit could be let past others.
	limitPass   uint64
	limitClaims int
	limit       int64

	// In the pass promisePass, those with the first promiseClaims claims have a promise
	// if the class lists what they claim.
	promisePass   uint64
	promiseClaims int

	outagePass uint64 // see waitsForOutage
	outage     bool

	index int // in the encoding being written
}

// signature identifies requirements by content. Tags are no part of it: the
// scheduler does not look at them.
func signature(reqs []lockcore.Requirement) string {
	size := 0
	for i := range reqs {
		size = max(size, len(reqs[i].Candidates))
	}
	h, buf := sha256.New(), make([]byte, 0, 64+16*size)
	str := func(s string) {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	for i := range reqs {
		r := &reqs[i]
		str(r.Name)
		mode := 0
		if r.Shared {
			mode = 1
		}
		for _, n := range []int{r.Units(), mode, r.Seats, int(r.Choice), len(r.Candidates)} {
			buf = binary.AppendUvarint(buf, uint64(n))
		}
		for j := range r.Candidates {
			str(r.Candidates[j].Key)
		}
		h.Write(buf)
		buf = buf[:0]
	}
	return string(h.Sum(nil)[:16])
}

// join puts the waiter into the class of its requirements.
func (s *State) join(w *waiter, reqs []lockcore.Requirement) {
	sig := signature(reqs)
	c := s.classes[sig]
	if c == nil {
		c = &class{sig: sig, reqs: bare(reqs), need: needed(reqs)}
		s.classes[sig] = c
		s.noteClass(c)
	}
	c.waiters++
	w.class = c
}

func (s *State) leave(w *waiter) {
	w.class.waiters--
	if w.class.waiters == 0 {
		delete(s.classes, w.class.sig)
	}
}

// strictest is the requirement that lists the key and leaves the least room
// for others beside it: r itself, unless r is shared and another is not.
func (c *class) strictest(r int, key string) int {
	if !c.reqs[r].Shared {
		return r
	}
	for i := range c.reqs {
		if !c.reqs[i].Shared && slices.ContainsFunc(c.reqs[i].Candidates, func(o lockcore.Candidate) bool { return o.Key == key }) {
			return i
		}
	}
	return r
}

// bare copies requirements without the tags, which only events need.
func bare(reqs []lockcore.Requirement) []lockcore.Requirement {
	out := make([]lockcore.Requirement, len(reqs))
	for i, r := range reqs {
		cands := make([]lockcore.Candidate, len(r.Candidates))
		for j, c := range r.Candidates {
			cands[j].Key = c.Key
		}
		r.Candidates = cands
		out[i] = r
	}
	return out
}

// headings copies requirements without their candidates: what a lease needs to
// know of them.
func headings(reqs []lockcore.Requirement) []lockcore.Requirement {
	out := make([]lockcore.Requirement, len(reqs))
	for i, r := range reqs {
		r.Candidates = nil
		out[i] = r
	}
	return out
}

// candidates is how many there are, over all requirements.
func (c *class) candidates() (n int) {
	for i := range c.reqs {
		n += len(c.reqs[i].Candidates)
	}
	return n
}

// directEffort bounds how many candidates of waiters direct compares.
const directEffort = 50_000

// lists reports whether a key is a candidate of the class.
func (c *class) lists(key string) bool {
	if c.placeOf != nil {
		_, ok := c.placeOf[key]
		return ok
	}
	for i := range c.reqs {
		for j := range c.reqs[i].Candidates {
			if c.reqs[i].Candidates[j].Key == key {
				return true
			}
		}
	}
	return false
}

// keys are the candidates of the class, each with its place in the requirement
// that lists it first.
func (c *class) keys() map[string]int {
	if c.placeOf == nil {
		c.placeOf = make(map[string]int, c.candidates())
		for i := range c.reqs {
			for j, k := range c.reqs[i].Candidates {
				if _, ok := c.placeOf[k.Key]; !ok {
					c.placeOf[k.Key] = j
				}
			}
		}
	}
	return c.placeOf
}
