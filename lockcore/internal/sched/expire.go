package sched

import (
	"cmp"
	"math"
	"slices"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// begin opens every step: it moves the clock, drops what is over, and serves
// the waiters that this frees something for.
func (s *State) begin(now int64, rnd Rand) {
	s.init()
	s.now = max(s.now, now)
	if s.now < s.next {
		return
	}
	if s.expire() || s.look != 0 && s.look <= s.now {
		s.schedule(rnd)
		// What was granted just now may be what expires next; expiresAt has seen it.
	}
}

// expiresAt notes that something expires at the moment.
func (s *State) expiresAt(at int64) { s.next = min(s.next, at) }

// expire drops what is over and reports whether anything came free.
func (s *State) expire() (changed bool) {
	s.next = math.MaxInt64
	for _, l := range s.sortedLeases() {
		switch {
		case l.provisional != 0 && l.provisional <= s.now:
			s.end(l, "the grant was not taken up in time")
			changed = true
		case l.expires <= s.now:
			s.lapse(l)
			changed = true
		default:
			s.expiresAt(l.expires)
			if l.provisional != 0 {
				s.expiresAt(l.provisional)
			}
		}
	}
	for _, w := range slices.Clone(s.queue) {
		if w.expires <= s.now && !s.WaitersStay {
			s.remove(w)
			changed = true
			continue
		}
		s.expiresAt(w.expires)
	}
	for id, l := range s.lapsed {
		if l.expires+int64(lapsedKept) <= s.now {
			s.forgetLapsed(id)
		}
	}
	if s.look > s.now {
		s.expiresAt(s.look)
	}
	return changed
}

// delayed prefixes the id of the stand-in that keeps the keys of an expired
// lease aside.
const delayed = "delay:"

// lapse ends a lease whose time is over. It can come back until one of its keys
// is granted; a lock delay puts off that moment.
func (s *State) lapse(l *lease) {
	s.drop(l)
	switch {
	case l.kept, l.kind == disabled:
		return // nobody will renew it
	case l.kind == reserved:
		s.endUse(l, lockcore.Unknown) // the person said nothing about it
		return
	}
	s.endUse(l, lockcore.Died)
	s.lapsed[l.id] = l
	s.noteLapsed(l.id)
	if s.LockDelay <= 0 {
		return
	}
	aside := *l
	aside.id, aside.kept, aside.provisional, aside.parents = delayed+l.id, true, 0, nil
	aside.expires = s.now + int64(s.LockDelay)
	aside.reason = "lock delay after its lease expired"
	s.put(&aside)
	s.expiresAt(aside.expires)
}

func (s *State) forgetLapsed(id string) {
	if s.lapsed[id] != nil {
		delete(s.lapsed, id)
		s.noteLapsed(id)
	}
}

// dropLapsed forgets the expired leases that had the key: it is somebody
// else's now, or was.
func (s *State) dropLapsed(key string) {
	for id, l := range s.lapsed {
		for _, keys := range l.obtained {
			if slices.Contains(keys, key) {
				s.forgetLapsed(id)
				break
			}
		}
	}
}

// sortedLeases lists the leases by token: a map's own order would make two runs
// of the same steps differ.
func (s *State) sortedLeases() []*lease {
	out := make([]*lease, 0, len(s.leases))
	for _, l := range s.leases {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *lease) int { return cmp.Or(cmp.Compare(a.token, b.token), cmp.Compare(a.id, b.id)) })
	return out
}
