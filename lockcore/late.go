package lockcore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A reply that comes after the TTL brings a lease that has ended: the process was
// stopped, or the store took its time.
//
//	 0 s  asks, with a TTL of 30 s
//	 1 s  the store grants
//	31 s  the lease is over, and the key goes to somebody else
//	40 s  the reply is read
//
// Nobody has worked with such a lease, so there is nothing to lose: it is renewed
// if the store still has it for us, and asked for again if not.

// lateReplies is how many leases in a row may be over before they are here, until
// the store is called too slow for the TTL.
const lateReplies = 3

// inTime waits for a grant that is good for a while from now on.
func (w *wait1) inTime(ctx context.Context) (*Grant, error) {
	for range lateReplies {
		grant, err := w.run(ctx)
		if err != nil {
			return nil, err
		}
		if w.good() {
			return grant, nil
		}
		sent := time.Now()
		errs, err := w.locker.store.Renew(ctx, []*Grant{grant})
		if err != nil {
			return nil, w.firstError(ctx, err)
		}
		w.sent, w.pushed = sent, false
		switch {
		case errs[0] == nil && w.good():
			return grant, nil
		case errs[0] != nil && !errors.Is(errs[0], ErrLost):
			return nil, w.firstError(ctx, errs[0])
		}
	}
	w.locker.withdraw(ctx, w.ticket.ID)
	return nil, fmt.Errorf("lockcore: %s answered %d times in a row only when the TTL of %s was over: choose a longer one", w.locker.store, lateReplies, w.ticket.TTL)
}

// good reports whether the grant has some of its life left.
func (w *wait1) good() bool {
	valid, _ := w.validity()
	return time.Now().Before(valid)
}

// validity is when the lease that was granted last ends at the latest by this
// machine's clock, and when its first renewal is due.
func (w *wait1) validity() (valid, due time.Time) {
	ttl := w.ticket.TTL
	if w.pushed {
		// Good for the window only, so the first renewal, which confirms it, is due now.
		return w.sent.Add(min(ttl-margin(ttl), w.window-w.window/10)), time.Now()
	}
	return w.sent.Add(ttl - margin(ttl)), w.sent.Add(ttl / 3)
}
