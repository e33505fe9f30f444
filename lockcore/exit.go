package lockcore

import (
	"context"
	"errors"
	"time"
)

// KeepUntilExit is for a process that is about to end, and may touch its resources until
// it has: the keys go on to others when the process has ended, where the store sees
// that, and else after most. kept is how long the store keeps the keys whatever the
// process does; it is 0 where the store sees the process end.
//
//	file:     the lease stays as it is, and is renewed; the end of the process ends it
//	redis://  as Keep(ctx, most)
//
// The error is that of [Lease.Keep].
func (le *Lease) KeepUntilExit(ctx context.Context, most time.Duration) (kept time.Duration, err error) {
	if s, ok := optional[interface{ SeesExits() bool }](le.locker.store); !ok || !s.SeesExits() {
		return most, le.Keep(ctx, most)
	}
	le.check()
	le.mu.Lock()
	state, gone := le.state, le.lost
	le.mu.Unlock()
	switch state {
	case released:
		return 0, nil
	case lost:
		return 0, gone
	}
	// What somebody took away by hand is not there to be kept.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	results, err := le.locker.store.Renew(ctx, []*Grant{le.grant})
	if err == nil {
		err = results[0]
	}
	if errors.Is(err, ErrLost) {
		le.lose(err)
		le.mu.Lock()
		defer le.mu.Unlock()
		if le.state == lost {
			return 0, le.lost
		}
		return 0, nil // it was released meanwhile
	}
	return 0, err
}
