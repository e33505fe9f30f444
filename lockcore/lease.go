package lockcore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Lease is a grant that is kept alive: its [Locker] renews it at a third of
// its TTL until it is released, lost, or the locker closed. Its methods are
// safe for concurrent use.
//
// A lease is lost when no renewal got through in time, when somebody freed the
// key by hand, or when the store lost it and gave the key away. The client's
// own validity ends before the store's does: the context is cancelled before
// anybody else can hold the keys, counted on this machine's monotonic clock
// from the moment before the last successful renewal was sent.
type Lease struct {
	locker  *Locker
	grant   *Grant
	waited  time.Duration
	until   time.Time // renewals end here; zero: never
	parents []string
	ending  Ending // how its use ends, for the release; guarded by mu
	ctx     leaseContext
	cancel  context.CancelCauseFunc

	releasing sync.Mutex // held through a release, so that a second one returns after the first

	mu       sync.Mutex
	state    leaseState
	lost     error // why, once lost
	valid    time.Time
	due      time.Time     // of the next renewal
	inflight chan struct{} // closed when the renewal under way has ended; nil if none is
	expiry   *time.Timer
}

type leaseState int

const (
	live leaseState = iota
	released
	lost
)

var errReleased = fmt.Errorf("lockcore: lease released: %w", context.Canceled)

// margin is what the client's validity ends before the store's lease can: it
// covers clocks that run at slightly different speeds, and the time from the
// end of the context to the end of the work that watches it.
func margin(ttl time.Duration) time.Duration { return ttl / 50 }

// open starts the lease's life: its context, and the timer that ends it.
func (le *Lease) open(ctx context.Context) {
	base, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	le.ctx, le.cancel = leaseContext{base, le}, cancel
	le.mu.Lock()
	defer le.mu.Unlock()
	le.expiry = time.AfterFunc(time.Until(le.valid), le.check)
}

// leaseContext looks at the clock whenever it is asked: a process that was
// stopped beyond its TTL finds the context cancelled even if it gets there
// before the runtime's timers do.
type leaseContext struct {
	context.Context
	lease *Lease
}

func (c leaseContext) Done() <-chan struct{} { c.lease.check(); return c.Context.Done() }

func (c leaseContext) Err() error { c.lease.check(); return c.Context.Err() }

type leaseKey struct{}

func (c leaseContext) Value(key any) any {
	if key == (leaseKey{}) {
		return c.lease
	}
	return c.Context.Value(key)
}

// ID is the lease's identity in the store, as snapshots and events show it.
func (le *Lease) ID() string { return le.grant.Ticket.ID }

// Keys lists all keys, in the order of the requirements.
func (le *Lease) Keys() []string { return le.grant.Keys() }

// Obtained lists the keys by requirement.
func (le *Lease) Obtained() [][]string {
	out := make([][]string, len(le.grant.Obtained))
	for i, keys := range le.grant.Obtained {
		out[i] = append([]string(nil), keys...)
	}
	return out
}

// Token is the fencing token: strictly increasing over the grants of a
// namespace. It is 0 in Redlock mode, which has none.
func (le *Lease) Token() uint64 { return le.grant.Token }

// Waited is how long the request waited for its grant.
func (le *Lease) Waited() time.Duration { return le.waited }

// Backfilled reports whether the request was served before somebody who came
// earlier, out of what was reserved for them; see [Grant].
func (le *Lease) Backfilled() bool { return le.grant.Backfilled }

// ValidUntil returns when the lease ends unless a renewal succeeds before. Of a lease
// that has ended it is a moment in the past.
func (le *Lease) ValidUntil() time.Time {
	le.mu.Lock()
	defer le.mu.Unlock()
	if le.state != live {
		return time.Time{}
	}
	return le.valid
}

// Context is cancelled when the lease ends; [context.Cause] is an error that wraps
// [ErrLost] if it was lost, and [context.Canceled] if it was released. It carries the
// values of the context given to Acquire, and does not end with that context. An Acquire
// under it counts as nested in this lease.
func (le *Lease) Context() context.Context { return le.ctx }

// Last says how the use of one of its keys ended before this one.
func (le *Lease) Last(key string) Ending { return le.grant.Last[key] }

// SetEnding says how this use ends, for the next holder of the keys; see [Ending].
// Release and Keep send it, so it must come before them. The default is [Released].
func (le *Lease) SetEnding(e Ending) {
	le.mu.Lock()
	defer le.mu.Unlock()
	le.ending = e
}

// Release gives everything back, even when ctx is done already: it has 5 s of
// its own, in which it tries again if the store does not answer. It returns nil
// when the lease was released before, an error that wraps [ErrLost] when it was
// lost, and otherwise what went wrong; the store then drops the lease when its
// TTL is over.
func (le *Lease) Release(ctx context.Context) error { return le.end(ctx, 0) }

// Keep releases the lease and leaves its keys taken for another d, so that somebody can
// look at the resource. The process may end meanwhile. Its errors are those of Release.
func (le *Lease) Keep(ctx context.Context, d time.Duration) error { return le.end(ctx, d) }

// releaseTimeout is how long a release tries. Longer would hold up the end of a
// test; the TTL takes over from here.
const releaseTimeout = 5 * time.Second

func (le *Lease) end(ctx context.Context, keep time.Duration) error {
	le.releasing.Lock()
	defer le.releasing.Unlock()
	le.check()
	le.mu.Lock()
	switch le.state {
	case released:
		le.mu.Unlock()
		return nil
	case lost:
		defer le.mu.Unlock()
		return le.lost
	}
	le.state = released
	le.expiry.Stop()
	inflight := le.inflight
	grant := *le.grant // others who adopted it read it
	grant.Ending = le.ending
	le.mu.Unlock()
	le.locker.forget(le)
	le.cancel(errReleased)

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if inflight != nil {
		// A renewal that arrives after the release would meet an unknown lease.
		select {
		case <-inflight:
		case <-ctx.Done():
		}
	}
	err := retry(ctx, func() error { return le.locker.store.Release(ctx, &grant, keep) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotHeld):
		return &lostError{le.describe(), errors.New("the store no longer had it")}
	}
	to := ""
	if !le.locker.named(err) {
		to = fmt.Sprint(" to ", le.locker.store)
	}
	return fmt.Errorf("lockcore: cannot give back %s%s, it will expire within %s: %w", le.describe(), to, short(le.grant.Ticket.TTL), err)
}

// retry repeats f while it fails for reasons of transport and ctx lasts.
func retry(ctx context.Context, f func() error) error {
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		err := f()
		if err == nil || errors.Is(err, ErrNotHeld) || errors.Is(err, ErrLost) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// check ends the lease if its validity is over.
func (le *Lease) check() {
	le.mu.Lock()
	over := le.state == live && !time.Now().Before(le.valid)
	le.mu.Unlock()
	if over {
		le.lose(errors.New("no renewal reached the store in time"))
	}
}

// lose ends the lease as lost. The reason completes "lease on X lost: ".
func (le *Lease) lose(reason error) {
	le.locker.forget(le) // it ends now, if it has not ended
	le.mu.Lock()
	if le.state != live {
		le.mu.Unlock()
		return
	}
	le.state = lost
	le.lost = &lostError{le.describe(), reason}
	le.expiry.Stop()
	// Before the lock is left: whoever finds the lease lost already does not look at
	// the clock any more, and would find its context good until it is cancelled.
	le.cancel(le.lost)
	le.mu.Unlock()
}

// lostError is why a lease was lost.
type lostError struct {
	lease string
	why   error
}

func (e *lostError) Error() string {
	return fmt.Sprintf("lockcore: %s: %s: %s", e.lease, ErrLost, e.Reason())
}

func (e *lostError) Unwrap() []error { return []error{ErrLost, e.why} }

// Reason says nothing but why: for a message that has named the lease already and
// said that it is lost.
func (e *lostError) Reason() string { return strings.TrimSuffix(e.why.Error(), ": "+ErrLost.Error()) }

func (le *Lease) describe() string {
	var keys []string
	for i, k := range le.Keys() {
		if i == keysShown {
			keys = append(keys, "…")
			break
		}
		keys = append(keys, quote(k))
	}
	return "lease on " + strings.Join(keys, ", ")
}

// renewed records a successful renewal that was sent at the given time.
func (le *Lease) renewed(sent time.Time) {
	ttl := le.grant.Ticket.TTL
	le.mu.Lock()
	defer le.mu.Unlock()
	if le.state != live {
		return
	}
	le.valid = sent.Add(ttl - margin(ttl))
	le.due = sent.Add(ttl / 3)
	le.expiry.Reset(time.Until(le.valid))
}
