package rtest

import (
	"context"
	"fmt"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// An Ending says how the last use of a resource ended, for the function given to
// [Requirement.Prepare].
type Ending = lockcore.Ending

// The endings. A store remembers those of about a thousand resources that did not
// end as Released.
const (
	Released   = lockcore.Released   // given back in order, or never used as far as the store knows
	TestFailed = lockcore.TestFailed // given back by a test that had failed
	Died       = lockcore.Died       // not given back: the process died, or was cut off
	Unknown    = lockcore.Unknown    // taken away by hand, or a person's reservation that ran out
)

// Prepare sets what makes an item fit for use, such as flashing a board. [Acquire]
// calls f for every item obtained, for all of them side by side, before it returns;
// last says how the item's last use ended. Its time counts as neither wait nor hold.
// f runs on a goroutine of its own, outside of a testing/synctest bubble. The
// context ends with the lease and with the test, and after 5 minutes at the latest.
//
// When f returns an error, panics, or has not returned when its context is over,
// the item is taken out of service for a while (see [Quarantine]), and the request
// goes on, at its place in line, without this item. When none is left that could
// serve it, the test fails or is skipped, as [OnBusy] says, with the errors of all.
func (r Requirement[T]) Prepare(f func(ctx context.Context, item T, last Ending) error) Requirement[T] {
	r = r.derive()
	r.prepare = f
	return r
}

// Restore sets what is done to an item before it is given back: for every item, for
// all of them side by side, at the end of the test, after the Cleanup functions that
// were registered after Acquire, or in [Lease.Release]. An item for which f fails, as
// for [Requirement.Prepare], is taken out of service, and the test's log says so. f
// is not called for what [HoldOnFail] keeps, nor for a lease that is lost.
func (r Requirement[T]) Restore(f func(ctx context.Context, item T) error) Requirement[T] {
	r = r.derive()
	r.restore = f
	return r
}

// Quarantine sets for how long a resource is out of service when its Prepare or
// Restore failed: twice as long each time in a row, up to a day, until it was used
// and given back in order, or somebody enabled it. The default is 10 minutes; 0 leaves it
// in service.
func Quarantine(d time.Duration) Option {
	return Option{func(c *config) error {
		c.quarantine, c.quarantineSet = d, true
		if d < 0 {
			return fmt.Errorf("Quarantine(%s): a time out of service cannot be negative", d)
		}
		return nil
	}}
}

const defaultQuarantine = 10 * time.Minute

// quarantineOf is how long what is unfit goes out of service.
func (c config) quarantineOf() time.Duration {
	if c.quarantineSet {
		return c.quarantine
	}
	return defaultQuarantine
}
