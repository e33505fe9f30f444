package filestore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// ExtendReservation implements [lockcore.Store].
func (s *Store) ExtendReservation(ctx context.Context, id string, d time.Duration) (end time.Time, err error) {
	held := false
	err = s.step(ctx, func(st *sched.State, now int64) {
		var at int64
		at, held = st.ExtendReservation(now, id, d, rand.IntN)
		end = time.Unix(0, at)
	})
	if err == nil && !held {
		err = fmt.Errorf("%s: reservation %s: %w", s.name, id, lockcore.ErrNotHeld)
	}
	return end, err
}

// EndReservation implements [lockcore.Store].
func (s *Store) EndReservation(ctx context.Context, id string, keys []string) error {
	held := false
	err := s.step(ctx, func(st *sched.State, now int64) { held = st.EndReservation(now, id, keys, rand.IntN) })
	if err == nil && !held {
		err = fmt.Errorf("%s: reservation %s of %q: %w", s.name, id, keys, lockcore.ErrNotHeld)
	}
	return err
}

// Disable implements [lockcore.Store].
func (s *Store) Disable(ctx context.Context, o lockcore.Outage) (held []lockcore.Holder, err error) {
	err = s.step(ctx, func(st *sched.State, now int64) { held = st.Disable(now, &o, rand.IntN) })
	return held, err
}

// Enable implements [lockcore.Store].
func (s *Store) Enable(ctx context.Context, keys []string) (enabled []lockcore.Holder, err error) {
	err = s.step(ctx, func(st *sched.State, now int64) { enabled = st.Enable(now, keys, rand.IntN) })
	return enabled, err
}
