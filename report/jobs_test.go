package report

import (
	"fmt"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// TestJobsOfOnePipeline: the events of one job only, whose tests wait for a test of
// another job of the same run.
func TestJobsOfOnePipeline(t *testing.T) {
	run := eventlog.RunInfo{ID: "gitlab-812"}
	reqs := []eventlog.Requirement{{Name: "boards", Candidates: []string{"b1"}}}
	say := func(at time.Duration, kind eventlog.Kind, e eventlog.Event) eventlog.Event {
		e.Ev, e.At, e.Run, e.Host, e.PID, e.Req, e.Test.Name = kind, reporttest.T0.Add(at), run, "runner-2", 20, "w1", "TestWaits"
		return e
	}
	blocker := eventlog.Blocker{Key: "b1", Req: "h1", Run: run.ID, Host: "runner-1", PID: 20, Test: "TestHolds", Since: reporttest.T0.Add(-time.Minute)}
	events := []eventlog.Event{
		say(0, eventlog.Request, eventlog.Event{Reqs: reqs}),
		say(time.Millisecond, eventlog.Queue, eventlog.Event{Blockers: []eventlog.Blocker{blocker}}),
		say(10*time.Second, eventlog.Grant, eventlog.Event{Chosen: []eventlog.Chosen{{Key: "b1"}}}),
	}
	blame := func() string {
		var got string
		if _, err := Fold(reporttest.Sequence(events), Options{OnRequest: func(r *Request) {
			for _, s := range r.Blame {
				got += fmt.Sprintf("%v %s %s, ", s.Time.Duration(), s.Cause, s.Holder)
			}
		}}); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got, want := blame(), "10s pool full TestHolds, "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// What is said of a process whose events are there counts for nothing: those know
	// that it holds nothing any more.
	events[1].Blockers[0].Host = "runner-2"
	if got, want := blame(), "10s unknown (unnamed), "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReportCountsClocksThatCouldNotBeCompared(t *testing.T) {
	var events []eventlog.Event
	for i := range 6 {
		events = append(events, eventlog.Event{Ev: eventlog.Run, Host: "h", PID: i % 3, Unplaced: i%3 > 0})
	}
	r, err := Fold(reporttest.Sequence(events), Options{})
	if err != nil || r.Unplaced != 2 {
		t.Errorf("%d, %v", r.Unplaced, err)
	}
}
