package report

import "slices"

// A program below one that holds a resource may use that, too: its lease is within
// the one above. Events tell of both, and name the one above as Parent of the other:
//
//	lock board-1 -- go test    holds board-1 for 10 s
//	TestA                      asks for board-1, and uses it for 3 s of these
//
// The resource was held for 10 s, once. While TestA uses it, it is TestA for which
// others wait that are below the lock, too; its use takes the place of that above.

// depthMax bounds how many programs deep a lease may be within others.
const depthMax = 100

// above finds the hold that a request is within and that has a key. One of the same
// process is none: what a test asks for within its own lease is not joined to that.
func (f *fold) above(r *request, s *slot) *hold {
	asks := r
	for range depthMax {
		if r.Parent == "" {
			return nil
		}
		if r = f.requests[r.Parent]; r == nil {
			return nil
		}
		if r.hold != nil && r.proc != asks.proc && slices.Contains(r.hold.slots, s) {
			return r.hold
		}
	}
	return nil
}

// A stand is one use by a hold of what one above has.
type stand struct {
	slot  *slot
	above *hold
	use   *use // of the hold above, which stands back; nil if another one below has it
}

// join lets a hold use what holds above it have.
func (f *fold) join(h *hold, s *slot) {
	a := f.above(h.req, s)
	if a == nil {
		return
	}
	j := stand{slot: s, above: a}
	for i := range s.uses {
		if u := s.uses[i]; u.hold == a {
			f.take(s, i)
			j.use = &u
			break
		}
	}
	h.joined, h.within = append(h.joined, j), append(h.within, s)
}

// leave ends that: what stood back is in use again, unless another one below shares
// it, or it has ended meanwhile.
func (f *fold) leave(h *hold) {
	for _, j := range h.joined {
		if j.use == nil || f.requests[j.above.req.ID] != j.above.req || j.above.req.hold != j.above {
			continue
		}
		if o := sharing(j, h); o != nil {
			o.use = j.use
			continue
		}
		f.put(j.slot, *j.use)
	}
	h.joined = nil
}

// sharing finds another use, of what the same hold above has, for which nothing
// stands back yet.
func sharing(j stand, except *hold) *stand {
	for i := range j.slot.uses {
		h := j.slot.uses[i].hold
		for k := range h.joined {
			if o := &h.joined[k]; h != except && o.slot == j.slot && o.above == j.above && o.use == nil {
				return o
			}
		}
	}
	return nil
}

// ownSlots lists the keys that were given, each once, without those that a hold
// above has, which counts for them.
func (r *request) ownSlots() []*slot {
	return slices.DeleteFunc(r.distinctSlots(), func(s *slot) bool {
		return slices.ContainsFunc(r.hold.within, func(o *slot) bool { return o == s })
	})
}

// isAbove reports whether a request is within a hold.
func (f *fold) isAbove(h *hold, r *request) bool {
	asks := r
	for range depthMax {
		if r == nil || r.Parent == "" {
			return false
		}
		if r = f.requests[r.Parent]; r != nil && r.hold == h && r.proc != asks.proc {
			return true
		}
	}
	return false
}
