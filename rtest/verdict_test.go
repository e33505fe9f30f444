package rtest_test

import (
	"testing"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// TestVerdictsAreRecorded runs tests that end in every way.
func TestVerdictsAreRecorded(t *testing.T) {
	for run, want := range map[string]eventlog.Verdict{
		"TestPass":               eventlog.VerdictPassed,
		"TestFailNow":            eventlog.VerdictFailed,
		"TestFailNowInGoroutine": eventlog.VerdictFailed,
		"TestPanic":              eventlog.VerdictPanicked,
		"TestNilPointer":         eventlog.VerdictPanicked,
		"TestGoexit":             eventlog.VerdictPanicked,
		"TestSkipNotKept":        eventlog.VerdictSkipped,
		"TestExit":               "", // the process was gone before anybody could tell
	} {
		t.Run(run, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			_, out := l.scenario(t, run).end()
			var got eventlog.Verdict
			for _, e := range l.recorded(t) {
				if e.Ev == eventlog.TestEnd {
					got = e.Verdict
				} else if e.Verdict != "" {
					t.Errorf("%s has the verdict %q", e.Ev, e.Verdict)
				}
			}
			if got != want {
				t.Errorf("verdict %q, want %q:\n%s", got, want, out)
			}
		})
	}
}
