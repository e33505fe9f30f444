package rtest

import (
	"context"
	"time"

	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
)

// limit is how long a call waits, and why no longer.
type limit struct {
	d   time.Duration
	why waitOver
}

// waitOver is the cause of a context that ended because the wait was over. Its
// text completes "gave up after 2s waiting for board-1 (".
type waitOver string

func (w waitOver) Error() string { return string(w) }

const (
	defaultWait = 5 * time.Minute
	// What is left of the time before -timeout: a tenth, to print and to release,
	// but no more than a release can take three times over.
	leastMargin = 500 * time.Millisecond
	mostMargin  = 15 * time.Second
)

// limit works out the wait of a call that begins now.
func (c config) limit(t TB, now time.Time) limit {
	l := limit{c.wait, "the limit that rtest.Wait or RTEST_WAIT sets"}
	deadline := waitDeadline(t, now)
	if !c.waitSet {
		l = limit{defaultWait, "this is the default limit; rtest.Wait or RTEST_WAIT sets another"}
		// Waiting as long as there is time is right for a lab: the board comes free
		// at some point, and who wants less says so.
		if !deadline.IsZero() {
			l.d = 1<<63 - 1
		}
		if ofMain(t) {
			l.d = suiteWait(gotest.Flag("timeout"))
		}
	}
	if deadline.IsZero() {
		return l
	}
	left := deadline.Sub(now)
	margin := min(max(left/10, leastMargin), mostMargin, left)
	if left-margin < l.d {
		l = limit{left - margin, waitOver("-timeout ends the test binary in " + short(margin))}
	}
	return l
}

func (l limit) context(base context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(base, l.d, l.why)
}

// suiteWait bounds the default wait of Main. go test ends a test binary a minute
// after -timeout, and counts from the start of the process.
func suiteWait(timeout string) time.Duration {
	d, err := time.ParseDuration(timeout)
	if err != nil || d <= 0 {
		return defaultWait
	}
	return min(defaultWait, d/2)
}
