package sched

import (
	"cmp"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Snapshot lists holders and waiters. It shares nothing that changes with the
// state.
func (s *State) Snapshot(now int64, rnd Rand) lockcore.Snapshot {
	s.begin(now, rnd)
	out := lockcore.Snapshot{Time: time.Unix(0, s.now), Usual: s.guess()}
	for _, l := range s.sortedLeases() {
		out.Holders = append(out.Holders, l.holder())
	}
	slices.SortStableFunc(out.Holders, func(a, b lockcore.Holder) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Token, b.Token))
	})
	reserved := s.reservations()
	for _, w := range s.queue {
		out.Waiters = append(out.Waiters, lockcore.Waiter{
			ID: w.id, Requirements: w.class.reqs, Owner: w.owner, Priority: w.priority, Since: time.Unix(0, w.arrived),
			Expires: time.Unix(0, w.expires), Reason: w.reason, Parents: w.parents, Reserved: reserved[w],
			Expect: w.known(), For: w.hold,
		})
	}
	for k, t := range s.troubles {
		if t.ending != lockcore.Released {
			if out.Endings == nil {
				out.Endings = make(map[string]lockcore.Ending)
			}
			out.Endings[k] = t.ending
		}
	}
	return out
}

func (l *lease) holder() lockcore.Holder {
	state, expires := "held", l.expires
	switch {
	case l.kept:
		state = "kept"
	case l.provisional != 0:
		state, expires = "granted", min(expires, l.provisional)
	case l.kind == reserved:
		state = "reserved"
	case l.kind == disabled:
		state = "disabled"
	}
	h := lockcore.Holder{
		ID: l.id, Requirements: l.reqs, Obtained: l.obtained, Owner: l.owner, Token: l.token, Since: time.Unix(0, l.since),
		Expect: l.expect, Reason: l.reason, Parents: l.parents, State: state,
	}
	if expires != never {
		h.Expires = time.Unix(0, expires)
	}
	return h
}
