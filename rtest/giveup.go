package rtest

import (
	"context"
	"errors"
	"fmt"
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

var errSilent = errors.New("the store does not answer")

// verdict is what becomes of a test that got nothing.
type verdict struct {
	skip    bool
	outcome eventlog.Outcome
	cause   eventlog.Refusal
	words   string
	busy    *lockcore.BusyError
}

// judge decides by the error and the policies.
func (c *call) judge(err error) verdict {
	v := verdict{words: "rtest: " + strings.TrimPrefix(err.Error(), "lockcore: ")}
	policy, knob := Fail, ""
	errors.As(err, &v.busy)
	var open *openError
	var own *ownError
	if errors.As(err, &own) {
		v.words = "rtest: " + own.words // how long it waited has nothing to do with it
	}
	// Policies are for what the world did. For what the test's author did, or
	// what will be the same tomorrow, a skip would hide a mistake for good.
	switch {
	case errors.Is(err, errSilent), v.busy != nil && isWaitOver(v.busy.Cause) && v.busy.Position == 0:
		// A store that answers tells a waiter its place. This one did not answer.
		policy, knob, v.cause = c.cfg.onError, envOnError, eventlog.RefusedStore
		v.words = fmt.Sprintf("rtest: the store did not answer within %s when asked for %s", short(v.busy.Waited), wanted(c.reqs))
	case errors.Is(err, lockcore.ErrOutOfService):
		policy, knob, v.cause = c.cfg.onBusy, envOnBusy, eventlog.RefusedOutage
	case v.busy != nil && v.busy.Cause == nil:
		policy, knob, v.cause = c.cfg.onBusy, envOnBusy, eventlog.RefusedBusy
	case v.busy != nil && isWaitOver(v.busy.Cause):
		policy, knob, v.cause = c.cfg.onBusy, envOnBusy, eventlog.RefusedTimeout
	case errors.Is(err, lockcore.ErrDeadlock):
		v.cause = eventlog.RefusedDeadlock
	case errors.Is(err, lockcore.ErrUnsatisfiable):
		v.cause = eventlog.RefusedImpossible
	case v.busy != nil, errors.As(err, new(endingError)):
		v.cause = eventlog.RefusedCancelled
	case errors.As(err, &open) && open.mistake():
		v.cause = eventlog.RefusedStore
	default:
		policy, knob, v.cause = c.cfg.onError, envOnError, eventlog.RefusedStore
	}
	if unfit := c.unfitSoFar(); len(unfit) > 0 && !errors.As(err, new(*unfitError)) {
		v.words += "; " + unfitWords(unfit)
	}
	if c.hint != "" && !strings.Contains(v.words, c.hint) {
		v.words += "; " + c.hint
	}
	if words := c.stillAsking(); words != "" {
		v.words += "; " + words + ", so the pool may have changed meanwhile"
	}
	v.skip = policy == Skip
	switch {
	case v.skip:
		v.outcome = eventlog.Skipped
	case v.cause == eventlog.RefusedCancelled:
		v.outcome = eventlog.Cancelled
	case v.cause == eventlog.RefusedTimeout || v.cause == eventlog.RefusedBusy:
		v.outcome = eventlog.TimedOut
	default:
		v.outcome = eventlog.Failed
	}
	if v.skip {
		v.words += fmt.Sprintf(" (skipped as %s or its option says)", knob)
	}
	return v
}

// isWaitOver is true for our own limit; a deadline may also come from a context
// that the test's framework made.
func isWaitOver(err error) bool {
	return errors.As(err, new(waitOver)) || errors.Is(err, context.DeadlineExceeded)
}

// giveUp ends the test as the policies say.
func (c *call) giveUp(err error) {
	c.t.Helper()
	v := c.judge(err)
	var blockers []lockcore.Blocker
	waited := time.Duration(0)
	c.runner.Do(func() {
		waited = time.Since(c.start) - time.Duration(c.cared.Load())
		if v.busy != nil {
			blockers = v.busy.Blockers
		}
		c.log.withdraw(waited, v.outcome, v.cause, v.busy, v.words)
		c.log.flush()
	})
	c.runner.Close()
	c.test.totals.waitOver(string(v.outcome), waited, blockers)
	c.test.totals.show(c.t, c.env.attrs)
	stop(c.t, v.skip, v.words)
}
