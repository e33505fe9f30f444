package report_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// twoTests is the log of two tests that share a board.
const twoTests = `{"v":1,"ev":"request","ts":"2026-03-01T12:00:00Z","test":{"name":"TestSoak"},"req":"r1","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"grant","ts":"2026-03-01T12:00:00Z","test":{"name":"TestSoak"},"req":"r1","chosen":[{"key":"board-1","req":0}]}
{"v":1,"ev":"request","ts":"2026-03-01T12:00:04Z","test":{"name":"TestPair"},"req":"r2","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"release","ts":"2026-03-01T12:00:10Z","test":{"name":"TestSoak"},"req":"r1"}
{"v":1,"ev":"grant","ts":"2026-03-01T12:00:10Z","test":{"name":"TestPair"},"req":"r2","chosen":[{"key":"board-1","req":0}]}
{"v":1,"ev":"release","ts":"2026-03-01T12:00:12Z","test":{"name":"TestPair"},"req":"r2"}
`

func ExampleFold() {
	var reader eventlog.Reader
	events := reader.Decode("two.jsonl", strings.NewReader(twoTests)) // or reader.Events("a/directory")
	r, err := report.Fold(events, report.Options{
		OnRequest: func(q *report.Request) {
			b := q.BlockedBy()
			fmt.Printf("%s waited %v", q.Test.Name, q.Waited)
			if b.Time > 0 {
				fmt.Printf(" for %s (%s of %s)", b.Holder, b.Cause, b.Pool)
			}
			fmt.Printf(" and held %v\n", q.Held)
			if q.GaveUp() {
				fmt.Println("which was nothing, as it was to wait no longer")
			}
		},
	})
	if err != nil {
		panic(err)
	}
	boards := r.Pools[0]
	fmt.Printf("%s: used %.0f%%, longest wait %v\n", boards.Name, 100*boards.Utilisation, boards.Wait.Max.Duration())
	worst := r.Holders[0]
	fmt.Printf("%s caused %v of waiting\n", worst.Holder, worst.Caused.Duration())
	for _, p := range r.Pairs {
		fmt.Printf("%s waited %v for %s: %s\n", p.Waiter, p.Time.Duration(), p.Holder, p.Cause)
	}
	for _, c := range r.Blame {
		fmt.Println(c.Cause, c.Time.Duration())
	}
	fmt.Printf("%.0f%% of the time with locks was waiting\n", 100*r.LockShare())
	// Output:
	// TestSoak waited 0s and held 10s
	// TestPair waited 6s for TestSoak (pool full of boards) and held 2s
	// boards: used 100%, longest wait 6s
	// TestSoak caused 6s of waiting
	// TestPair waited 6s for TestSoak: pool full
	// pool full 6s
	// 33% of the time with locks was waiting
}

// foldTwo folds the log of two tests that share a board.
func foldTwo() *report.Report {
	var reader eventlog.Reader
	r, err := report.Fold(reader.Decode("two.jsonl", strings.NewReader(twoTests)), report.Options{})
	if err != nil {
		panic(err)
	}
	return r
}

func ExampleReport() {
	var r *report.Report = foldTwo()
	var all report.Group = r.Total
	var waits report.Stat = all.Wait
	fmt.Println(all.Requests, "requests waited", waits.Total.Duration(), "in all, at most", waits.Max.Duration())
	fmt.Println("spent on causes:", all.Blamed().Duration())
	for _, p := range []report.Pair(r.Pairs) {
		fmt.Println(r.Name(p.Waiter), "waited for", r.Name(p.Holder))
	}
	for _, h := range []report.HolderGroup(r.Holders) {
		fmt.Println(r.Name(h.Holder), "held", h.Hold.N, "times and caused", h.Caused.Duration())
	}
	for _, g := range r.Tests {
		if b := (*report.Blocker)(g.BlockedBy); b != nil {
			fmt.Println(g.Name, "waited most for", b.Test)
		}
	}
	for _, o := range []report.OpenRequest(r.Now) {
		fmt.Println(o.Test, "is still there")
	}
	// Output:
	// 2 requests waited 6s in all, at most 6s
	// spent on causes: 6s
	// TestPair waited for TestSoak
	// TestSoak held 1 times and caused 6s
	// TestPair held 1 times and caused 0s
	// TestPair waited most for TestSoak
}

// The causes of waits, in the order in which reports show them.
func ExampleCause() {
	for _, c := range report.Causes {
		switch c {
		case report.PoolFull, report.Behind:
			fmt.Println(c, "- more resources help")
		case report.Orphan, report.Kept, report.Reserved, report.OutOfService, report.Foreign:
			fmt.Println(c, "- somebody else must let go")
		case report.StoreFault, report.Unknown:
			fmt.Println(c, "- nobody held it")
		}
	}
	// Output:
	// pool full - more resources help
	// behind another request - more resources help
	// orphaned lease - somebody else must let go
	// kept after a failure - somebody else must let go
	// reserved by a person - somebody else must let go
	// out of service - somebody else must let go
	// another program - somebody else must let go
	// store fault - nobody held it
	// unknown - nobody held it
}

func ExampleShare() {
	q := report.Request{Blame: []report.Share{
		{Cause: report.PoolFull, Holder: report.Holder{Test: "TestSoak"}, Pool: "boards", Time: eventlog.MS(4 * time.Second)},
		{Cause: report.Unknown, Time: eventlog.MS(5 * time.Second)},
	}}
	b := q.BlockedBy() // the part whose holder is known
	fmt.Println(b.Holder, b.Time.Duration())
	// Output: TestSoak 4s
}

// Pools that were waited for because they were full.
func ExampleCauseTime() {
	for _, g := range foldTwo().Pools {
		for _, c := range []report.CauseTime(g.Blame) {
			fmt.Println(g.Name, c.Cause, c.Time.Duration())
		}
	}
	// Output: boards pool full 6s
}

// What it brought that some were served before others; FoldAndCompare of package
// whatif fills FIFO.
func ExampleBackfill() {
	b := report.Backfill{Requests: 3, FIFO: &report.FIFO{Waits: eventlog.MS(time.Minute)}}
	if b.FIFO.NoEstimate == "" {
		fmt.Printf("%d were served early; in the order of arrival all would have waited %v longer\n", b.Requests, b.FIFO.Waits.Duration())
	}
	// Output: 3 were served early; in the order of arrival all would have waited 1m0s longer
}

// What a run waited for most, and what its replay says of one board more; package
// whatif fills in Advice.
func ExampleVerdict() {
	v := *foldTwo().Verdict
	v.Advice = []report.Advice{{Do: report.Add, What: v.Pool, Waits: report.Span{Median: eventlog.MS(6 * time.Second)}}}
	fmt.Println(v.Pool, v.Cause, v.Time.Duration(), v.Holder.Test, v.Time > report.Negligible)
	for _, a := range v.Advice {
		switch a.Do {
		case report.Add, report.Remove:
			fmt.Println("another number of", a.What, "saves", a.Waits.Median.Duration())
		case report.Shorten, report.Expect:
			fmt.Println("tests that hold for less, or say for how long")
		case report.WaitLonger:
			fmt.Println("of", v.GaveUp, "that gave up, a wait of", a.Longest.Median.Duration(), "serves", a.Served)
		}
		var kind report.AdviceKind = a.Do
		fmt.Println(kind)
	}
	// Output:
	// boards pool full 6s TestSoak true
	// another number of boards saves 6s
	// add
}

// Which tests ended badly, and with what in their hands.
func ExampleTestRun() {
	end := eventlog.Event{Ev: eventlog.TestEnd, Test: eventlog.TestInfo{Name: "TestSoak"}, Verdict: eventlog.VerdictFailed}
	events := func(yield func(eventlog.Event, error) bool) {
		var reader eventlog.Reader
		for e, err := range reader.Decode("two.jsonl", strings.NewReader(twoTests)) {
			if !yield(e, err) {
				return
			}
		}
		yield(end, nil)
	}
	if _, err := report.Fold(events, report.Options{OnTest: func(t *report.TestRun) {
		fmt.Printf("%s %q on %s\n", t.Test.Name, t.Verdict, t.Held[0].Key)
	}}); err != nil {
		panic(err)
	}
	// Output:
	// TestSoak "failed" on board-1
	// TestPair "" on board-1
}
