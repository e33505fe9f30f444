package report_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// log is an event log in which TestFlash waits for 1.5 s because of TestSoak.
const log = `{"v":1,"ev":"request","seq":1,"ts":"2026-03-01T12:00:00Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"grant","seq":2,"ts":"2026-03-01T12:00:00Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","chosen":[{"key":"board-1","req":0}],"outcome":"acquired"}
{"v":1,"ev":"request","seq":3,"ts":"2026-03-01T12:00:01Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"release","seq":4,"ts":"2026-03-01T12:00:02.5Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","held_ms":2500}
{"v":1,"ev":"grant","seq":5,"ts":"2026-03-01T12:00:02.5Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","chosen":[{"key":"board-1","req":0}],"waited_ms":1500,"outcome":"acquired"}
{"v":1,"ev":"release","seq":6,"ts":"2026-03-01T12:00:03Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","held_ms":500}
`

func ExampleJUnit() {
	var r eventlog.Reader
	var j report.JUnit
	if _, err := report.Fold(r.Decode("log", strings.NewReader(log)), report.Options{OnRequest: j.Add}); err != nil {
		fmt.Println(err)
	}
	out, result := j.Annotate([]byte(`<testsuite name="lab">
  <testcase name="TestFlash" classname="lab" time="2.0"/>
  <testcase name="TestPlain" classname="lab" time="0.1"/>
</testsuite>
`))
	fmt.Println(strings.ReplaceAll(string(out), "></property>", "/>\n"))
	fmt.Println(result.Matched, "of", result.Testcases, "testcases used locks; not there:", j.Unmatched())
	// Output:
	// <testsuite name="lab">
	//   <properties><property name="rtest.requests" value="1"/>
	// <property name="rtest.waited_s" value="1.500"/>
	// <property name="rtest.held_s" value="0.500"/>
	// </properties>
	//   <testcase name="TestFlash" classname="lab" time="2.0"><properties><property name="rtest.req" value="Q2"/>
	// <property name="rtest.waited_s" value="1.500"/>
	// <property name="rtest.held_s" value="0.500"/>
	// <property name="rtest.outcome" value="acquired"/>
	// <property name="rtest.resources" value="board-1"/>
	// <property name="rtest.blocked_by" value="TestSoak (lab)"/></properties></testcase>
	//   <testcase name="TestPlain" classname="lab" time="0.1"/>
	// </testsuite>
	//
	// 1 of 2 testcases used locks; not there: [lab TestSoak]
}

func ExampleHTML() {
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	var r eventlog.Reader
	page := report.HTML{Title: "Night run"}
	rep, err := report.Fold(r.Decode("log", strings.NewReader(log)), report.Options{OnRequest: page.Add})
	if err != nil {
		fmt.Println(err)
	}
	page.Warning = r.Stats.Warning() // empty: all of the log could be used
	if err := page.Write(dir, rep); err != nil {
		fmt.Println(err)
	}
	entries, _ := os.ReadDir(dir)
	fmt.Println(entries[0].Name(), entries[1].Name())
	// Output: index.html style.css
}

func ExampleTrace() {
	var r eventlog.Reader
	var t report.Trace
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

func ExamplePprof() {
	var r eventlog.Reader
	p := report.Pprof{ByHolder: true}
	rep, err := report.Fold(r.Decode("log", strings.NewReader(log)), report.Options{OnRequest: p.Add})
	if err != nil {
		fmt.Println(err)
	}
	var b bytes.Buffer // for go tool pprof
	if err := p.Write(&b, rep); err != nil {
		fmt.Println(err)
	}
	fmt.Println(b.Len() > 0)
	// Output: true
}

func ExampleReport_WriteMetrics() {
	var r eventlog.Reader
	rep, err := report.Fold(r.Decode("log", strings.NewReader(log)), report.Options{})
	if err != nil {
		fmt.Println(err)
	}
	var b bytes.Buffer
	if err := rep.WriteMetrics(&b); err != nil {
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
