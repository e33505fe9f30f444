package metrics_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/metrics"
)

// log is an event log in which TestFlash waits for 1.5 s because of TestSoak.
const log = `{"v":1,"ev":"request","seq":1,"ts":"2026-03-01T12:00:00Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"grant","seq":2,"ts":"2026-03-01T12:00:00Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","chosen":[{"key":"board-1","req":0}],"outcome":"acquired"}
{"v":1,"ev":"request","seq":3,"ts":"2026-03-01T12:00:01Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"release","seq":4,"ts":"2026-03-01T12:00:02.5Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","held_ms":2500}
{"v":1,"ev":"grant","seq":5,"ts":"2026-03-01T12:00:02.5Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","chosen":[{"key":"board-1","req":0}],"waited_ms":1500,"outcome":"acquired"}
{"v":1,"ev":"release","seq":6,"ts":"2026-03-01T12:00:03Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","held_ms":500}
`

func ExampleWrite() {
	var r eventlog.Reader
	rep, err := report.Fold(r.Decode("log", strings.NewReader(log)), report.Options{})
	if err != nil {
		fmt.Println(err)
	}
	var b bytes.Buffer
	if err := metrics.Write(&b, rep); err != nil {
		fmt.Println(err)
	}
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "rtest_wait_seconds") || strings.HasPrefix(line, "# EOF") {
			fmt.Print(line)
		}
	}
	// Output:
	// rtest_wait_seconds{quantile="0.5"} 0
	// rtest_wait_seconds{quantile="0.95"} 1.5
	// rtest_wait_seconds_sum 1.5
	// rtest_wait_seconds_count 2
	// # EOF
}
