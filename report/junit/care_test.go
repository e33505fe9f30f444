package junit

import (
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// TestPreparationIsTold: where it took time, and as the sum over requests.
func TestPreparationIsTold(t *testing.T) {
	var j Annotator
	for i, prepared := range []time.Duration{1500 * time.Millisecond, time.Second} {
		j.Add(&report.Request{ID: string(rune('a' + i)), Test: eventlog.TestInfo{Pkg: "lab", Name: "TestA"}, Prepared: prepared, Outcome: eventlog.Acquired, End: eventlog.Release})
	}
	j.Add(&report.Request{ID: "c", Test: eventlog.TestInfo{Pkg: "lab", Name: "TestB"}, Restored: time.Second, Outcome: eventlog.Acquired, End: eventlog.Release})
	out, _ := j.Annotate([]byte(`<testsuite name="lab"><testcase name="TestA" classname="lab"/><testcase name="TestB" classname="lab"/></testsuite>`))
	a, b, _ := strings.Cut(string(out), `"TestB"`)
	if !strings.Contains(a, `"rtest.prepare_s" value="2.500"`) || strings.Contains(a, "restore_s") ||
		!strings.Contains(b, `"rtest.restore_s" value="1.000"`) || strings.Contains(b, "prepare_s") {
		t.Errorf("got %s", out)
	}
}
