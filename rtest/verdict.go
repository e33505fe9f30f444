package rtest

import (
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
)

// verdictOf is how the test ended, as far as a Cleanup function can know: what fails
// in one that runs after it, or in a parent test, is not seen. It is called on the
// goroutine of the Cleanup function, whose stack shows a panic.
func verdictOf(t TB) eventlog.Verdict {
	skipped, ok := t.(interface{ Skipped() bool })
	panicked, tells := t.(interface{ Panicked() bool }) // of another framework, which recovered
	switch {
	case tells && panicked.Panicked():
		return eventlog.VerdictPanicked
	case t.Failed(): // first: FailNow leaves by runtime.Goexit, too
		return eventlog.VerdictFailed
	case unwinding(t):
		return eventlog.VerdictPanicked
	case ok && skipped.Skipped():
		return eventlog.VerdictSkipped
	}
	return eventlog.VerdictPassed
}

// unwinding reports whether the calling Cleanup function runs because the test
// panics, or left by runtime.Goexit without failing or skipping.
func unwinding(t TB) bool {
	panics, exits := gotest.Unwinding()
	if exits {
		s, ok := t.(interface{ Skipped() bool })
		return ok && !s.Skipped()
	}
	return panics
}
