package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// TestWaitsAreTold in their order, at most five, and only those that last.
func TestWaitsAreTold(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var known map[string]time.Duration // what the store says
	say := func(out *bytes.Buffer, now time.Duration, events ...eventlog.Event) string {
		out.Reset()
		writeWaits(out, func(yield func(eventlog.Event, error) bool) {
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
		}, start.Add(now), 30*time.Second, func() map[string]time.Duration { return known })
		return out.String()
	}
	ask := func(at time.Duration, id string, reqs ...eventlog.Requirement) eventlog.Event {
		return eventlog.Event{Ev: eventlog.Request, TS: start.Add(at), Req: id, Test: eventlog.TestInfo{Name: "Test" + id}, Reqs: reqs}
	}
	of := func(kind eventlog.Kind, at time.Duration, id string) eventlog.Event {
		return eventlog.Event{Ev: kind, TS: start.Add(at), Req: id, Test: eventlog.TestInfo{Name: "Test" + id}}
	}
	queue := func(id string, pos int, blockers ...eventlog.Blocker) eventlog.Event {
		return eventlog.Event{Ev: eventlog.Queue, Req: id, QueuePos: pos, Blockers: blockers}
	}
	board := eventlog.Requirement{Candidates: []string{"b1", "b2"}}
	dead := ask(0, "Dead", board)
	dead.Deadline = start.Add(time.Minute)
	released := of(eventlog.Release, 20*time.Second, "Old")
	released.Test.Name, released.HeldMS = "TestH", eventlog.MS(5*time.Minute)
	var out bytes.Buffer
	got := say(&out, 2*time.Minute,
		ask(0, "Old", board), of(eventlog.Grant, 0, "Old"), released,
		ask(20*time.Second, "H", board), of(eventlog.Grant, 20*time.Second, "H"),
		dead,
		ask(30*time.Second, "A", board), queue("A", 1, eventlog.Blocker{Key: "b1", Req: "H", Test: "TestH"}),
		ask(40*time.Second, "B", eventlog.Requirement{Name: "boards", Need: 2}, eventlog.Requirement{Name: "chamber"}), queue("B", 2, eventlog.Blocker{Test: "TestA", State: "waiting"}),
		ask(50*time.Second, "C", board), queue("C", 3, eventlog.Blocker{Key: "b2", User: "ann@bench", State: "disabled"}),
		ask(51*time.Second, "D", board), queue("D", 4, eventlog.Blocker{Key: "b2", User: "ann@bench", State: "reserved"}),
		ask(52*time.Second, "Gone", board), of(eventlog.Withdraw, time.Minute, "Gone"),
		ask(100*time.Second, "Short", board),
	)
	want := `rtest-report: TestA has waited 1m30s for b1 or 1 more: b1 is held by TestH; expected in about 3m20s
rtest-report: TestB has waited 1m20s for 2 of boards and chamber: behind TestA in line
rtest-report: TestC has waited 1m10s for b1 or 1 more: b2 is out of service, disabled by ann@bench
rtest-report: TestD has waited 1m9s for b1 or 1 more: b2 is reserved by ann@bench
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	// The store knows more; also that it does not know.
	known = map[string]time.Duration{"B": 4 * time.Minute, "A": -1}
	got = say(&out, 2*time.Minute,
		ask(20*time.Second, "H", board), of(eventlog.Grant, 20*time.Second, "H"), released,
		ask(30*time.Second, "A", board), queue("A", 1, eventlog.Blocker{Key: "b1", Req: "H", Test: "TestH"}),
		ask(40*time.Second, "B", board), queue("B", 2, eventlog.Blocker{Test: "TestA", State: "waiting"}),
	)
	want = `rtest-report: TestA has waited 1m30s for b1 or 1 more: b1 is held by TestH
rtest-report: TestB has waited 1m20s for b1 or 1 more: behind TestA in line; expected in about 4m0s
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	known = nil
	var many []eventlog.Event
	for i := range 7 {
		many = append(many, ask(time.Duration(i)*time.Second, fmt.Sprint(i), board))
	}
	if got := say(&out, time.Hour, many...); bytes.Count(out.Bytes(), []byte("\n")) != 6 || !bytes.HasSuffix(out.Bytes(), []byte("rtest-report: and 2 more wait\n")) {
		t.Errorf("of many: %s", got)
	}
	if got := say(&out, time.Hour); got != "" {
		t.Errorf("of none: %s", got)
	}
}
