package trace_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/trace"
)

// log is an event log in which TestFlash waits for 1.5 s because of TestSoak.
const log = `{"v":1,"ev":"request","seq":1,"ts":"2026-03-01T12:00:00Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"grant","seq":2,"ts":"2026-03-01T12:00:00Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","chosen":[{"key":"board-1","req":0}],"outcome":"acquired"}
{"v":1,"ev":"request","seq":3,"ts":"2026-03-01T12:00:01Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"release","seq":4,"ts":"2026-03-01T12:00:02.5Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","held_ms":2500}
{"v":1,"ev":"grant","seq":5,"ts":"2026-03-01T12:00:02.5Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","chosen":[{"key":"board-1","req":0}],"waited_ms":1500,"outcome":"acquired"}
{"v":1,"ev":"release","seq":6,"ts":"2026-03-01T12:00:03Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","held_ms":500}
`

func ExampleTrace() {
	var r eventlog.Reader
	var t trace.Trace
	if _, err := report.Fold(r.Decode("log", strings.NewReader(log)), report.Options{OnRequest: t.Add}); err != nil {
		fmt.Println(err)
	}
	var b bytes.Buffer
	if err := t.Write(&b); err != nil {
		fmt.Println(err)
	}
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "hand-off") {
			fmt.Print(line)
		}
	}
	// Output:
	// {"name":"hand-off","cat":"handoff","ph":"s","ts":2499999,"pid":1,"tid":1,"id":"1"},
	// {"name":"hand-off","cat":"handoff","ph":"f","ts":2500000,"pid":1,"tid":1,"id":"1","bp":"e"},
}
