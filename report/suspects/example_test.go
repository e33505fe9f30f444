package suspects_test

import (
	"fmt"
	"os"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/suspects"
)

// add adds runs of a test on a board, of which the first ones failed.
func add(c *suspects.Collector, test, board string, failed, runs int) {
	for i := range runs {
		v := eventlog.VerdictPassed
		if i < failed {
			v = eventlog.VerdictFailed
		}
		c.Add(&report.TestRun{Test: eventlog.TestInfo{Pkg: "lab", Name: test}, Verdict: v, Held: []eventlog.Chosen{{Key: board}}})
	}
}

// Two tests that fail on one board of three. The collector is filled by
// report.Options{OnTest: c.Add}.
func ExampleCollector() {
	var c suspects.Collector
	add(&c, "TestFlash", "board-3", 5, 8)
	add(&c, "TestFlash", "board-1", 1, 30)
	add(&c, "TestSoak", "board-3", 4, 6)
	add(&c, "TestSoak", "board-2", 1, 31)
	if err := c.Find().WriteText(os.Stdout); err != nil {
		panic(err)
	}
	// Output:
	// board-3: 9 of 14 runs of tests with it failed; the same tests failed 2 of 61 times without it (chance: 1 in 964575)
	// 75 runs of tests with resources, 11 failed; 3 comparisons.
}

func ExampleResult() {
	var c suspects.Collector
	add(&c, "TestBroken", "board-1", 5, 6)
	add(&c, "TestBroken", "board-2", 6, 6)
	var r *suspects.Result = c.Find()
	fmt.Println(len(r.Suspects), r.Summary())
	for _, t := range []suspects.Test(r.Everywhere) {
		fmt.Println(t.Name, t.Failed, "of", t.Runs)
	}
	// Output:
	// 0 No suspect: failures follow no resource, no tag and no pair of a test and a resource more than chance explains. 12 runs of tests with resources, 11 failed; 4 comparisons.
	// TestBroken 11 of 12
}

func ExampleSuspect() {
	s := suspects.Suspect{Kind: suspects.Pair, Name: "board-2", Test: "TestOTA", Uses: suspects.UsesLeast, Failed: suspects.FailuresLeast, Else: 40, P: 0.004}
	fmt.Println(s, "- chance:", s.Chance())
	for _, k := range []suspects.Kind{suspects.Resource, suspects.Tag, suspects.Pair} {
		fmt.Println(k, k == s.Kind)
	}
	// Output:
	// TestOTA on board-2: 3 of 5 runs failed; it failed 0 of 40 times without that resource - chance: 0.4%
	// resource false
	// tag false
	// pair true
}
