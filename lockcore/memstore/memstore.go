// Package memstore keeps leases in the memory of one process.
//
// It is the scheduler under a mutex: for tests of what uses locks, and for
// programs whose sharing ends at the process. Different stores in one process
// share nothing, unless they come from [Shared].
package memstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// Options configure a [Store]. The zero value is ready to use.
type Options struct {
	// LockDelay keeps the keys of a lease that expired (not: was released) aside
	// for this long before somebody else gets them. Default 0.
	LockDelay time.Duration
	// Policy says who may be served before somebody who came earlier. Default
	// [lockcore.Backfill].
	Policy lockcore.QueuePolicy
}

// A Store is a [lockcore.Store] in memory. Make one with [New].
type Store struct {
	name   string
	policy lockcore.QueuePolicy
	start  time.Time // the clock is this and the monotonic time since: it never jumps

	mu    sync.Mutex
	state sched.State
	wakes map[string]waker
	timer *time.Timer // runs at the next moment at which something expires
	armed int64       // when that is; 0: no timer runs
}

// waker is how to tell a waiting ticket that it was granted.
type waker struct {
	ticket *lockcore.Ticket
	wake   func(*lockcore.Grant)
}

var _ lockcore.Store = (*Store)(nil)

// New returns an empty store. opts may be nil.
func New(opts *Options) *Store {
	s := &Store{name: "mem:", start: time.Now(), wakes: make(map[string]waker)}
	if opts != nil {
		s.policy = opts.Policy
		s.state.LockDelay, s.state.Policy = opts.LockDelay, opts.Policy
	}
	return s
}

var shared struct {
	sync.Mutex
	stores map[string]*Store
}

// Shared returns the store of that name in this process, and makes it at the
// first call; opts count then only. It is what the URL "mem:" opens.
func Shared(name string, opts *Options) *Store {
	shared.Lock()
	defer shared.Unlock()
	s := shared.stores[name]
	if s == nil {
		s = New(opts)
		s.name = "mem: (namespace " + name + ")"
		if shared.stores == nil {
			shared.stores = make(map[string]*Store)
		}
		shared.stores[name] = s
	}
	return s
}

// Policy is the one that the store was made with. Clients that share it by name
// check that it is theirs.
func (s *Store) Policy() lockcore.QueuePolicy { return s.policy }

// String implements [lockcore.Store].
func (s *Store) String() string { return s.name }

// step runs one operation under the mutex, and wakes who was granted by it.
func (s *Store) step(f func(now int64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	f(now)
	s.settle(now)
}

func (s *Store) now() int64 { return s.start.UnixNano() + int64(time.Since(s.start)) }

// settle wakes the granted waiters and sees to it that somebody looks when the
// next thing expires. Without waiters nobody cares, and no timer runs.
func (s *Store) settle(now int64) {
	for _, g := range s.state.TakeGranted() {
		if w, ok := s.wakes[g.ID]; ok {
			delete(s.wakes, g.ID)
			w.wake(nil)
		}
	}
	next := s.state.Next()
	switch {
	case !s.state.Waiting():
		if s.timer != nil {
			s.timer.Stop()
		}
		s.armed = 0
	case s.armed == 0 || next < s.armed:
		s.armed = next
		d := time.Duration(next - now)
		if s.timer == nil {
			s.timer = time.AfterFunc(d, s.tick)
		} else {
			s.timer.Reset(d)
		}
	}
}

func (s *Store) tick() {
	s.step(func(now int64) {
		s.armed = 0
		s.state.Tick(now, rand.IntN)
	})
}

// Ask implements [lockcore.Store].
func (s *Store) Ask(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (ans lockcore.Answer, err error) {
	if err := ctx.Err(); err != nil {
		return ans, err
	}
	s.step(func(now int64) {
		ans.Grant, ans.Poll = s.state.Ask(now, t, "", rand.IntN)
		if ans.Grant == nil && t.Wait {
			s.wakes[t.ID] = waker{t, wake}
		} else {
			delete(s.wakes, t.ID)
		}
		if ans.Grant == nil {
			ans.Disabled = s.state.Disabled(t.Requirements)
		}
	})
	return ans, nil
}

// Renew implements [lockcore.Store].
func (s *Store) Renew(ctx context.Context, grants []*lockcore.Grant) ([]error, error) {
	errs := make([]error, len(grants))
	s.step(func(now int64) {
		for i, g := range grants {
			errs[i] = s.state.Renew(now, g, rand.IntN)
		}
	})
	return errs, nil
}

// Release implements [lockcore.Store].
func (s *Store) Release(ctx context.Context, g *lockcore.Grant, keep time.Duration) (err error) {
	s.step(func(now int64) {
		if !s.state.Release(now, g.Ticket.ID, keep, g.Ending, rand.IntN) {
			err = fmt.Errorf("%s: lease %s: %w", s.name, g.Ticket.ID, lockcore.ErrNotHeld)
		}
	})
	return err
}

// Withdraw implements [lockcore.Store].
func (s *Store) Withdraw(ctx context.Context, id string) error {
	s.step(func(now int64) {
		delete(s.wakes, id)
		s.state.Withdraw(now, id, rand.IntN)
	})
	return nil
}

// Snapshot implements [lockcore.Store].
func (s *Store) Snapshot(ctx context.Context) (snap lockcore.Snapshot, err error) {
	s.step(func(now int64) { snap = s.state.Snapshot(now, rand.IntN) })
	return snap, nil
}

// History lists what was learned about how long tests hold; see
// [lockcore.Locker.History].
func (s *Store) History(ctx context.Context) (known []lockcore.Usage, err error) {
	s.step(func(now int64) { known = s.state.Usages(now, rand.IntN) })
	return known, nil
}

// Free implements [lockcore.Store].
func (s *Store) Free(ctx context.Context, key, why string) (freed []lockcore.Holder, err error) {
	s.step(func(now int64) { freed = s.state.Free(now, key, why, rand.IntN) })
	if freed == nil {
		return nil, fmt.Errorf("%s: %q: %w", s.name, key, lockcore.ErrNotHeld)
	}
	return freed, nil
}

// Close implements [lockcore.Store]. The leases stay, as in every store.
func (s *Store) Close() error { return nil }
