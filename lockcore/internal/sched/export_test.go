package sched

import "github.com/resourcelocker/resourcelocker/lockcore"

// Lease is a grant that stands.
func (s *State) Lease(id string, t *lockcore.Ticket) *lockcore.Grant {
	if l := s.leases[id]; l != nil {
		return s.grantOf(l, t)
	}
	return nil
}
