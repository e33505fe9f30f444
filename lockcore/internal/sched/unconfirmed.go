package sched

import (
	"cmp"
	"slices"
)

// Unconfirmed lists the waiters that were granted and have not been heard of
// since: whoever told them may have died before it did, so a store may tell them
// again.
func (s *State) Unconfirmed() []Granted {
	var out []Granted
	for _, l := range s.leases {
		if l.provisional != 0 {
			out = append(out, Granted{l.id, l.proc})
		}
	}
	slices.SortFunc(out, func(a, b Granted) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
