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
// and given back in order. The default is 10 minutes; 0 leaves it in service.
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

// prepare makes what was obtained fit for use. It reports whether the request has
// to go on because some of it is not; then the lease was given back.
func (e *errand) prepare(base context.Context, l *Lease) (again bool, err error) {
	c := e.call
	var all []*care
	for i, w := range c.wishes {
		all = append(all, w.preparing(l.obtained[i], l.inner.Last)...)
	}
	if len(all) == 0 {
		return false, nil
	}
	failed, took := l.careFor(base, all)
	l.prepared.Store(int64(took))
	c.cared += took
	cause := context.Cause(l.inner.Context())
	if cause == nil {
		cause = context.Cause(base)
	}
	switch {
	case cause != nil: // the lease was lost, or the test is over: what failed then says nothing about the item
		l.inner.SetEnding(Unknown)
		_ = l.giveBack(0)
		return false, cause
	case len(failed) == 0:
		return false, nil
	}
	for _, f := range failed {
		e.tell(notice{doubt: f.words("Prepare", l.putOut(f, "Prepare")+"; the request goes on without it")})
	}
	l.inner.SetEnding(Unknown) // the others may have been changed by Prepare, and were not used
	_ = l.giveBack(0)
	if err = e.replace(failed); err != nil {
		return false, err
	}
	c.log.request()
	return true, nil
}

// replace makes the call another request, without what failed. The goroutine of the
// test does it, since it reads all of that, and other calls look at it in the
// registry.
func (e *errand) replace(failed []*care) error {
	c := e.call
	done := make(chan error, 1)
	e.tell(notice{do: func() {
		unfit := append(c.unfitSoFar(), failed...)
		c.unfit.Store(&unfit)
		reqs, err := c.withoutUnfit(c.reqs)
		if err == nil {
			reg.mu.Lock()
			c.reqs, c.id = reqs, fmt.Sprintf("%.26s-%d", c.id, len(unfit))
			reg.mu.Unlock()
		}
		done <- err
	}})
	select {
	case err := <-done:
		return err
	case <-e.over:
		return errOver
	}
}

// beforeEnd restores the items of a lease that is not kept, and notes for the next
// holder how its use ended. It returns what is to be said.
func (l *Lease) beforeEnd(keep time.Duration) (words []string) {
	if l.failed {
		l.inner.SetEnding(TestFailed)
	}
	var all []*care
	for i, w := range l.log.call.wishes {
		all = append(all, w.restoring(l.obtained[i])...)
	}
	if keep > 0 || len(all) == 0 || l.inner.Context().Err() != nil {
		return nil
	}
	failed, took := l.careFor(context.Background(), all)
	l.restored.Store(int64(took))
	for _, f := range failed {
		l.inner.SetEnding(Unknown)
		words = append(words, f.words("Restore", l.putOut(f, "Restore")))
	}
	return words
}

// putOut takes an item out of service, and says so.
func (l *Lease) putOut(f *care, what string) string {
	c := l.log.call
	l.log.unfit(l, f)
	d := c.cfg.quarantineOf()
	if d == 0 {
		return "it stays in service"
	}
	ctx, cancel := context.WithTimeout(context.Background(), putOutLimit)
	defer cancel()
	o := lockcore.Outage{Keys: []string{f.key}, Owner: ownerOf(l.t, l.at), Reason: what + " failed: " + firstLine(f.err), For: d}
	if _, err := c.locker.Disable(ctx, o); err != nil {
		return fmt.Sprintf("it could not be taken out of service (%v)", err)
	}
	return fmt.Sprintf("it is out of service for %s or longer; rtest-report enable ends that", short(d))
}

// putOutLimit is how long the store may take to take an item out of service.
const putOutLimit = 5 * time.Second
