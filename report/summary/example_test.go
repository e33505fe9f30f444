package summary_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/summary"
)

// twoTests is the log of two tests that share a board.
const twoTests = `{"v":1,"ev":"request","ts":"2026-03-01T12:00:00Z","test":{"name":"TestSoak"},"req":"r1","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"grant","ts":"2026-03-01T12:00:00Z","test":{"name":"TestSoak"},"req":"r1","chosen":[{"key":"board-1","req":0}]}
{"v":1,"ev":"request","ts":"2026-03-01T12:00:04Z","test":{"name":"TestPair"},"req":"r2","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"release","ts":"2026-03-01T12:00:10Z","test":{"name":"TestSoak"},"req":"r1"}
{"v":1,"ev":"grant","ts":"2026-03-01T12:00:10Z","test":{"name":"TestPair"},"req":"r2","chosen":[{"key":"board-1","req":0}]}
{"v":1,"ev":"release","ts":"2026-03-01T12:00:12Z","test":{"name":"TestPair"},"req":"r2"}
`

func ExampleText() {
	var reader eventlog.Reader
	r, err := report.Fold(reader.Decode("two.jsonl", strings.NewReader(twoTests)), report.Options{})
	if err != nil {
		panic(err)
	}
	by, err := summary.ParseBy("resource") // what a user typed; summary.Bys lists what there is
	if err != nil {
		panic(err)
	}
	if err := summary.Text(os.Stdout, r, summary.View{By: []summary.By{by, summary.ByHolder}, Top: 1}); err != nil {
		panic(err)
	}
	// Output:
	// Bottleneck: boards; all 6.0s of waiting was for it.
	//   What would help, by causes: more resources, or shorter holds.
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

func ExampleMarkdown() {
	var reader eventlog.Reader
	r, err := report.Fold(reader.Decode("two.jsonl", strings.NewReader(twoTests)), report.Options{})
	if err != nil {
		panic(err)
	}
	// The file is read by GitHub when the step has ended.
	if err := summary.Markdown(os.Stdout, r, summary.View{By: []summary.By{summary.ByPair}}); err != nil {
		panic(err)
	}
	// Output:
	// ## Lock contention
	//
	// **Bottleneck: boards; all 6.0s of waiting was for it.**
	// <br>What would help, by causes: more resources, or shorter holds.
	//
	// - 2 requests by 2 tests in 1 process over 12.0s: waited 6.0s in all, P50 0, P95 6.0s, longest 6.0s.
	// - boards: 1 resource, in use 1.0 (100%), P95 wait 6.0s, 6.0s lost waiting
	//   <br>100% pool full
	// - Most waits were caused by TestSoak: 6.0s.
	//
	// <details><summary>Who waited for whom, by time</summary>
	//
	// | waiter | waited | of all waits | because of | cause |
	// | --- | ---: | ---: | --- | --- |
	// | TestPair | 6.0s | 100% | TestSoak | pool full |
	//
	// </details>
}

func ExampleJSON() {
	r := report.Report{Total: report.Group{Requests: 3, Wait: report.Stat{N: 3, P95: eventlog.MS(1500 * time.Millisecond)}}}
	var b strings.Builder
	if err := summary.JSON(&b, &r); err != nil {
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

func ExampleHeadline() {
	var reader eventlog.Reader
	r, err := report.Fold(reader.Decode("two.jsonl", strings.NewReader(twoTests)), report.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(summary.Headline(r)[0] == summary.Verdict(r)[0])
	fmt.Println(summary.Headline(r)[2])
	fmt.Println(summary.Help(r.Verdict.Cause))
	fmt.Println(summary.Causes(r.Blame, r.Total.Blamed()))
	fmt.Println(len(summary.Warnings(r)), "warnings")
	// Output:
	// true
	// 2 requests by 2 tests in 1 process over 12.0s: waited 6.0s in all, P50 0, P95 6.0s, longest 6.0s.
	// more resources, or shorter holds
	// 100% pool full
	// 0 warnings
}

// A table of one's own look: rows and what each column is.
func ExampleTables() {
	var reader eventlog.Reader
	r, err := report.Fold(reader.Decode("two.jsonl", strings.NewReader(twoTests)), report.Options{})
	if err != nil {
		panic(err)
	}
	tables := summary.Tables(r, summary.View{By: []summary.By{summary.ByPool, summary.ByTest, summary.ByPair, summary.ByResource, summary.ByTag, summary.ByHolder}}, 10)
	var pools summary.Table = tables[0]
	fmt.Println(pools.Title, pools.Head[8], pools.Numeric(8), pools.Rows[0][8])
	fmt.Println(len(tables), "of", len(summary.Bys), "have rows")
	// Output:
	// Pools used true 100%
	// 5 of 8 have rows
}

// What wears out, and what could not be prepared.
func ExampleView() {
	const log = `{"v":1,"ev":"request","ts":"2026-03-01T12:00:00Z","test":{"name":"TestSoak"},"req":"r1","reqs":[{"candidates":["board-1"]}]}
{"v":1,"ev":"grant","ts":"2026-03-01T12:00:00Z","test":{"name":"TestSoak"},"req":"r1","chosen":[{"key":"board-1","req":0}]}
{"v":1,"ev":"unfit","ts":"2026-03-01T12:00:09Z","test":{"name":"TestSoak"},"req":"r1","chosen":[{"key":"board-1","req":0}],"restore_ms":2000,"error":"no power switch"}
{"v":1,"ev":"release","ts":"2026-03-01T12:00:10Z","test":{"name":"TestSoak"},"req":"r1","held_ms":8000,"restore_ms":2000}
`
	var reader eventlog.Reader
	r, err := report.Fold(reader.Decode("log", strings.NewReader(log)), report.Options{})
	if err != nil {
		panic(err)
	}
	for _, t := range summary.Tables(r, summary.View{By: []summary.By{summary.ByWear, summary.ByPreparation}}, 10) {
		fmt.Println(strings.Join(t.Head, ", "))
		fmt.Println(strings.Join(t.Rows[0], ", "))
	}
	// Output:
	// resource, uses, held, longest by
	// board-1, 1, 8.0s, TestSoak (8.0s)
	// resource, prepares failed, restores failed, preparing, restoring, held, last error
	// board-1, -, 1, 0, 2.0s, 8.0s, no power switch
}
