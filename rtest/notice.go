package rtest

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
)

// A test that only waits looks like a test that hangs. So lines say what it
// waits for and because of whom, and a store that says nothing at all is given
// up after a while.

// notice is what became known about a wait.
type notice struct {
	busy    *lockcore.BusyError
	early   bool   // for events and attributes only: no line for the user yet
	warning string // what is to be said, instead of all that
	do      func() // what the goroutine of the test is to do, instead
}

// notice reports on a wait that goes on.
func (c *call) notice(n notice) {
	c.t.Helper()
	if n.do != nil {
		n.do()
		return
	}
	if n.warning != "" {
		c.say("warning: " + n.warning)
		return
	}
	c.last = n.busy
	c.runner.Do(func() { c.log.queue(n.busy) })
	if n.early {
		return
	}
	words, certain := reg.stuck(&c.pending, n.busy)
	c.hint = words
	if certain {
		c.cancel(&trapError{words})
		return
	}
	if words != "" {
		words = "; " + words
	}
	left := c.limit.d - n.busy.Waited
	if left < 50*time.Millisecond {
		return // the end of the wait has the same to say
	}
	c.say(fmt.Sprintf("waiting %s for %s%s%s; gives up in %s", short(n.busy.Waited), briefly(c.reqs), n.busy.Brief(), words, short(left)))
}

// say shows the user a line while the test goes on.
func (c *call) say(line string) {
	c.t.Helper()
	// Without -v, go test keeps a test's log until it has failed; with -v, the
	// line on standard error would only be a second one.
	if gotest.Verbose() || !driven(c.t) {
		c.t.Logf("rtest: %s", line)
	}
	if !gotest.Verbose() || !driven(c.t) {
		fmt.Fprintf(os.Stderr, "rtest: %s: %s\n", c.t.Name(), line)
	}
}

// probeAfter is how long a request waits before somebody looks at who is in the
// way. A request that is served at once costs no look, and nor does one that is
// handed on within this time, as most are in a busy pool of short tests: a look
// costs the store as much as the request itself, and would explain milliseconds.
// A report calls the cause of such waits unknown.
const probeAfter = 5 * time.Millisecond

// probeLast is the longest pause before another look at a line in which the request
// does not stand yet: the first requests of a process connect to the store meanwhile.
const probeLast = 160 * time.Millisecond

// probe looks at the line early: most waits of a test suite are over before the
// first notice, and a report that said nothing of them would miss the point.
func (w *wait) probe(ctx context.Context) {
	defer close(w.probed)
	c := w.call
	timer := time.NewTimer(probeAfter)
	defer timer.Stop()
	for after := probeAfter; after <= probeLast; after *= 2 {
		select {
		case <-timer.C:
		case <-w.served:
			return
		case <-ctx.Done():
			return
		}
		if b := c.look(ctx); b != nil {
			w.tell(notice{busy: b, early: true})
			return
		}
		timer.Reset(after)
	}
}

// look says how the wait stands; nil if it is over, or the store does not answer.
func (c *call) look(ctx context.Context) *lockcore.BusyError {
	id, reqs := reg.asksFor(&c.pending)
	s, err := c.locker.Snapshot(ctx)
	if err != nil {
		return nil
	}
	for i := range s.Waiters {
		if w := &s.Waiters[i]; w.ID == id {
			b := &lockcore.BusyError{Requirements: reqs, Waited: time.Since(c.start), Time: s.Time, Since: w.Since}
			b.Position, b.Blockers = s.Blockers(w)
			return b
		}
	}
	return nil
}

// awaitProbe lets a look that is under way arrive before the grant does: the
// record should be in order. It can cost a request that has waited anyway a
// few milliseconds.
func (w *wait) awaitProbe() {
	close(w.served)
	select {
	case <-w.probed:
	case <-time.After(50 * time.Millisecond):
	}
}

// silentAfter is how long a store may take until it is called unreachable.
// Stores have time limits of their own, which name the trouble better and are
// shorter; this one sees to it that there is one.
const silentAfter = 20 * time.Second

// watchStore ends the call if the store says nothing at all. The function it
// returns is to be called at the first sign of life.
func (w *wait) watchStore() (mute func()) {
	c := w.call
	var timer *time.Timer
	strikes := 0
	timer = time.AfterFunc(silentAfter/4, func() {
		// Several short spells: a process that was stopped for a while must not take
		// its own sleep for the store's.
		if strikes++; strikes == 4 {
			c.cancel(errSilent)
			return
		}
		timer.Reset(silentAfter / 4)
	})
	return func() { timer.Stop() }
}
