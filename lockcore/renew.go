package lockcore

import (
	"context"
	"errors"
	"time"
)

// keep takes a new lease into the renewals.
func (l *Locker) keep(le *Lease) {
	le.mu.Lock()
	due := le.due
	le.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leases[le] = struct{}{}
	l.arm(due)
}

// forget takes an ended lease out of the renewals. Their timer is left alone: it
// finds nothing to do, which is cheaper than to stop it with every release.
func (l *Locker) forget(le *Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.leases, le)
}

// arm sees to it that the renewals run at the moment, or earlier. l.mu is held.
//
// A timer, and not a goroutine that lives while there are leases: most are given
// back long before their first renewal, and to start a goroutine for each costs
// half as much as a round trip to a server nearby.
func (l *Locker) arm(at time.Time) {
	if !l.armed.IsZero() && !at.Before(l.armed) {
		return
	}
	l.armed = at
	if l.timer == nil {
		l.timer = time.AfterFunc(time.Until(at), l.renewals)
		return
	}
	l.timer.Reset(time.Until(at))
}

// renewNow makes all renewals due.
func (l *Locker) renewNow() {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for le := range l.leases {
		le.mu.Lock()
		le.due = now
		le.mu.Unlock()
	}
	if len(l.leases) > 0 {
		l.arm(now)
	}
}

// renewals keeps the leases of the process alive: it renews what is due, and
// runs again when the next one is. Without leases it does not.
func (l *Locker) renewals() {
	l.mu.Lock()
	if l.running {
		l.mu.Unlock()
		return // it looks at the schedule again when it is done
	}
	l.running = true
	l.mu.Unlock()
	l.renew()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running, l.armed = false, time.Time{}
	for le := range l.leases {
		le.mu.Lock()
		due := le.due
		le.mu.Unlock()
		l.arm(due)
	}
}

// renew extends what is due, in one call. Leases that are due soon go along:
// leases taken at different moments fall into step and cost one round trip.
func (l *Locker) renew() {
	now := time.Now()
	batch, limit := l.batch(now)
	if len(batch) == 0 {
		return
	}
	done := make(chan struct{})
	grants := make([]*Grant, 0, len(batch))
	going := batch[:0]
	for _, le := range batch {
		le.mu.Lock()
		if le.state == live {
			le.inflight = done
			grants = append(grants, le.grant)
			going = append(going, le)
		}
		le.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	sent := time.Now()
	results, err := l.store.Renew(ctx, grants)
	for i, le := range going {
		le.mu.Lock()
		le.inflight = nil
		le.mu.Unlock()
		switch {
		case err == nil && results[i] == nil:
			le.renewed(sent)
		case err == nil && errors.Is(results[i], ErrLost):
			le.lose(results[i])
		default:
			le.again()
		}
	}
	close(done)
}

// again puts a renewal that failed back on the schedule, soon: the lease lives
// until its validity ends.
func (le *Lease) again() {
	le.mu.Lock()
	defer le.mu.Unlock()
	le.due = time.Now().Add(le.grant.Ticket.TTL / 12)
}

// batch picks the leases to renew now, and how long the call may take: a third
// of the shortest TTL among all, so that a store that hangs for one lease does
// not cost another.
func (l *Locker) batch(now time.Time) (batch []*Lease, limit time.Duration) {
	alive := l.opts.Alive == nil || l.opts.Alive()
	limit = time.Hour
	l.mu.Lock()
	defer l.mu.Unlock()
	for le := range l.leases {
		ttl := le.grant.Ticket.TTL
		limit = min(limit, ttl/3)
		le.mu.Lock()
		switch {
		case !alive, !le.until.IsZero() && now.After(le.until):
			le.due = now.Add(ttl) // nothing more to do but to run out
		case le.due.Sub(now) <= ttl/6:
			batch = append(batch, le)
		}
		le.mu.Unlock()
	}
	return batch, limit
}
