package memstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// ExtendReservation implements [lockcore.Store].
func (s *Store) ExtendReservation(ctx context.Context, id string, d time.Duration) (end time.Time, err error) {
	s.step(func(now int64) {
		at, ok := s.state.ExtendReservation(now, id, d, rand.IntN)
		if end = time.Unix(0, at); !ok {
			err = fmt.Errorf("%s: reservation %s: %w", s.name, id, lockcore.ErrNotHeld)
		}
	})
	return end, err
}

// EndReservation implements [lockcore.Store].
func (s *Store) EndReservation(ctx context.Context, id string, keys []string) (err error) {
	s.step(func(now int64) {
		if !s.state.EndReservation(now, id, keys, rand.IntN) {
			err = fmt.Errorf("%s: reservation %s of %q: %w", s.name, id, keys, lockcore.ErrNotHeld)
		}
	})
	return err
}

// Disable implements [lockcore.Store].
func (s *Store) Disable(ctx context.Context, o lockcore.Outage) (held []lockcore.Holder, err error) {
	s.step(func(now int64) { held = s.state.Disable(now, &o, rand.IntN) })
	return held, nil
}

// Enable implements [lockcore.Store].
func (s *Store) Enable(ctx context.Context, keys []string) (enabled []lockcore.Holder, err error) {
	s.step(func(now int64) { enabled = s.state.Enable(now, keys, rand.IntN) })
	return enabled, nil
}
