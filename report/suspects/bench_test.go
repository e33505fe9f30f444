package suspects

import (
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// manyEvents is the log of so many events: 250 runs of a suite, say, of 200 tests on 50
// boards, one of which is sick.
func manyEvents(n int) iter.Seq2[eventlog.Event, error] {
	boards := make([]string, 50)
	tags := make([]map[string]string, len(boards))
	for i := range boards {
		boards[i] = fmt.Sprint("board-", i+1)
		tags[i] = map[string]string{"fw": fmt.Sprint(i % 3), "rack": fmt.Sprint(i / 10)}
	}
	reqs := []eventlog.Requirement{{Name: "boards", Need: 1, Candidates: boards}}
	tests := make([]eventlog.TestInfo, 200)
	for i := range tests {
		tests[i] = eventlog.TestInfo{Pkg: "lab", Name: fmt.Sprint("Test", i), Attempt: 1}
	}
	return func(yield func(eventlog.Event, error) bool) {
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for i := 0; 4*i < n; i++ {
			board := (i*7 + i/200) % 50
			e := eventlog.Event{TS: at, At: at, Host: "ci", PID: 1, Test: tests[i%200], Req: fmt.Sprint("r", i)}
			e.Run.ID = fmt.Sprint("night-", i/1000)
			for _, k := range []eventlog.Kind{eventlog.Request, eventlog.Grant, eventlog.Release, eventlog.TestEnd} {
				e.Ev, e.Reqs, e.Chosen, e.Verdict = k, nil, nil, ""
				switch k {
				case eventlog.Request:
					e.Reqs = reqs
				case eventlog.Grant:
					e.Chosen = []eventlog.Chosen{{Key: boards[board], Tags: tags[board]}}
				case eventlog.TestEnd:
					e.Verdict = eventlog.VerdictPassed
					if i%50 == 0 || board == 3 && i%3 == 0 {
						e.Verdict = eventlog.VerdictFailed
					}
				}
				at = at.Add(time.Second)
				e.TS, e.At = at, at
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// BenchmarkMillionEvents folds a million events without suspects and with them. It
// prints how many times as much CPU time the latter takes, by the least of several times,
// and the memory of the process:
//
//	go test ./report/suspects -run '^$' -bench MillionEvents -benchtime 5x
func BenchmarkMillionEvents(b *testing.B) {
	fold := func(opts report.Options) time.Duration {
		runtime.GC()
		begin := spent()
		if _, err := report.Fold(manyEvents(1_000_000), opts); err != nil {
			b.Fatal(err)
		}
		return spent() - begin
	}
	without, with, found := time.Duration(1<<62), time.Duration(1<<62), time.Duration(1<<62)
	for range b.N {
		without = min(without, fold(report.Options{}))
		var c Collector
		with = min(with, fold(report.Options{OnTest: c.Add}))
		begin := spent()
		r := c.Find()
		found = min(found, spent()-begin)
		if len(r.Suspects) == 0 || r.Suspects[0].Name != "board-4" {
			b.Fatal(r.Lines())
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric((with+found).Seconds()/without.Seconds(), "times-without")
	b.ReportMetric(found.Seconds(), "s-to-find")
	b.ReportMetric(float64(m.Sys)/1e6, "MB")
}
