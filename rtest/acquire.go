package rtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Acquire takes everything that the requirements among args ask for, all or
// nothing, and waits in line until it is there. It is given back in t.Cleanup,
// whatever becomes of the test; when the whole process dies, the store notices:
// at once on one machine, else when the lease runs out.
//
// It returns or ends the test. The test is skipped or fails, as [OnBusy] and
// [OnError] say, when the wait is over or the store cannot be reached, with
// words that name who is in the way. It always fails, before anything is asked
// of the store where that is possible, for what no waiting mends: a mistake in a
// requirement or no requirement at all, a bad environment variable, a circle of
// tests that wait for each other, a resource that this test (or one that it is a
// subtest of, or [Main]) holds already.
//
// Call t.Parallel before Acquire: a test that is parked there would hold its
// resources until all serial tests are over, and fails therefore. A package that
// acquires is never served from go test's cache of results.
//
// While it waits, lines say for how long, the place in line and who is in the
// way: after 1 s, and then ever more rarely; in the log of the test with -v, on
// standard error without. On an interrupt or a TERM signal everything is
// given back before the process ends; RTEST_SIGNALS=off leaves signals alone.
//
// Inside a fuzz worker, what the coordinating process acquired in the body of
// the fuzz test, or in [Main], is not taken again but shared with it.
func Acquire(t TB, args ...Arg) *Lease {
	if absent(t) {
		// There is no test that could fail in words.
		panic("rtest: Acquire and Get need the test that they are called in, but t is nil")
	}
	t.Helper()
	c := &call{t: t, at: siteOf(t)}
	if err := c.prepare(args); err != nil {
		c.helper.dismiss()
		stop(t, false, "rtest: "+err.Error())
	}
	if l := c.inherit(); l != nil {
		return l
	}
	defer c.leave() // also when Fatalf of another framework panics
	l, err := c.acquire()
	if err != nil {
		c.giveUp(err)
	}
	c.test.ended("acquired", l.waited, c.blockers())
	l.bequeath()
	if early(t) {
		c.test.attributes(t, c.env.attrs) // a test that -timeout ends gets no other occasion
	}
	l.hand(c)
	l.tie()
	if ctx := contextOf(t); ctx != nil && ctx.Err() != nil {
		l.finish(0) // nobody may run Cleanup functions any more
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
	t      TB
	at     site
	id     string // of the request, and then of the lease
	test   *testState
	index  int // which Acquire of the test
	cfg    config
	env    settings
	wishes []wish
	reqs   []lockcore.Requirement
	helper *servant // nil unless in a bubble
	slot   any      // the parallel slot that the test occupies
	serial bool     // t.Parallel was not called yet

	source any // what locker: leases of different ones do not concern each other
	locker *lockcore.Locker
	above  []*Lease  // held while it waits
	began  time.Time // when Acquire was called, which the limit counts from
	limit  limit
	asking atomic.Pointer[asking]
	cancel context.CancelCauseFunc
	log    *record
	start  time.Time
	last   *lockcore.BusyError     // what is known of the wait
	seen   string                  // the blockers that an event told of
	unfit  atomic.Pointer[[]*care] // what could not be prepared
	cared  time.Duration           // how long that took, which is no wait
	hint   string                  // what the wait says of traps in this process
}

// prepare reads the arguments and the environment, and finds every mistake that
// can be found without asking the store.
func (c *call) prepare(args []Arg) error {
	// Whatever becomes of this call, its result is about the world at this time.
	keepUncached()
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
		if err := a.join(c); err != nil {
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
		c.helper = hire()
	}
	if ctx := contextOf(c.t); ctx != nil && ctx.Err() != nil {
		return errOver
	}
	self, slot, known := parallelOf(c.t)
	c.slot, c.serial = slot, known && !self
	c.helper.do(func() {
		c.began = time.Now()
		c.limit = c.cfg.limit(c.t, c.began)
	})
	if c.reqs, err = c.discover(); err != nil {
		return err
	}
	var fresh bool
	c.test, fresh = reg.enter(c.t)
	c.index = c.test.count
	if fresh {
		c.t.Cleanup(func() { c.test.end(c.t, c.env, c.at) })
	}
	c.above = reg.above(c.test, c.source)
	if key, by := ownUse(c.reqs, c.above); by != nil {
		return c.heldAlready(key, by)
	}
	c.id = rand.Text()
	if g := c.legacy(); g != nil {
		c.id = g.Ticket.ID
	}
	return nil
}

// function is what the user called.
func (c *call) function() string {
	if _, ok := c.t.(*suite); ok {
		return "Main"
	}
	return "Acquire"
}

func (c *call) heldAlready(key string, by *Lease) error {
	who := "this test"
	switch {
	case by.test.suite && !by.test.driven:
		who = "the suite"
	case by.test.suite:
		who = "the suite (rtest.Main)"
	case by.test.key != c.test.key:
		who = by.test.name + ", which this test is part of,"
	}
	return &ownError{fmt.Sprintf("cannot get %q: %s already holds it, acquired at %s, so waiting would never end. Take everything in one Acquire, or Release the first", key, who, by.at)}
}

func (c *call) askedAlready(key string, other *call) error {
	return &ownError{fmt.Sprintf("cannot get %q: another goroutine of this test asks for it already, at %s, and would hold it until the end of the test, so waiting would never end. Take everything in one Acquire", key, other.at)}
}

// acquire asks the store and waits, on other goroutines; this one, on which the
// test runs, reports what happens, so that log lines carry the user's line and
// the state of the test can be read.
func (c *call) acquire() (*Lease, error) {
	c.t.Helper()
	e := &errand{call: c}
	bench := benchmarkOf(c.t)
	defer bench.resume()
	c.helper.do(e.begin)
	defer close(e.over)
	for {
		select {
		case <-bench.slow:
			bench.pause()
		case n := <-e.notices:
			c.notice(n)
		case r := <-e.done:
			return r.lease, r.err
		}
	}
}

// leave ends what acquire began for the time of the wait. The servant of a
// bubble stays with the lease, if there is one.
func (c *call) leave() {
	reg.leaveCall(c)
	if c.cancel != nil {
		c.cancel(nil)
	}
}
