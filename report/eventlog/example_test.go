package eventlog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

func Example() {
	dir, err := os.MkdirTemp("", "events")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	w, err := eventlog.Open(dir) // what RTEST_EVENTS says
	if err != nil {
		panic(err)
	}
	test := eventlog.TestInfo{Pkg: "example.com/lab", Name: "TestPair"}
	w.Write(eventlog.Event{Ev: eventlog.Request, Req: "r1", Test: test,
		Reqs: []eventlog.Requirement{{Name: "boards", Need: 1, Candidates: []string{"board-1", "board-2"}}}})
	w.Write(eventlog.Event{Ev: eventlog.Queue, Req: "r1", Test: test, QueuePos: 1,
		Blockers: []eventlog.Blocker{{Key: "board-1", Test: "TestSoak", Run: "ci-812"}}})
	w.Write(eventlog.Event{Ev: eventlog.Grant, Req: "r1", Test: test, WaitedMS: eventlog.MS(90 * time.Second), Outcome: eventlog.Acquired,
		Chosen: []eventlog.Chosen{{Key: "board-1", Req: 0, Fence: 17}}})
	if err := w.Flush(context.Background()); err != nil { // all of it is in the file now
		fmt.Println(err)
	}
	w.Write(eventlog.Event{Ev: eventlog.Release, Req: "r1", Test: test, HeldMS: eventlog.MS(5 * time.Second)})
	if err := w.Close(); err != nil {
		fmt.Println(err)
	}

	var r eventlog.Reader
	for e, err := range r.Events(dir) {
		if err != nil {
			panic(err)
		}
		if e.Ev != eventlog.Run {
			fmt.Println(e.Ev, e.Test.Name, e.WaitedMS.Duration(), e.HeldMS.Duration())
		}
	}
	fmt.Println(r.Stats.Events, r.Stats.Partial(), w.Dropped())
	// Output:
	// request TestPair 0s 0s
	// queue TestPair 0s 0s
	// grant TestPair 1m30s 0s
	// release TestPair 0s 5s
	// 5 false 0
}

// counting is a Sink that keeps nothing but the number of lines.
type counting struct{ lines int }

func (c *counting) Append(lines [][]byte) (int, error) {
	c.lines += len(lines)
	return len(lines), nil
}

func (c *counting) Close() error { return nil }

func ExampleNewWriter() {
	var sink counting
	w := eventlog.NewWriter(&sink, eventlog.RunInfo{ID: "nightly-7"})
	w.Write(eventlog.Event{Ev: eventlog.TestStart})
	if err := w.Close(); err != nil {
		fmt.Println(err)
	}
	fmt.Println(sink.lines, "lines, with the one that says whose they are")
	// Output: 2 lines, with the one that says whose they are
}

func ExampleIdentity() {
	env := map[string]string{"GITLAB_CI": "true", "CI_PIPELINE_ID": "812", "CI_JOB_NAME": "hil", "CI_JOB_URL": "https://ci.example/jobs/9"}
	run := eventlog.Identity(func(name string) string { return env[name] })
	fmt.Println(run.ID, run.CI, run.Job, run.URL)
	// Output: gitlab-812 gitlab hil https://ci.example/jobs/9
}

func ExampleReader_Decode() {
	log := `{"v":1,"ev":"release","req":"r1","held_ms":2500}
this line is torn {"v":1
{"v":2,"ev":"from the future"}
{"v":1,"ev":"lost","req":"r2","later":"fields are ignored"}
`
	var r eventlog.Reader
	r.KeepLines = true
	for e, err := range r.Decode("my.jsonl", strings.NewReader(log)) {
		if err != nil {
			panic(err)
		}
		fmt.Println(e.Ev, e.Req, len(e.Line), "bytes")
	}
	fmt.Println(r.Stats.Warning())
	// Output:
	// release r1 48 bytes
	// lost r2 59 bytes
	// input is partial: 1 line that is no event, 1 line of a newer version of the format, which a newer rtest-report reads; first: my.jsonl: at byte 49: not a JSON object; my.jsonl: at byte 74: of a newer version
}

func ExampleMerge() {
	at := func(s int) eventlog.Event {
		return eventlog.Event{At: time.Date(2026, 3, 1, 12, 0, s, 0, time.UTC)}
	}
	one := func(yield func(eventlog.Event, error) bool) { _ = yield(at(1), nil) && yield(at(4), nil) }
	two := func(yield func(eventlog.Event, error) bool) { _ = yield(at(2), nil) && yield(at(3), nil) }
	for e := range eventlog.Merge(one, two) {
		fmt.Print(e.At.Second(), " ")
	}
	// Output: 1 2 3 4
}

func ExampleCandidateHash() {
	fmt.Println(eventlog.CandidateHash([]string{"b1", "b2"}) == eventlog.CandidateHash([]string{"b2", "b1"}))
	// Output: true
}

func ExampleMS() {
	b, err := json.Marshal([]eventlog.MS{eventlog.MS(time.Minute), eventlog.MS(250 * time.Microsecond)})
	fmt.Println(string(b), err)
	var m eventlog.MS
	err = json.Unmarshal([]byte("1500.5"), &m)
	fmt.Println(m.Duration(), err)
	// Output:
	// [60000,0.25] <nil>
	// 1.5005s <nil>
}

// An event that a reader of another language might meet.
func ExampleEvent() {
	e := eventlog.Event{
		V: eventlog.Version, Ev: eventlog.Withdraw, Seq: 3, TS: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Run: eventlog.RunInfo{ID: "ci-813"}, Host: "runner-1", PID: 4711, Req: "r2",
		WaitedMS: eventlog.MS(time.Minute), Outcome: eventlog.Skipped, Refusal: eventlog.RefusedTimeout,
	}
	b, err := json.Marshal(e)
	fmt.Println(string(b), err)
	fmt.Println(len(eventlog.Kinds), "kinds; files end in", eventlog.Suffix)
	// Output:
	// {"v":1,"ev":"withdraw","seq":3,"ts":"2026-03-01T12:00:00Z","mono_ms":0,"run":{"id":"ci-813"},"host":"runner-1","pid":4711,"req":"r2","waited_ms":60000,"outcome":"skipped","cause":"timeout"} <nil>
	// 17 kinds; files end in .jsonl
}

// The kinds of events and what they begin or end.
func ExampleKind() {
	for _, k := range []eventlog.Kind{eventlog.Pool, eventlog.TestPause, eventlog.TestCont, eventlog.TestEnd, eventlog.Unfit, eventlog.RenewFail, eventlog.Action} {
		fmt.Println(k, "ends no hold")
	}
	for _, k := range []eventlog.Kind{eventlog.Release, eventlog.Lost, eventlog.Expired, eventlog.Reclaim} {
		fmt.Println(k, "ends a hold")
	}
	// Output:
	// pool ends no hold
	// test.pause ends no hold
	// test.cont ends no hold
	// test.end ends no hold
	// unfit ends no hold
	// renew_fail ends no hold
	// action ends no hold
	// release ends a hold
	// lost ends a hold
	// expired ends a hold
	// reclaim ends a hold
}

// How waits and holds end, as a program that counts them sees it.
func ExampleOutcome() {
	for _, o := range []eventlog.Outcome{eventlog.Acquired, eventlog.TimedOut, eventlog.Skipped, eventlog.Failed, eventlog.Cancelled} {
		fmt.Println("a wait:", o)
	}
	for _, o := range []eventlog.Outcome{eventlog.LeaseLost, eventlog.LeaseExpiry} {
		fmt.Println("a hold:", o)
	}
	// Output:
	// a wait: acquired
	// a wait: timeout
	// a wait: skipped
	// a wait: failed
	// a wait: cancelled
	// a hold: lost
	// a hold: expired
}

// Waits that more resources would have served, and those that nothing would have.
func ExampleRefusal() {
	for _, r := range []eventlog.Refusal{eventlog.RefusedBusy, eventlog.RefusedTimeout, eventlog.RefusedOutage, eventlog.RefusedStore,
		eventlog.RefusedImpossible, eventlog.RefusedDeadlock, eventlog.RefusedCancelled} {
		fmt.Println(r, r == eventlog.RefusedBusy || r == eventlog.RefusedTimeout)
	}
	// Output:
	// busy true
	// timeout true
	// outage false
	// store false
	// impossible false
	// deadlock false
	// cancelled false
}

// Two processes of one number, on two machines.
func ExampleProcess() {
	a := eventlog.Event{Host: "ci-1", PID: 4711, Run: eventlog.RunInfo{ID: "812"}, Test: eventlog.TestInfo{Name: "TestPair"}}
	b := a
	b.Host = "ci-2"
	fmt.Println(a.Process() == b.Process(), a.Process() == eventlog.Process{Host: "ci-1", Run: "812", PID: 4711})
	fmt.Println(a.RequestID()) // of an event without Req
	// Output:
	// false true
	// ci-1 4711  TestPair
}

// A Writer hands its lines to a Sink: a file, a stream, or what a program likes.
func ExampleWriter() {
	var sink eventlog.Sink = &counting{}
	var w *eventlog.Writer = eventlog.NewWriter(sink, eventlog.RunInfo{ID: "nightly-7"})
	w.Write(eventlog.Event{Ev: eventlog.Request, Req: "r1"})
	if err := w.Close(); err != nil {
		fmt.Println(err)
	}
	fmt.Println("dropped:", w.Dropped(), w.Loss())
	// Output: dropped: 0 <nil>
}

// A test that held a resource while it failed, and those that say nothing about it.
func ExampleVerdict() {
	for _, v := range []eventlog.Verdict{eventlog.VerdictPassed, eventlog.VerdictFailed, eventlog.VerdictSkipped, eventlog.VerdictPanicked} {
		fmt.Println(v, v.Bad())
	}
	// Output:
	// passed false
	// failed true
	// skipped false
	// panicked true
}
