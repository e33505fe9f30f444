// Package unsupported answers for stores that have no reservations and cannot
// disable keys.
package unsupported

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Reservations is embedded by a store without them. Every method returns an error
// that wraps [errors.ErrUnsupported].
type Reservations struct{}

var errNone = fmt.Errorf("this store has no reservations and cannot disable resources: %w", errors.ErrUnsupported)

// WithoutReservations tells [lockcore.Locker] not to send any.
func (Reservations) WithoutReservations() error { return errNone }

// ExtendReservation implements [lockcore.Store].
func (Reservations) ExtendReservation(context.Context, string, time.Duration) (time.Time, error) {
	return time.Time{}, errNone
}

// EndReservation implements [lockcore.Store].
func (Reservations) EndReservation(context.Context, string, []string) error { return errNone }

// Disable implements [lockcore.Store].
func (Reservations) Disable(context.Context, lockcore.Outage) ([]lockcore.Holder, error) {
	return nil, errNone
}

// Enable implements [lockcore.Store].
func (Reservations) Enable(context.Context, []string) ([]lockcore.Holder, error) { return nil, errNone }
