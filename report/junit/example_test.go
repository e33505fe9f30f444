package junit_test

import (
	"fmt"
	"strings"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/junit"
)

// log is an event log in which TestFlash waits for 1.5 s because of TestSoak.
const log = `{"v":1,"ev":"request","seq":1,"ts":"2026-03-01T12:00:00Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"grant","seq":2,"ts":"2026-03-01T12:00:00Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","chosen":[{"key":"board-1","req":0}],"outcome":"acquired"}
{"v":1,"ev":"request","seq":3,"ts":"2026-03-01T12:00:01Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"release","seq":4,"ts":"2026-03-01T12:00:02.5Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","held_ms":2500}
{"v":1,"ev":"grant","seq":5,"ts":"2026-03-01T12:00:02.5Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","chosen":[{"key":"board-1","req":0}],"waited_ms":1500,"outcome":"acquired"}
{"v":1,"ev":"release","seq":6,"ts":"2026-03-01T12:00:03Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","held_ms":500}
`

func ExampleAnnotator() {
	var r eventlog.Reader
	var j junit.Annotator
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

// A gate that wants every testcase with locks to be known.
func ExampleResult() {
	var a junit.Annotator
	_, result := a.Annotate([]byte("<testsuite/>"))
	var r junit.Result = result
	fmt.Println(r.Testcases, r.Matched, r.Warning)
	// Output: 0 0 it has no testcase
}
