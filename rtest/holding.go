package rtest

import (
	"context"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// holding is what stands behind a lease, which says how it ends.
type holding interface {
	// release gives the resources back. With keep above 0 they stay taken for so
	// long, for somebody to look at them.
	release(keep time.Duration) error
	// exit gives the resources back for a process that is about to end. They stay
	// taken until it has, or, if the store cannot see that, for most; kept says how
	// long whatever becomes of the process.
	exit(most time.Duration) (kept time.Duration, err error)
	// stored is the lease in the store, nil if this process has none.
	stored() *lockcore.Lease
	// own is false if another process gives the resources back.
	own() bool
}

// ownHolding is a lease that this process obtained.
type ownHolding struct{ lease *lockcore.Lease }

func (h ownHolding) release(keep time.Duration) error {
	if keep > 0 {
		return h.lease.Keep(context.Background(), keep)
	}
	return h.lease.Release(context.Background())
}

func (h ownHolding) exit(most time.Duration) (time.Duration, error) {
	return h.lease.KeepUntilExit(context.Background(), most)
}

func (h ownHolding) stored() *lockcore.Lease { return h.lease }
func (h ownHolding) own() bool               { return true }

// joinedHolding is a lease that another process obtained, and that this one renews,
// too.
type joinedHolding struct{ lease *lockcore.Lease }

func (h joinedHolding) release(time.Duration) error {
	h.lease.Abandon()
	return nil
}

func (h joinedHolding) exit(time.Duration) (time.Duration, error) { return 0, h.release(0) }

func (h joinedHolding) stored() *lockcore.Lease { return h.lease }
func (h joinedHolding) own() bool               { return false }

// parentHolding is a lease of the process that coordinates a fuzzing run, in one
// of its workers.
type parentHolding struct{}

func (parentHolding) release(time.Duration) error               { return nil }
func (parentHolding) exit(time.Duration) (time.Duration, error) { return 0, nil }
func (parentHolding) stored() *lockcore.Lease                   { return nil }
func (parentHolding) own() bool                                 { return false }
