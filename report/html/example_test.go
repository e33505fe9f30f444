package html_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/html"
)

// log is an event log in which TestFlash waits for 1.5 s because of TestSoak.
const log = `{"v":1,"ev":"request","seq":1,"ts":"2026-03-01T12:00:00Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"grant","seq":2,"ts":"2026-03-01T12:00:00Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","chosen":[{"key":"board-1","req":0}],"outcome":"acquired"}
{"v":1,"ev":"request","seq":3,"ts":"2026-03-01T12:00:01Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","reqs":[{"name":"boards","candidates":["board-1"]}]}
{"v":1,"ev":"release","seq":4,"ts":"2026-03-01T12:00:02.5Z","test":{"pkg":"lab","name":"TestSoak"},"req":"Q1","held_ms":2500}
{"v":1,"ev":"grant","seq":5,"ts":"2026-03-01T12:00:02.5Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","chosen":[{"key":"board-1","req":0}],"waited_ms":1500,"outcome":"acquired"}
{"v":1,"ev":"release","seq":6,"ts":"2026-03-01T12:00:03Z","test":{"pkg":"lab","name":"TestFlash"},"req":"Q2","held_ms":500}
`

func ExamplePage() {
	dir, err := os.MkdirTemp("", "page")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	var r eventlog.Reader
	page := html.Page{Title: "Night run"}
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
