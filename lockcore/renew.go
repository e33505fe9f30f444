package lockcore

import (
	"context"
	"errors"
	"time"
)

// keep takes a new lease into the renewals.
func (l *Locker) keep(le *Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leases[le] = struct{}{}
	if !l.renewing {
		l.renewing = true
		go l.renewals()
		return
	}
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// forget takes an ended lease out of the renewals.
func (l *Locker) forget(le *Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.leases, le)
	if len(l.leases) == 0 {
		select {
		case l.kick <- struct{}{}: // the renewer may go
		default:
		}
	}
}

// renewals is the goroutine that keeps all leases of the process alive. It ends
// when there are none, so that an idle Locker costs nothing.
func (l *Locker) renewals() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, any := l.nextRenewal()
		if !any {
			return
		}
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
			l.renew()
		case <-l.kick:
		}
	}
}

// nextRenewal is when a lease is due next. It ends the goroutine's claim to be
// running when there are no leases, under the lock that keep takes.
func (l *Locker) nextRenewal() (next time.Time, any bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.leases) == 0 {
		l.renewing = false
		return next, false
	}
	for le := range l.leases {
		le.mu.Lock()
		if next.IsZero() || le.due.Before(next) {
			next = le.due
		}
		le.mu.Unlock()
	}
	return next, true
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
