package rtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest/bridge"
	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
	"github.com/resourcelocker/resourcelocker/rtest/internal/outside"
)

// Acquire takes everything that the requirements among args ask for, all or
// nothing, and waits in line until it is there. It is given back in t.Cleanup,
// whatever becomes of the test; when the whole process dies, the store notices:
// at once on one machine, else when the lease runs out.
//
// It returns or ends the test. The test is skipped or fails, as [OnBusy] and
// [OnError] say, when the wait is over or the store cannot be reached, with
// words that name who is in the way. The test always fails when waiting cannot
// help: a mistake in a requirement or no requirement at all, a bad environment
// variable, a circle of tests that wait for each other, a resource that this test
// (or one that it is a subtest of, or [Main]) holds already, or that another
// goroutine of this test asks for at the same time. Where possible it fails before
// the store is asked for anything.
//
// Call t.Parallel before Acquire. A t.Parallel after Acquire would pause the test
// while it holds its resources, until all serial tests are over: the test fails. A
// package that acquires is never served from go test's cache of results.
//
// While it waits, lines say for how long, the place in line and who is in the
// way: after 1 s, and then ever more rarely; in the log of the test with -v, on
// standard error without. On ^C, SIGTERM and SIGHUP everything is given back
// before the process ends. A program that handles such a signal itself lives on, and
// so do its leases. RTEST_SIGNALS=off leaves signals alone.
//
// Inside a fuzz worker, what the coordinating process acquired in the body of
// the fuzz test, or in [Main], is not taken again but shared with it.
func Acquire(t TB, args ...Arg) *Lease {
	if absent(t) {
		// There is no test that could fail in words.
		panic("rtest: Acquire and Get need the test that they are called in, but t is nil")
	}
	t.Helper()
	c := &call{demands: demands{t: t}, pending: pending{at: siteOf(t)}}
	if err := c.prepare(args); err != nil {
		c.runner.Close()
		stop(t, false, "rtest: "+err.Error())
	}
	if l := c.fromCoordinator(); l != nil {
		return l
	}
	defer c.end() // also when Fatalf of another framework panics
	l, err := c.acquire()
	if err != nil {
		c.giveUp(err)
	}
	c.test.totals.waitOver("acquired", l.waited, c.blockers())
	if sharer, ok := t.(bridge.Sharer); ok {
		sharer.Granted(l.held.stored())
	}
	if early(t) {
		c.test.totals.show(t, c.env.attrs) // a test that -timeout ends gets no other occasion
	}
	c.passToWorkers(l)
	l.registerCleanup()
	if ctx := contextOf(t); ctx != nil && ctx.Err() != nil {
		l.end(0, false) // nobody may run Cleanup functions any more
		stop(t, false, "rtest: "+errOver.Error())
	}
	return l
}

var errOver = errors.New("Acquire was called after the end of the test (its context is done): resources cannot be taken in a Cleanup function or in a goroutine that outlives the test")

// Get acquires one requirement and returns the items obtained.
func Get[T any](t TB, r Requirement[T], opts ...Option) []T {
	if !absent(t) {
		t.Helper()
	}
	args := make([]Arg, 0, len(opts)+1)
	args = append(args, r)
	for _, o := range opts {
		args = append(args, o)
	}
	return r.From(Acquire(t, args...))
}

// call is one Acquire on its way.
type call struct {
	demands
	pending
	env    settings
	index  int       // which Acquire of the test
	serial bool      // t.Parallel was not called yet
	began  time.Time // when Acquire was called, which the limit counts from
	above  []*Lease  // held while it waits

	locker *lockcore.Locker
	log    *record
	start  time.Time               // of the wait
	last   *lockcore.BusyError     // what is known of it
	hint   string                  // what it says of traps in this process
	unfit  atomic.Pointer[[]*care] // what could not be prepared
	cared  atomic.Int64            // nanoseconds: how long that took, which is no wait
}

// prepare reads the arguments and the environment, and finds every mistake that
// can be found without asking the store.
func (c *call) prepare(args []Arg) error {
	// Whatever becomes of this call, its result is about the world at this time.
	gotest.KeepUncached()
	if err := reg.refused(); err != nil {
		return err
	}
	var err error
	if c.cfg, c.env, err = readEnv(); err != nil {
		return err
	}
	for _, w := range unknownVariables() {
		c.say("warning: " + w)
	}
	for i, a := range args {
		if isNil(a) {
			return fmt.Errorf("argument %d of %s is nil: give it a requirement or an option, or leave it out", i+1, c.function())
		}
		if err := a.join(&c.arguments); err != nil {
			return err
		}
	}
	if len(c.wishes) == 0 {
		// A list that came out empty, or a typing mistake: a test that passes without
		// what it needs would tell nobody.
		return fmt.Errorf("%s was given no requirement, so there is nothing to acquire: say what is needed, as in rtest.R(\"board-1\"), or leave out the call", c.function())
	}
	if c.cfg.locker != nil {
		c.source = c.cfg.locker
	} else {
		c.source = storeID{c.env.url, c.env.namespace}
		c.runner = outside.Start()
	}
	if ctx := contextOf(c.t); ctx != nil && ctx.Err() != nil {
		return errOver
	}
	if t, ok := c.t.(*testing.T); ok && t != nil {
		var self bool
		self, c.slot, c.known = gotest.ParallelOf(t)
		c.serial = c.known && !self
	}
	c.runner.Do(func() {
		c.began = time.Now()
		c.limit = c.cfg.limit(c.t, c.began)
	})
	if c.reqs, err = c.discover(); err != nil {
		return err
	}
	if c.test, c.index = testOf(c.t); c.index == 1 {
		c.t.Cleanup(func() { c.test.end(c.t, c.env, c.at) })
	}
	c.above = reg.above(c.test, c.source)
	if key, by := ownUse(c.reqs, c.above); by != nil {
		return c.heldAlready(key, by)
	}
	c.id = rand.Text()
	if g := adoptedGrant(c.t); g != nil {
		c.id = g.Ticket.ID
	}
	return nil
}

// function is what the user called.
func (c *call) function() string {
	if ofMain(c.t) {
		return "Main"
	}
	return "Acquire"
}

// acquire asks the store and waits, on other goroutines; this one, on which the
// test runs, reports what happens, so that log lines carry the user's line and
// the state of the test can be read.
func (c *call) acquire() (*Lease, error) {
	c.t.Helper()
	w := &wait{call: c}
	bench := benchmarkOf(c.t)
	defer bench.resume()
	c.runner.Do(w.begin)
	defer close(w.over)
	for {
		select {
		case <-bench.slow:
			bench.pause()
		case n := <-w.notices:
			c.notice(n)
		case r := <-w.done:
			return r.lease, r.err
		}
	}
}

// end ends what acquire began for the time of the wait. The runner of a bubble stays
// with the lease, if there is one.
func (c *call) end() {
	reg.end(&c.pending)
	if c.cancel != nil {
		c.cancel(nil)
	}
}

// guarded reports whether signals are to be handled while this call waits, and
// while its lease lasts.
func (c *call) guarded() bool { return c.env.signals && driven(c.t) }

// lease makes a lease of what was obtained.
func (c *call) lease(held holding, id string, keys [][]string, token uint64) *Lease {
	l := &Lease{
		t: c.t, test: c.test, at: c.at, id: id, source: c.source, serial: c.serial, keep: c.cfg.keep, log: c.log, runner: c.runner,
		held: held, locker: c.locker, quarantine: c.cfg.quarantineOf(), wishes: c.wishes, reqs: c.reqs, keys: slices.Concat(keys...), obtained: keys, token: token, granted: time.Now(),
	}
	for i, w := range c.wishes {
		l.items = append(l.items, obtained{w.ident(), w.collect(keys[i])})
	}
	return l
}
