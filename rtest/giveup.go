package rtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// trapError is the cause of a wait that was ended because tests of this process
// keep each other from going on.
type trapError struct{ words string }

func (e *trapError) Error() string { return "deadlock: " + e.words }
func (e *trapError) Unwrap() error { return lockcore.ErrDeadlock }

var (
	errSilent = errors.New("the store does not answer")
	errSignal = errors.New("the process was told to end")
)

// verdict is what becomes of a test that got nothing.
type verdict struct {
	skip    bool
	outcome eventlog.Outcome
	cause   eventlog.Cause
	words   string
	busy    *lockcore.BusyError
}

// judge decides by the error and the policies.
func (c *call) judge(err error) verdict {
	v := verdict{words: "rtest: " + strings.TrimPrefix(err.Error(), "lockcore: ")}
	policy, knob := Fail, ""
	errors.As(err, &v.busy)
	var open *openError
	switch {
	case errors.Is(err, errSilent), v.busy != nil && isWaitOver(v.busy.Cause) && v.busy.Position == 0:
		// Whoever waits in line is told his place; here nobody answered.
		policy, knob, v.cause = c.cfg.onError, envOnError, eventlog.CauseStore
		v.words = fmt.Sprintf("rtest: the store did not answer within %s when asked for %s", short(v.busy.Waited), wanted(c.reqs))
	case v.busy != nil && v.busy.Cause == nil:
		policy, knob, v.cause = c.cfg.onBusy, envOnBusy, eventlog.CauseBusy
	case v.busy != nil && isWaitOver(v.busy.Cause):
		policy, knob, v.cause = c.cfg.onBusy, envOnBusy, eventlog.CauseTimeout
	case errors.Is(err, lockcore.ErrDeadlock):
		v.cause = eventlog.CauseDeadlock
	case errors.Is(err, lockcore.ErrUnsatisfiable):
		v.cause = eventlog.CauseImpossible
	case v.busy != nil:
		v.cause = eventlog.CauseCancelled
	case errors.As(err, &open) && open.mistake():
		v.cause = eventlog.CauseStore
	default:
		policy, knob, v.cause = c.cfg.onError, envOnError, eventlog.CauseStore
	}
	if c.hint != "" && !strings.Contains(v.words, c.hint) {
		v.words += "; " + c.hint
	}
	v.skip = policy == Skip
	switch {
	case v.skip:
		v.outcome = eventlog.Skipped
	case v.cause == eventlog.CauseCancelled:
		v.outcome = eventlog.Cancelled
	case v.cause == eventlog.CauseTimeout || v.cause == eventlog.CauseBusy:
		v.outcome = eventlog.TimedOut
	default:
		v.outcome = eventlog.Failed
	}
	if v.skip {
		v.words += fmt.Sprintf(" (skipped as %s or its option says)", knob)
	}
	return v
}

func isWaitOver(err error) bool {
	return errors.As(err, new(waitOver)) || errors.Is(err, context.DeadlineExceeded)
}

// giveUp ends the test as the policies say.
func (c *call) giveUp(err error) {
	c.t.Helper()
	v := c.judge(err)
	var blockers []lockcore.Blocker
	waited := time.Duration(0)
	c.helper.do(func() {
		waited = time.Since(c.start)
		if v.busy != nil {
			blockers = v.busy.Blockers
		}
		c.log.withdraw(v.outcome, v.cause, v.busy, v.words)
		c.log.flush()
	})
	c.helper.dismiss()
	c.test.ended(string(v.outcome), waited, blockers)
	c.test.attributes(c.t, c.env.attrs)
	stop(c.t, v.skip, v.words)
}

// notice reports on a wait that goes on.
func (c *call) notice(n notice) {
	c.t.Helper()
	c.last = n.busy
	c.helper.do(func() { c.log.queue(n.busy) })
	if n.early {
		return
	}
	words, certain := reg.stuck(c, n.busy)
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
	line := fmt.Sprintf("waiting %s for %s%s%s; gives up in %s", short(n.busy.Waited), wanted(c.reqs), n.busy.Standing(), words, short(left))
	// Without -v, go test keeps a test's log until it has failed; with -v, the
	// line on standard error would only be a second one.
	if verbose() || !driven(c.t) {
		c.t.Logf("rtest: %s", line)
	}
	if !verbose() || !driven(c.t) {
		fmt.Fprintf(os.Stderr, "rtest: %s: %s\n", c.t.Name(), line)
	}
}

func wanted(reqs []lockcore.Requirement) string {
	if len(reqs) == 0 {
		return "nothing"
	}
	words := make([]string, len(reqs))
	for i, r := range reqs {
		words[i] = r.String()
	}
	return strings.Join(words, " and ")
}

// probeAfter is how long a request waits before somebody looks at who is in the
// way. A request that is served at once costs no look.
const probeAfter = 5 * time.Millisecond

// probe looks at the line early: most waits of a test suite are over before the
// first notice, and a report that said nothing of them would miss the point.
func (e *errand) probe(ctx context.Context) {
	defer close(e.probed)
	c := e.call
	timer := time.NewTimer(probeAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.served:
		return
	case <-ctx.Done():
		return
	}
	s, err := c.locker.Snapshot(ctx)
	if err != nil {
		return
	}
	for i := range s.Waiters {
		if w := &s.Waiters[i]; w.ID == c.id {
			b := &lockcore.BusyError{Requirements: c.reqs, Waited: time.Since(c.start), Time: s.Time}
			b.Position, b.Blockers = s.Blockers(w)
			e.tell(notice{b, true})
			return
		}
	}
}

// awaitProbe lets a look that is under way arrive before the grant does: the
// record should be in order. It can cost a request that has waited anyway a
// few milliseconds.
func (e *errand) awaitProbe() {
	close(e.served)
	select {
	case <-e.probed:
	case <-time.After(50 * time.Millisecond):
	}
}

// silentAfter is how long a store may take until it is called unreachable.
// Stores have time limits of their own, which name the trouble better and are
// shorter; this one sees to it that there is one.
const silentAfter = 20 * time.Second

// watchStore ends the call if the store says nothing at all. The function it
// returns is to be called at the first sign of life.
func (e *errand) watchStore() (mute func()) {
	c := e.call
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
