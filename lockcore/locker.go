package lockcore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"
)

// Options configure a [Locker]. The zero value and nil are ready to use.
type Options struct {
	// Owner completes the owner of every request: its fields stand in for those
	// that the request leaves empty. Host and PID default to this process.
	Owner Owner
	// Alive, if set, is asked before every renewal. Once it returns false, the Locker
	// renews nothing any more, and the leases end when their TTL is over. A process that
	// should end with its parent sets it.
	Alive func() bool
}

// A Locker takes, keeps and returns leases in one [Store]. It is safe for
// concurrent use; a process needs one. It renews all its leases in one call to
// the store.
type Locker struct {
	store  Store
	opts   Options
	closed chan struct{}
	work   sync.WaitGroup // acquisitions and withdrawals under way

	mu      sync.Mutex
	leases  map[*Lease]struct{}
	timer   *time.Timer // of the renewals; nil before the first lease
	armed   time.Time   // when it fires; zero: it does not
	running bool        // the renewals
}

// New returns a Locker on the store, which it owns from now on: [Locker.Close]
// closes it. opts may be nil.
//
// Every method of a zero Locker, and of one with a nil store, returns an error that says
// so.
func New(s Store, opts *Options) *Locker {
	if v := reflect.ValueOf(s); v.Kind() == reflect.Pointer && v.IsNil() {
		s = nil // of an Open whose error nobody looked at
	}
	l := &Locker{store: s, closed: make(chan struct{}), leases: make(map[*Lease]struct{})}
	if opts != nil {
		l.opts = *opts
	}
	if l.opts.Owner.Host == "" {
		l.opts.Owner.Host, _ = os.Hostname() // an unknown host is left out of messages
	}
	if l.opts.Owner.PID == 0 {
		l.opts.Owner.PID = os.Getpid()
	}
	// A store that finds its state gone says so, instead of leaving a holder in the
	// belief until the next renewal.
	if s, ok := optional[interface{ OnLostState(f func()) }](s); ok {
		s.OnLostState(l.renewNow)
	}
	return l
}

// optional finds what a store can do beyond [Store], in it or in those that it wraps:
// a wrapper that embeds a Store hides the rest of its methods.
func optional[T any](s Store) (t T, ok bool) {
	for s != nil {
		if t, ok = s.(T); ok {
			return t, true
		}
		w, wraps := s.(interface{ Unwrap() Store })
		if !wraps {
			break
		}
		s = w.Unwrap()
	}
	return t, false
}

// usable returns an error if there is no store to ask.
func (l *Locker) usable() error {
	if l == nil || l.store == nil {
		return errNoStore
	}
	return nil
}

var errNoStore = errors.New("lockcore: this Locker is nil or has no store: make it with lockcore.New and the store that an Open returned without an error")

var errClosed = errors.New("lockcore: the locker is closed")

// Acquire takes everything that the request asks for, waiting in line until it
// is there or ctx ends. While it waits it holds nothing.
//
// Its error is a [*BusyError] when ctx ends first (unless the store could not
// be asked at all), or at once, wrapping [ErrOutOfService], when only disabled
// resources could serve it; wraps [ErrUnsatisfiable] when no waiting can help, wraps
// [ErrDeadlock] when the request waits, through [Request.Holding], for itself,
// and is otherwise what the store said. The first attempt fails at once when the
// store cannot be reached; once in line, a request outlives faults of the store
// of up to 30 s. Nothing stays behind in the store after an error.
func (l *Locker) Acquire(ctx context.Context, req Request) (*Lease, error) {
	return l.acquire(ctx, req, true)
}

// TryAcquire is Acquire without waiting: one attempt, and a [*BusyError] at once
// if something is missing or an earlier waiter has a claim on it.
func (l *Locker) TryAcquire(ctx context.Context, req Request) (*Lease, error) {
	return l.acquire(ctx, req, false)
}

// Snapshot lists the holders and the waiters, in order, and when each waiter is
// expected to be served, as far as the store serves in order and anything is known.
func (l *Locker) Snapshot(ctx context.Context) (Snapshot, error) {
	if err := l.usable(); err != nil {
		return Snapshot{}, err
	}
	s, err := l.store.Snapshot(ctx)
	if err != nil || len(s.Waiters) == 0 {
		return s, err
	}
	starts := l.expectedStarts(s, "")
	for i := range s.Waiters {
		s.Waiters[i].Start = starts[s.Waiters[i].ID]
	}
	return s, nil
}

// expectedStarts asks the store, which knows by what rule it serves. The scheduler
// is what plays the line forward, for all stores alike; it is not called from here
// because it is made of the words of this package.
func (l *Locker) expectedStarts(s Snapshot, id string) map[string]time.Time {
	if f, ok := optional[interface {
		ExpectedStarts(s Snapshot, id string) map[string]time.Time
	}](l.store); ok {
		return f.ExpectedStarts(s, id)
	}
	return nil
}

// History lists how long each test held what it asked for, the last times: what
// the store expects of tests that do not say it themselves. The order is by
// package, test and requirements. The error wraps [errors.ErrUnsupported] if the
// store does not learn.
func (l *Locker) History(ctx context.Context) ([]Usage, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	s, ok := optional[interface {
		History(context.Context) ([]Usage, error)
	}](l.store)
	if !ok {
		return nil, fmt.Errorf("%s: this store does not learn how long tests hold: %w", l.store, errors.ErrUnsupported)
	}
	return s.History(ctx)
}

// Close ends waiting acquisitions with an error, releases every lease and
// closes the store. It returns the errors of all these, joined.
func (l *Locker) Close() error {
	if err := l.usable(); err != nil {
		return err
	}
	l.mu.Lock()
	select {
	case <-l.closed:
		l.mu.Unlock()
		return nil
	default:
	}
	close(l.closed)
	l.mu.Unlock()
	l.work.Wait() // from here on no lease joins
	l.mu.Lock()
	var leases []*Lease
	for le := range l.leases {
		leases = append(leases, le)
	}
	l.mu.Unlock()

	var wg sync.WaitGroup
	errs := make([]error, len(leases))
	for i, le := range leases {
		wg.Go(func() { errs[i] = le.Release(context.Background()) })
	}
	wg.Wait()
	l.mu.Lock()
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	return errors.Join(append(errs, l.store.Close())...)
}

// begin counts a piece of work that Close waits for.
func (l *Locker) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return false
	default:
		l.work.Add(1)
		return true
	}
}

func (l *Locker) acquire(ctx context.Context, req Request, wait bool) (*Lease, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	if ctx == nil {
		return nil, errors.New("lockcore: the context is nil: use context.Background() where nothing ends the wait")
	}
	if !l.begin() {
		return nil, errClosed
	}
	defer l.work.Done()
	if req.For != 0 {
		return nil, errors.New("lockcore: a request with For is a reservation: it goes to Reserve")
	}
	w, err := l.newWait(ctx, &req, wait)
	if err != nil {
		return nil, err
	}
	grant, err := w.inTime(ctx)
	if err != nil {
		return nil, err
	}
	le := w.lease(ctx, grant)
	l.keep(le)
	return le, nil
}

// newWait checks a request and makes its ticket.
func (l *Locker) newWait(ctx context.Context, req *Request, wait bool) (*wait1, error) {
	if err := validate(req.Requirements); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, &BusyError{Requirements: req.Requirements, Cause: context.Cause(ctx)}
	}
	if req.TTL < 0 || req.Expect < 0 || req.Waited < 0 {
		return nil, fmt.Errorf("lockcore: TTL is %s, Expect is %s and Waited is %s: none may be negative", req.TTL, req.Expect, req.Waited)
	}
	w := &wait1{locker: l, req: req, start: time.Now().Add(-req.Waited), wake: make(chan *Grant, 1)}
	w.parents = parents(ctx, req.Holding)
	w.ticket = &Ticket{
		ID: cmp.Or(req.ID, rand.Text()), Requirements: req.Requirements, Owner: l.complete(req.Owner), Priority: req.Priority,
		TTL: req.TTL, Expect: req.Expect, Reason: req.Reason, Parents: w.parents, Wait: wait, For: req.For,
	}
	if w.ticket.TTL == 0 {
		w.ticket.TTL = defaultTTL
	}
	return w, nil
}

// complete fills the empty fields of an owner from the options.
func (l *Locker) complete(o Owner) Owner {
	d := l.opts.Owner
	if o.User != "" {
		d.Test, d.Package = "", "" // it is the person who asks, and no test
	}
	for _, f := range []struct{ to, from *string }{
		{&o.Test, &d.Test}, {&o.Package, &d.Package}, {&o.Host, &d.Host}, {&o.Run, &d.Run}, {&o.URL, &d.URL}, {&o.Site, &d.Site}, {&o.User, &d.User},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
	if o.PID == 0 {
		o.PID = d.PID
	}
	return o
}

// parents lists the live leases that stay held while a request waits.
func parents(ctx context.Context, holding []*Lease) []string {
	var ids []string
	add := func(le *Lease) {
		if le.ctx.Err() != nil {
			return
		}
		for _, id := range append([]string{le.ID()}, le.parents...) {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	if le, ok := ctx.Value(leaseKey{}).(*Lease); ok {
		add(le)
	}
	for _, le := range holding {
		add(le)
	}
	return ids
}

// withdraw takes a ticket out of the store, though the caller's context may be
// over. Its own time limit keeps a store that hangs from hanging the caller.
func (l *Locker) withdraw(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	// If it cannot be told, the store drops the ticket when it is not heard of.
	_ = retry(ctx, func() error { return l.store.Withdraw(ctx, id) })
}
