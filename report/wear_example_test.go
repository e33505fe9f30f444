package report_test

import (
	"fmt"
	"strings"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

func ExampleWear() {
	const log = `{"v":1,"ev":"request","ts":"2026-03-01T12:00:00Z","test":{"name":"TestSoak"},"req":"r1","reqs":[{"name":"boards","candidates":["board-1","board-2"]}]}
{"v":1,"ev":"grant","ts":"2026-03-01T12:00:00Z","test":{"name":"TestSoak"},"req":"r1","chosen":[{"key":"board-1","req":0}]}
{"v":1,"ev":"release","ts":"2026-03-01T12:00:10Z","test":{"name":"TestSoak"},"req":"r1","held_ms":10000}
`
	var reader eventlog.Reader
	r, err := report.Fold(reader.Decode("log", strings.NewReader(log)), report.Options{})
	if err != nil {
		panic(err)
	}
	var wear *report.Wear = r.Pools[0].Wear
	var most, least report.Use = wear.Most, wear.Least
	fmt.Println(most.Key, most.Uses, most.Held.Duration(), "and", least.Key, least.Uses)
	fmt.Println("as often:", wear.Imbalance()) // the other one was never used
	var longest *report.Longest = r.Resources[0].Longest
	fmt.Println("longest by", longest.Test, longest.Held.Duration())
	// Output:
	// board-1 1 10s and board-2 0
	// as often: 0
	// longest by TestSoak 10s
}
