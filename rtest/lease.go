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
)

// A Lease is what [Acquire] obtained. It is given back in t.Cleanup, after the
// test and its subtests, or early by [Lease.Release]. When it is lost, because
// no renewal reached the store in time or somebody freed it by hand, the test
// fails with words, and [Lease.Context] is cancelled. Its methods are safe for
// concurrent use.
type Lease struct {
	t      TB
	test   *testState
	at     site
	id     string
	source any
	serial bool // acquired before t.Parallel, if that was to come
	keep   time.Duration
	log    *record
	helper *servant
	inner  *lockcore.Lease // nil if another process holds it for this one

	ctx      context.Context
	end      context.CancelFunc // of a lease without inner
	reqs     []lockcore.Requirement
	keys     []string
	obtained [][]string
	token    uint64
	early    bool // served before somebody who came earlier
	waited   time.Duration
	granted  time.Time
	prepared atomic.Int64 // nanoseconds that Prepare took after that
	restored atomic.Int64 // nanoseconds that Restore took before the end
	failed   bool         // whether the test has, as of its end
	got      []gotten

	finishing sync.Mutex
	finished  bool

	unwatch func() bool
	watched chan struct{} // closed when the watcher has done its work, or never will
	lost    atomic.Bool
	closed  atomic.Bool // its end is on record
	tether  *tether
}

// tether is what t.Cleanup keeps of a lease: nothing once it is given back, so
// that a test which acquires a hundred thousand times does not keep them all.
type tether struct{ lease atomic.Pointer[Lease] }

func (l *Lease) tie() {
	l.tether = &tether{}
	l.tether.lease.Store(l)
	l.t.Cleanup(l.tether.pull)
}

func (h *tether) pull() {
	if l := h.lease.Load(); l != nil {
		l.t.Helper()
		l.cleanup()
	}
}

// gotten are the items of one requirement.
type gotten struct {
	id    *ident
	name  string
	items any // []T
}

// A lease of the process's locker is lockcore's, with the test's side of it:
// whom to tell of a loss, what to keep after a failure, which items the keys
// stand for.

// newLease makes a lease of a grant. It runs outside a bubble.
func newLease(c *call, inner *lockcore.Lease) *Lease {
	l := &Lease{
		t: c.t, test: c.test, at: c.at, id: inner.ID(), source: c.source, serial: c.serial, keep: c.cfg.keep, log: c.log, helper: c.helper,
		inner: inner, ctx: inner.Context(), reqs: c.reqs, keys: inner.Keys(), obtained: inner.Obtained(), token: inner.Token(),
		early: inner.Backfilled(), waited: inner.Waited() - c.cared, granted: time.Now(), watched: make(chan struct{}),
	}
	if c.helper != nil {
		// lockcore's context looks at the clock, which inside the bubble is not the
		// lease's.
		ctx, cancel := context.WithCancel(l.ctx)
		l.ctx, l.end = ctx, cancel
	}
	l.take(c)
	l.unwatch = context.AfterFunc(inner.Context(), l.watch)
	return l
}

// take files the items obtained, and enters the lease into the books.
func (l *Lease) take(c *call) {
	for i, w := range c.wishes {
		l.got = append(l.got, gotten{w.ident(), l.reqs[i].Name, w.collect(l.obtained[i])})
	}
	reg.add(l)
	guardEnter(c.env.signals && driven(c.t))
	l.test.got(l)
	l.log.grant(l)
}

// Context is cancelled when the lease ends. If it was lost,
// [context.Cause] wraps [lockcore.ErrLost]: stop using the resources.
func (l *Lease) Context() context.Context { return l.ctx }

// Keys lists the keys obtained, in the order of the requirements.
func (l *Lease) Keys() []string { return slices.Clone(l.keys) }

// Token is the fencing token: strictly increasing over the grants of a
// namespace, 0 where the store has none.
func (l *Lease) Token() uint64 { return l.token }

// Waited is how long it took to obtain.
func (l *Lease) Waited() time.Duration { return l.waited }

// Release gives everything back before the test ends. Calling it again does
// nothing.
func (l *Lease) Release() {
	l.t.Helper()
	l.failed = l.t.Failed()
	l.finish(0)
}

// cleanup is Release at the end of the test.
func (l *Lease) cleanup() {
	l.t.Helper()
	keep := time.Duration(0)
	l.failed = l.t.Failed() || brokenOff(l.t)
	if l.failed {
		keep = l.keep
	}
	l.finish(keep)
}

// finish ends the lease on a goroutine of the test. A second call returns after
// the first. It is no sync.Once, whose frames would be where log lines point to.
func (l *Lease) finish(keep time.Duration) {
	l.t.Helper()
	l.finishing.Lock()
	defer l.finishing.Unlock()
	if l.finished {
		return
	}
	l.finished = true
	parked := l.parkedWhileHolding()
	var err error
	var unfit []string
	l.helper.do(func() {
		if l.inner != nil && !l.joined() {
			unfit = l.beforeEnd(keep)
		}
		err = l.giveBack(keep)
	})
	l.helper.dismiss()
	for _, words := range unfit {
		l.t.Logf("rtest: %s", words)
	}
	l.tether.lease.Store(nil)
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
	}
}

// giveBack ends the lease in the store, and in the books. It runs outside a
// bubble.
func (l *Lease) giveBack(keep time.Duration) error {
	defer guardLeave()
	held := time.Since(l.granted) - time.Duration(l.prepared.Load()+l.restored.Load())
	if l.inner == nil {
		l.end()
		reg.remove(l)
		return nil
	}
	l.stopWatching()
	var err error
	switch {
	case l.joined():
		l.inner.Abandon()
	case keep > 0:
		err = l.inner.Keep(context.Background(), keep)
	default:
		err = l.inner.Release(context.Background())
	}
	reg.remove(l)
	if l.end != nil {
		l.end()
	}
	l.file(held, keep, err)
	l.log.flush()
	return err
}

// file puts the end of the lease on record, once.
func (l *Lease) file(held, keep time.Duration, err error) {
	if l.closed.CompareAndSwap(false, true) {
		l.log.gone(l, held, keep, err)
		l.test.heldFor(held, errors.Is(err, lockcore.ErrLost))
	}
}

// stopWatching returns when the watcher has done its work, or never will: it may
// still call t.Errorf, which must not happen after the test.
func (l *Lease) stopWatching() {
	if l.unwatch() {
		close(l.watched)
	}
	<-l.watched
}

// watch runs when the lease's context ends otherwise than by giveBack.
func (l *Lease) watch() {
	defer close(l.watched)
	cause := context.Cause(l.inner.Context())
	if !errors.Is(cause, lockcore.ErrLost) || !l.lost.CompareAndSwap(false, true) {
		return
	}
	l.file(time.Since(l.granted), 0, cause)
	complain(l.t, l.lostWords(cause))
}

func (l *Lease) lostWords(cause error) string {
	why := ""
	if !parentAlive() {
		why = "; the process that started this test binary has ended, so its leases are not renewed any more"
	} else if d := deadlineOf(l.t); !d.IsZero() && time.Now().After(d) {
		why = "; leases are not renewed once -timeout is over"
	}
	return fmt.Sprintf("rtest: lost %s, acquired at %s: %v%s. Somebody else may be using it", list(l.keys, keysShown), l.at, bridge.Reason(cause), why)
}
