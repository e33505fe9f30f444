package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// TestRunsOfTests tells how the runs of tests ended, and with what.
func TestRunsOfTests(t *testing.T) {
	events := reporttest.Schedule(t, `
0s A asks b1 b2
0s A gets b1
1s A releases
2s A asks b2
3s A gets b2
4s A releases
5s B asks b1
6s B quits skipped
7s C asks b1
7s C gets b1
8s D asks b1 b2
8s D gets b2
8s D fails b2 prepare=1ms dead
8s D releases prepare=1ms
8s D asks again b1
9s D gets b1
`)
	end := func(test string, attempt int, v eventlog.Verdict) eventlog.Event {
		return eventlog.Event{Ev: eventlog.TestEnd, At: reporttest.T0.Add(1e10), Host: test, Run: eventlog.RunInfo{ID: "run"}, Verdict: v, Test: eventlog.TestInfo{Name: test, Attempt: attempt}}
	}
	events = append(events, end("A", 0, eventlog.VerdictFailed), end("B", 0, eventlog.VerdictSkipped), end("B", 2, eventlog.VerdictPassed))
	var got []string
	_, err := Fold(reporttest.Sequence(events), Options{OnTest: func(r *TestRun) {
		s := fmt.Sprintf("%s %q", r.Test.Name, r.Verdict)
		for _, c := range r.Held {
			s += " " + c.Key
		}
		if r.GaveUp {
			s += " gave up"
		}
		got = append(got, s)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(got, "; "), `A "failed" b1 b2; B "skipped" gave up; B "passed"; C "" b1; D "" b1`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
