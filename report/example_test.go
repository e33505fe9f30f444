package report_test

import (
	"fmt"
	"os"
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
	fmt.Printf("%.0f%% of the time with locks was waiting; %d warnings\n", 100*r.LockShare(), len(r.Warnings()))
	// Output:
	// TestSoak waited 0s and held 10s
	// TestPair waited 6s for TestSoak (pool full of boards) and held 2s
	// boards: used 100%, longest wait 6s
	// TestSoak caused 6s of waiting
	// TestPair waited 6s for TestSoak: pool full
	// pool full 6s
	// 33% of the time with locks was waiting; 0 warnings
}

func ExampleReport_WriteText() {
	var reader eventlog.Reader
	r, err := report.Fold(reader.Decode("two.jsonl", strings.NewReader(twoTests)), report.Options{})
	if err != nil {
		panic(err)
	}
	by, err := report.ParseBy("resource") // what a user typed; report.Bys lists what there is
	if err != nil {
		panic(err)
	}
	if err := r.WriteText(os.Stdout, report.View{By: []report.By{by, report.ByHolder}, Top: 1}); err != nil {
		panic(err)
	}
	// Output:
	// 2 requests by 2 tests in 1 process over 12.0s: waited 6.0s in all, P50 0, P95 6.0s, longest 6.0s.
	// boards: 1 resource, in use 1.0 (100%), P95 wait 6.0s, 6.0s lost waiting
	//   100% pool full
	// Most waits were caused by TestSoak: 6.0s.
	//
	// Resources, by time waited for them
	//   resource  requests  wait P50   P95   max  hold P50    P95    max  used
	//   board-1          2         0  6.0s  6.0s      2.0s  10.0s  10.0s  100%
	//
	// Holders, by the waits of others that they caused
	//   holder    holds  hold P50    max  caused  of all waits
	//   TestSoak      1     10.0s  10.0s    6.0s          100%
	//   … and 1 more
}

func ExampleReport_WriteMarkdown() {
	var reader eventlog.Reader
	r, err := report.Fold(reader.Decode("two.jsonl", strings.NewReader(twoTests)), report.Options{})
	if err != nil {
		panic(err)
	}
	// The file is read by GitHub when the step has ended.
	if err := r.WriteMarkdown(os.Stdout, report.View{By: []report.By{report.ByPair}}); err != nil {
		panic(err)
	}
	// Output:
	// ## Lock contention
	//
	// 2 requests by 2 tests in 1 process over 12.0s: waited 6.0s in all, P50 0, P95 6.0s, longest 6.0s.
	//
	// - boards: 1 resource, in use 1.0 (100%), P95 wait 6.0s, 6.0s lost waiting
	//   <br>100% pool full
	// - Most waits were caused by TestSoak: 6.0s.
	//
	// ### Who waited for whom
	//
	// by time
	//
	// | waiter | waited | of all waits | for |
	// | --- | ---: | ---: | --- |
	// | TestPair | 6.0s | 100% | TestSoak: pool full |
}

func ExampleReport_WriteJSON() {
	r := report.Report{Total: report.Group{Requests: 3, Wait: report.Stat{N: 3, P95: eventlog.MS(1500 * time.Millisecond)}}}
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil {
		panic(err)
	}
	for l := range strings.Lines(b.String()) {
		if strings.Contains(l, "p95_ms") {
			fmt.Println(strings.TrimSpace(l))
			break
		}
	}
	// Output: "p95_ms": 1500,
}
