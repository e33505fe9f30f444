package lockcore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Grant is what the store gave, for [Locker.Adopt] in another process. Treat it
// as read-only.
func (le *Lease) Grant() *Grant { return le.grant }

// Adopt makes a lease of a grant that another process obtained from the same
// store, so that it lives as long as one of them renews it. A process that ends
// without releasing does no harm as long as another goes on; Release, by any of
// them, ends it for all, and the others learn of it at their next renewal. The
// error wraps [ErrLost] when the lease has ended already.
func (l *Locker) Adopt(ctx context.Context, g *Grant) (*Lease, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	if g == nil {
		return nil, errors.New("lockcore: there is no grant to join: it is nil")
	}
	if !l.begin() {
		return nil, errClosed
	}
	defer l.work.Done()
	sent := time.Now()
	errs, err := l.store.Renew(ctx, []*Grant{g})
	if err == nil {
		err = errs[0]
	}
	if err != nil {
		return nil, fmt.Errorf("lockcore: cannot join the lease on %s: %w", wanted(g.Ticket.Requirements), err)
	}
	ttl := g.Ticket.TTL
	le := &Lease{locker: l, grant: g, parents: g.Ticket.Parents, valid: sent.Add(ttl - margin(ttl)), due: sent.Add(ttl / 3)}
	le.open(ctx)
	l.keep(le)
	return le, nil
}

// Abandon ends the lease for this process only: it cancels the context and stops the
// renewals of this process. The store keeps the lease. It goes on if another process has
// adopted it and renews it; otherwise it ends when its TTL is over.
func (le *Lease) Abandon() {
	le.mu.Lock()
	if le.state != live {
		le.mu.Unlock()
		return
	}
	le.state = released
	le.expiry.Stop()
	le.mu.Unlock()
	le.locker.forget(le)
	le.cancel(errReleased)
}
