package rtest

import "github.com/resourcelocker/resourcelocker/report/eventlog"

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
	case brokenOff(t):
		return eventlog.VerdictPanicked
	case ok && skipped.Skipped():
		return eventlog.VerdictSkipped
	}
	return eventlog.VerdictPassed
}
