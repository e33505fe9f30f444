package report

import (
	"container/heap"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// grant ends a wait and begins a hold.
func (f *fold) grant(e *eventlog.Event, p *proc) {
	r := f.open(e, p)
	if r.hold != nil {
		return // said twice
	}
	if r.spec == nil && len(e.Reqs) > 0 {
		r.Reqs, r.spec = e.Reqs, f.spec(e.Reqs)
	}
	if t := f.testRun(e, p); t != nil {
		t.got(e.Chosen)
	}
	r.Outcome = eventlog.Acquired
	r.Chosen, r.Backfilled = e.Chosen, e.Backfilled
	r.lease = max(r.lease, e.LeaseMS.Duration())
	h := &hold{req: r, start: f.now}
	r.hold = h
	var uses []use
	for i := range e.Chosen {
		s, u := f.chosen(r, &e.Chosen[i])
		f.recordKey(s)
		f.join(h, s)
		for j := len(s.uses) - 1; j >= 0; j-- {
			if !compatible(&s.uses[j], &u, j == 0 && len(s.uses) >= 2*u.seats) {
				f.orphan(s, &s.uses[j], f.now)
				f.remove(s, j)
			}
		}
		h.slots = append(h.slots, s)
		uses = append(uses, u)
	}
	f.served(r, e)
	f.overtake(r)
	for i, s := range h.slots {
		f.put(s, uses[i])
	}
	h.keys = len(h.slots)
}

// chosen finds the slot of a chosen key and how it is used.
func (f *fold) chosen(r *request, c *eventlog.Chosen) (*slot, use) {
	s := f.slot(c.Key)
	u := use{label: r.label, hold: r.hold}
	if r.spec != nil && c.Req >= 0 && c.Req < len(r.spec.wants) {
		w := &r.spec.wants[c.Req]
		u.shared, u.seats = w.shared, w.seats
		f.addMember(w.pool, c.Key)
		f.addToNamed(s.res, w.name)
		s.res.seats = max(s.res.seats, w.seats)
	}
	for k, v := range c.Tags {
		if s.res.tags == nil {
			s.res.tags = map[string]string{}
		}
		s.res.tags[k] = v
	}
	return s, u
}

// compatible reports whether an old use can go on beside a new one. crowded: it
// is the oldest of far too many seats. When all seats are taken, somebody must
// have left, and mostly a release that comes late tells who; only what is never
// told must not pile up.
func compatible(old, fresh *use, crowded bool) bool {
	switch {
	case old.hold == fresh.hold:
		return true // several seats of one key
	case old.shared && fresh.shared:
		return true
	}
	return old.seats > 0 && fresh.seats > 0 && !crowded
}

// recordKey records the demands that want a key, before its use changes.
func (f *fold) recordKey(s *slot) {
	for _, p := range s.pools {
		for _, c := range p.active {
			c.record(f.now, f)
		}
	}
}

// put adds a use; the demands are recorded.
func (f *fold) put(s *slot, u use) {
	f.recordKey(s)
	for _, p := range s.pools {
		p.addSlot(s, -1)
	}
	s.uses = append(s.uses, u)
	for _, p := range s.pools {
		p.addSlot(s, 1)
		for _, c := range p.active {
			c.forgetSeen(s.key)
		}
	}
	s.res.use(f.now, 1)
}

// remove ends the i-th use of a key.
func (f *fold) remove(s *slot, i int) {
	h := s.uses[i].hold
	f.take(s, i)
	h.keys--
	h.end = f.now
}

// take takes the i-th use of a key away.
func (f *fold) take(s *slot, i int) {
	f.recordKey(s)
	for _, p := range s.pools {
		p.addSlot(s, -1)
	}
	s.uses = slices.Delete(s.uses, i, i+1)
	for _, p := range s.pools {
		p.addSlot(s, 1)
	}
	s.res.use(f.now, -1)
}

// removeAll ends all uses of a hold.
func (f *fold) removeAll(h *hold) {
	for _, s := range h.slots {
		for i := len(s.uses) - 1; i >= 0; i-- {
			if s.uses[i].hold == h {
				f.remove(s, i)
			}
		}
	}
	f.leave(h)
}

// orphan looks at a use that its holder never ended, at the moment when somebody
// else got the key. If the lease had run out by then, nobody renewed it: from the
// last renewal, or the last event of that process, there was no holder, just a
// lease. When it ends is known from what waiters last saw of it. If that is long
// ago it was renewed since, for the last time one lease before that moment, at
// the latest; unless the store knows of deaths at once, as one does that lives
// on the same machine.
func (f *fold) orphan(s *slot, u *use, at micros) {
	h := u.hold
	lease := toMicros(eventlog.MS(h.req.lease))
	if u.cause != poolFull || h.expires == 0 || lease == 0 {
		return
	}
	switch {
	case at < h.expires-lease/30: // it had not run out
	case at <= h.expires+lease/10:
		f.blameOrphan(s, u, h.expires-lease, at)
	case !h.req.local:
		f.blameOrphan(s, u, at-lease, at)
	}
}

// blameOrphan says that the holder was gone since then, or since its process was
// last heard of, until at.
func (f *fold) blameOrphan(s *slot, u *use, since, at micros) {
	h := u.hold
	since = max(since, h.req.proc.last, h.start, h.gone)
	if since >= at {
		return
	}
	h.gone = at
	f.reblame(s, u, at-since, orphan, u.label)
}

// reblame is what the use was blamed for in the last tail of time given to
// another cause and holder, in all that want the key.
func (f *fold) reblame(s *slot, u *use, tail micros, cause causeID, other labelID) {
	done := map[*demand]bool{}
	for _, p := range s.pools {
		for _, c := range p.active {
			if !done[c] {
				done[c] = true
				c.record(f.now, f)
				c.reblame(u.label, tail, cause, other)
			}
		}
	}
}

// clearly is how much earlier an overtaken request came: what lies closer may
// have reached the store in the other order.
const clearly = 10_000 // microseconds

// overtake counts for whom of the waiters a grant was an overtaking.
func (f *fold) overtake(r *request) {
	f.grants++
	for i := range r.Chosen {
		s := r.hold.slots[i]
		fresh := want{}
		if j := r.Chosen[i].Req; r.spec != nil && j >= 0 && j < len(r.spec.wants) {
			fresh = r.spec.wants[j]
		}
		for _, p := range s.pools {
			for _, c := range p.active {
				if c.suits(p, &fresh) {
					continue
				}
				for _, w := range c.waiters {
					if !w.before(r) {
						break
					}
					f.overtaken(w, r)
				}
			}
		}
	}
}

// overtaken counts one overtaking, once for each grant.
func (f *fold) overtaken(w, r *request) {
	switch {
	case w.joined()+clearly > r.joined():
		at := r.Asked
		if r.lined {
			at = r.Reached
		}
		if !w.lined && !r.Backfilled && w.start-w.rank == r.start-r.rank && at.After(w.Reached) {
			w.Reached = at
		}
	case w.overtakenBy != f.grants:
		w.overtakenBy = f.grants
		w.OvertakenBy++
		if r.Backfilled {
			w.PassedBy++
		}
	}
}

// joined is when a request joined the line, as far as that is known.
func (r *request) joined() micros {
	if r.lined {
		return micros(r.Reached.UnixMicro())
	}
	return r.start
}

// lineUp notes what the store says about when a request joined its line. A request
// that asked again, as Prepare failed, has kept its place.
func (f *fold) lineUp(r *request, e *eventlog.Event) {
	if e.Since.IsZero() || r.first != "" || e.Since.After(when(e)) {
		return
	}
	r.lined, r.Reached = true, e.Since.UTC()
	if r.Reached.Before(r.Asked) {
		r.Reached = r.Asked
	}
}

// end ends a hold.
func (f *fold) end(e *eventlog.Event) {
	r := f.requests[e.RequestID()]
	if r == nil || r.hold == nil {
		return // its beginning was not seen, and a hold without one has no length
	}
	h := r.hold
	if e.Ev == eventlog.Expired && r.lease > 0 {
		for _, s := range h.slots {
			f.recordKey(s)
			for i := range s.uses {
				if s.uses[i].hold == h && s.uses[i].cause == poolFull {
					f.blameOrphan(s, &s.uses[i], f.now-toMicros(eventlog.MS(r.lease)), f.now)
				}
			}
		}
	}
	care := f.careOf(r, e)
	held := toMicros(e.HeldMS)
	if held == 0 {
		held = f.now - h.start
		if h.keys == 0 && len(h.slots) > 0 {
			held = h.end - h.start
		}
		held = max(0, held-care.prepare-care.restore)
	}
	if r.unprepared {
		f.interrupt(r, e)
		return
	}
	f.charge(r, r.own)
	r.Held, r.Ended, r.End = held.ms().Duration(), time.UnixMicro(int64(f.now)).UTC(), e.Ev
	r.Error = e.Error
	if d := toMicros(e.KeptMS); d > 0 && e.Ev == eventlog.Release {
		r.Kept = d.ms().Duration()
		f.keep(h, f.now+d)
	} else {
		f.removeAll(h)
	}
	f.chargeHold(r, held)
	f.over(r)
}

// keep turns a hold into one for nobody, until a moment.
func (f *fold) keep(h *hold, until micros) {
	for _, s := range h.slots {
		for i := range s.uses {
			if s.uses[i].hold != h {
				continue
			}
			f.recordKey(s)
			for _, p := range s.pools {
				p.addSlot(s, -1)
			}
			s.uses[i].cause = kept
			for _, p := range s.pools {
				p.addSlot(s, 1)
			}
		}
	}
	f.seq++
	heap.Push(&f.keptHolds, keptHold{h, until, f.seq})
}

// endKept ends what was kept until now.
func (f *fold) endKept() {
	to := f.now
	for len(f.keptHolds) > 0 && f.keptHolds[0].until <= to {
		k := heap.Pop(&f.keptHolds).(keptHold)
		f.now = k.until
		f.removeAll(k.hold)
	}
	f.now = to
}

type keptHold struct {
	hold  *hold
	until micros
	seq   int
}

// keptHeap is a heap, the first to end on top.
type keptHeap []keptHold

func (k keptHeap) Len() int { return len(k) }
func (k keptHeap) Less(i, j int) bool {
	if k[i].until != k[j].until {
		return k[i].until < k[j].until
	}
	return k[i].seq < k[j].seq
}
func (k keptHeap) Swap(i, j int) { k[i], k[j] = k[j], k[i] }
func (k *keptHeap) Push(x any)   { *k = append(*k, x.(keptHold)) }
func (k *keptHeap) Pop() any {
	last := len(*k) - 1
	x := (*k)[last]
	*k = (*k)[:last]
	return x
}
