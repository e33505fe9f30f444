package whatif_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/whatif"
)

// twoTests is the log of two tests that share a board.
const twoTests = `{"v":1,"ev":"request","ts":"2026-03-01T12:00:00Z","test":{"name":"TestSoak"},"req":"r1","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"grant","ts":"2026-03-01T12:00:00Z","test":{"name":"TestSoak"},"req":"r1","chosen":[{"key":"board-1","req":0}]}
{"v":1,"ev":"request","ts":"2026-03-01T12:00:04Z","test":{"name":"TestPair"},"req":"r2","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"release","ts":"2026-03-01T12:00:10Z","test":{"name":"TestSoak"},"req":"r1"}
{"v":1,"ev":"grant","ts":"2026-03-01T12:00:10Z","test":{"name":"TestPair"},"req":"r2","chosen":[{"key":"board-1","req":0}]}
{"v":1,"ev":"release","ts":"2026-03-01T12:00:12Z","test":{"name":"TestPair"},"req":"r2"}
`

// One board and two parallel tests: would a second board have helped?
func ExampleEstimate() {
	var reader eventlog.Reader
	e, err := whatif.Estimate(reader.Decode("two.jsonl", strings.NewReader(twoTests)), whatif.WhatIf{Add: []string{"boards=1"}, WaitP95: time.Second})
	if err != nil {
		panic(err)
	}
	if err := e.WriteText(os.Stdout); err != nil {
		panic(err)
	}
	fmt.Println("boards to have:", e.Advice.Needed)
	// Output:
	// Estimates, from a replay of 2 requests in 2 lanes. Other runs, of which 20 were played, start and hold a little differently.
	//
	//                                         makespan             waited in all     P95 wait
	//   recorded                              12.0s                6.0s              6.0s
	//   replayed with backfill                12.0s                6.0s              6.0s
	//   boards +1 (like board-1)              10.0s                0                 0
	//   other runs                            12.0s (10.4s–14.0s)  6.0s (4.3s–8.0s)  6.0s (4.3s–8.0s)
	//   other runs, boards +1 (like board-1)  10.0s (8.5s–11.9s)   0                 0
	//
	// boards +1 (like board-1): this run would have taken 2.0s less (-17%), and waited 6.0s less (-100%) in all (estimate).
	// Other runs would take 1.8s to 2.2s less.
	// boards: 2, instead of 1 now, give a P95 wait of at most 1s (estimate: 0).
	// boards to have: 2
}

// What the estimates are, for a program of one's own.
func ExampleEstimates() {
	var reader eventlog.Reader
	var e *whatif.Estimates
	e, err := whatif.Estimate(reader.Decode("two.jsonl", strings.NewReader(twoTests)), whatif.WhatIf{Remove: []string{"board-9=1"}})
	fmt.Println(e == nil, errors.Is(err, whatif.ErrNoEstimate), err)

	e, err = whatif.Estimate(reader.Decode("two.jsonl", strings.NewReader(twoTests)), whatif.WhatIf{})
	if errors.Is(err, whatif.ErrNoEstimate) {
		fmt.Println("the events do not suffice:", err)
	}
	var replayed whatif.Scenario = e.Replayed
	var makespan whatif.Range = replayed.Makespan
	fmt.Println(replayed.Policy, makespan.Min, makespan.Median, makespan.Max)
	// Output:
	// true false --remove "board-9=1": no pool, tag or resource of the events is called "board-9"; there are the pool boards; the resource board-1
	// backfill 12s 12s 12s
}

// The report, and what it was worth that some were served early.
func ExampleFoldAndCompare() {
	var reader eventlog.Reader
	r, err := whatif.FoldAndCompare(reader.Decode("two.jsonl", strings.NewReader(twoTests)), report.Options{}, 5000)
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Total.Requests, "requests; somebody was served early:", r.Backfill != nil)
	// Output: 2 requests; somebody was served early: false
}
