package nested

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Renew implements [lockcore.Store].
func (s *store) Renew(ctx context.Context, grants []*lockcore.Grant) ([]error, error) {
	all := make([]*lockcore.Grant, len(grants))
	uses := make([][]int, len(grants)) // where in all the leases are that a grant is within
	place := map[*lease]int{}
	for i, g := range grants {
		all[i] = asStored(g)
		s.mu.Lock()
		q := s.asked[g.Ticket.ID]
		s.mu.Unlock()
		if q == nil {
			continue
		}
		for _, l := range q.holding(all[i]) {
			if _, known := place[l]; !known {
				place[l] = -1
			}
		}
	}
	for l := range place {
		place[l] = len(all)
		all = append(all, l.grant())
	}
	for i, g := range grants {
		s.mu.Lock()
		q := s.asked[g.Ticket.ID]
		s.mu.Unlock()
		if q != nil {
			for _, l := range q.holding(all[i]) {
				uses[i] = append(uses[i], place[l])
			}
		}
	}
	errs, err := s.Store.Renew(ctx, all)
	if err != nil {
		return nil, err
	}
	for i := range grants {
		for _, at := range uses[i] {
			if errs[i] == nil && errors.Is(errs[at], lockcore.ErrLost) {
				errs[i] = fmt.Errorf("the lease above, within which it is, has ended: %w", errs[at])
			}
		}
	}
	return errs[:len(grants)], nil
}

func asStored(g *lockcore.Grant) *lockcore.Grant {
	if s, ok := stored.Load(g.Ticket.ID); ok {
		return s.(*lockcore.Grant)
	}
	return g
}

// Release implements [lockcore.Store].
func (s *store) Release(ctx context.Context, g *lockcore.Grant, keep time.Duration) error {
	in := *asStored(g)
	in.Ending = g.Ending
	err := s.Store.Release(ctx, &in, keep)
	if err == nil || errors.Is(err, lockcore.ErrNotHeld) {
		s.forget(g.Ticket.ID)
	}
	return err
}

// Withdraw implements [lockcore.Store].
func (s *store) Withdraw(ctx context.Context, id string) error {
	err := s.Store.Withdraw(ctx, id)
	if err == nil {
		s.forget(id)
	}
	return err
}

func (s *store) forget(id string) {
	stored.Delete(id)
	s.mu.Lock()
	delete(s.asked, id)
	s.mu.Unlock()
}
