package rtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest/bridge"
	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
	"github.com/resourcelocker/resourcelocker/rtest/internal/outside"
)

// A Lease is what [Acquire] obtained. It is given back in t.Cleanup, after the
// test and its subtests, or early by [Lease.Release]. When it is lost, because
// no renewal reached the store in time or somebody freed it by hand, the test
// fails with words, and [Lease.Context] is cancelled. Its methods are safe for
// concurrent use.
//
// Those of a nil lease tell of the one of [Main], as [Requirement.From] does, and panic
// without one; only Release has nothing to do then.
type Lease struct {
	t      TB
	test   *testState
	at     site
	id     string
	source any
	serial bool // acquired before t.Parallel, if that was to come
	keep   time.Duration
	log    *record
	runner *outside.Runner
	held   holding

	ctx      context.Context
	cancel   context.CancelFunc // of ctx, where that is not the store's
	reqs     []lockcore.Requirement
	keys     []string
	obtained [][]string
	token    uint64
	early    bool // served before somebody who came earlier
	waited   time.Duration
	granted  time.Time
	prepared atomic.Int64 // nanoseconds that Prepare took after that
	restored atomic.Int64 // nanoseconds that Restore took before the end
	items    []obtained

	locker     *lockcore.Locker
	quarantine time.Duration
	wishes     []wish

	ending sync.Mutex // held through the end, so that a second one returns after the first
	ended  bool

	unwatch  func() bool
	watched  chan struct{} // closed when the watcher has done its work, or never will
	lost     atomic.Bool
	recorded atomic.Bool // its end is
	cleanup  *cleanupOf
}

// cleanupOf is what t.Cleanup keeps of a lease: nothing once it is given back, so
// that a test which acquires a hundred thousand times does not keep them all.
type cleanupOf struct{ lease atomic.Pointer[Lease] }

func (l *Lease) registerCleanup() {
	l.cleanup = &cleanupOf{}
	l.cleanup.lease.Store(l)
	l.t.Cleanup(l.cleanup.run)
}

func (c *cleanupOf) run() {
	if l := c.lease.Load(); l != nil {
		l.t.Helper()
		l.endWithTest()
	}
}

// obtained are the items of one requirement.
type obtained struct {
	id    *ident
	items any // []T
}

// begin enters the lease into the registry and on record. It runs outside a bubble.
func (l *Lease) begin(guarded bool) {
	reg.add(l)
	guardEnter(guarded)
	l.test.totals.got(l.keys, l.token)
	l.log.grant(l.waited, l.early, l.obtained, l.token)
	if s := l.held.stored(); s != nil {
		l.watched = make(chan struct{})
		l.unwatch = context.AfterFunc(s.Context(), l.watch)
	}
}

// Context is cancelled when the lease ends. If it was lost,
// [context.Cause] wraps [lockcore.ErrLost]: stop using the resources.
func (l *Lease) Context() context.Context { return l.sure("Context").ctx }

// Keys lists the keys obtained, in the order of the requirements.
func (l *Lease) Keys() []string { return slices.Clone(l.sure("Keys").keys) }

// Token is the fencing token: strictly increasing over the grants of a
// namespace, 0 where the store has none.
func (l *Lease) Token() uint64 { return l.sure("Token").token }

// Waited is how long it took to obtain.
func (l *Lease) Waited() time.Duration { return l.sure("Waited").waited }

// Release gives everything back before the test ends. Calling it again does
// nothing.
func (l *Lease) Release() {
	if l == nil {
		return
	}
	l.t.Helper()
	l.end(0, l.t.Failed())
}

// endWithTest is Release at the end of the test.
func (l *Lease) endWithTest() {
	l.t.Helper()
	keep := time.Duration(0)
	failed := l.t.Failed() || unwinding(l.t)
	if failed {
		keep = l.keep
	}
	l.end(keep, failed)
}

// end ends the lease on a goroutine of the test. It is no sync.Once, whose frames
// would be where log lines point to.
func (l *Lease) end(keep time.Duration, failed bool) {
	l.t.Helper()
	l.ending.Lock()
	defer l.ending.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	parked := l.parkedWhileHolding()
	var err error
	var unfit []string
	l.runner.Do(func() {
		unfit = l.beforeEnd(keep, failed)
		err = l.release(keep)
	})
	l.runner.Close()
	for _, words := range unfit {
		l.t.Logf("rtest: %s", words)
	}
	l.cleanup.lease.Store(nil)
	if parked != "" {
		l.t.Errorf("%s", parked)
	}
	switch {
	case errors.Is(err, lockcore.ErrLost):
		if l.lost.CompareAndSwap(false, true) { // else the watcher said so
			l.t.Errorf("%s", l.lostWords(err))
		}
	case err != nil:
		l.t.Logf("rtest: %v", err) // it will expire; the test did its work
	case keep > 0:
		l.t.Logf("rtest: the test failed, so %s stays taken for %s; rtest-report free gives it back earlier", list(l.keys, keysShown), short(keep))
	case failed: // go test shows it without -v, too
		l.t.Logf("rtest: the test failed; it had %s", list(l.keys, keysShown))
	}
}

// release gives the resources back and records it. It runs outside a bubble.
func (l *Lease) release(keep time.Duration) error {
	defer guardLeave()
	spent := l.spent()
	l.stopWatching()
	err := l.held.release(keep)
	reg.remove(l)
	if l.cancel != nil {
		l.cancel()
	}
	l.recordEnd(spent, keep, err)
	l.log.flush()
	return err
}

// spent says how long the lease has lasted by now, and what that went into.
func (l *Lease) spent() spent {
	s := spent{prepare: time.Duration(l.prepared.Load()), restore: time.Duration(l.restored.Load())}
	s.held = time.Since(l.granted) - s.prepare - s.restore
	return s
}

// errNotOwn is about a lease that another process gives back.
var errNotOwn = errors.New("the lease belongs to another process")

// releaseEarly gives the resources back while the test still runs, because the
// process is about to end; most is how long it may take to do so. The error says
// that they were not given back: the lease was lost before, or the store cannot be
// told and will let it expire.
func (l *Lease) releaseEarly(most time.Duration) error {
	if !l.held.own() {
		return errNotOwn
	}
	if l.lost.Load() {
		return lockcore.ErrLost
	}
	l.held.stored().SetEnding(Died) // the process does, in the middle of the test
	kept, err := l.held.exit(most)
	l.recordEnd(l.spent(), kept, err)
	l.log.flush()
	return err
}

// recordEnd puts the end of the lease on record, once.
func (l *Lease) recordEnd(s spent, keep time.Duration, err error) {
	if l.held.stored() != nil && l.recorded.CompareAndSwap(false, true) {
		l.log.end(l.obtained, s, keep, err)
		l.test.totals.heldFor(s.held, errors.Is(err, lockcore.ErrLost))
	}
}

// stopWatching returns when the watcher has done its work, or never will: it may
// still call t.Errorf, which must not happen after the test.
func (l *Lease) stopWatching() {
	if l.unwatch == nil {
		return
	}
	if l.unwatch() {
		close(l.watched)
	}
	<-l.watched
}

// watch runs when the lease's context ends otherwise than by release.
func (l *Lease) watch() {
	defer close(l.watched)
	cause := context.Cause(l.held.stored().Context())
	if !errors.Is(cause, lockcore.ErrLost) || !l.lost.CompareAndSwap(false, true) {
		return
	}
	l.recordEnd(l.spent(), 0, cause)
	complain(l.t, l.lostWords(cause))
}

func (l *Lease) lostWords(cause error) string {
	why := ""
	if !gotest.ParentAlive() {
		why = "; the process that started this test binary has ended, so its leases are not renewed any more"
	} else if d := deadlineOf(l.t); !d.IsZero() && time.Now().After(d) {
		why = "; leases are not renewed once -timeout is over"
	}
	return fmt.Sprintf("rtest: lost %s, acquired at %s: %v%s. Somebody else may be using it", list(l.keys, keysShown), l.at, bridge.Reason(cause), why)
}
