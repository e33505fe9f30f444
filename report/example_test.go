package report_test

import (
	"fmt"
	"strings"

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
