package metrics

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

func labMetrics(t *testing.T, events []eventlog.Event) string {
	t.Helper()
	rep, err := report.Fold(reporttest.Sequence(events), report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Write(&b, rep); err != nil {
		t.Fatal(err)
	}
	reporttest.CheckOpenMetrics(t, b.String())
	return b.String()
}

func TestMetricsGolden(t *testing.T) {
	reporttest.Golden(t, "five.txt", []byte(labMetrics(t, reporttest.Labs["5"].Events())))
}

func TestMetricsOfNothing(t *testing.T) {
	if m := labMetrics(t, nil); !strings.Contains(m, "rtest_requests_total{outcome=\"acquired\"} 0\n") {
		t.Error(m)
	}
}

// TestMetricsStayFew: a lab with thousands of everything makes few series.
func TestMetricsStayFew(t *testing.T) {
	var events []eventlog.Event
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 1000 {
		e := eventlog.Event{At: at.Add(time.Duration(i) * time.Second), Req: fmt.Sprint(i), Test: eventlog.TestInfo{Name: fmt.Sprint("Test", i)}}
		e.Ev, e.Reqs = eventlog.Request, []eventlog.Requirement{{Name: fmt.Sprintf("pool \"%d\"\n\\", i), Candidates: []string{fmt.Sprint("b", i)}}}
		events = append(events, e)
		e.Ev, e.Reqs, e.Outcome = eventlog.Withdraw, nil, eventlog.TimedOut
		e.At = e.At.Add(time.Second)
		e.WaitedMS = eventlog.MS(time.Second)
		events = append(events, e)
	}
	m := labMetrics(t, events)
	if n := strings.Count(m, "\n"); n > 1500 {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(m, "rtest_pools_omitted 950\n") || !strings.Contains(m, `pool="pool \"0\"\n\\"`) {
		t.Errorf("%.2000s", m)
	}
}

// TestMetricsObeyNobody: what a name holds is shown, not done.
func TestMetricsObeyNobody(t *testing.T) {
	name := "red\x1b[31m bell\a return\r\u202eleft\x00\xff\u0085"
	e := eventlog.Event{At: reporttest.T0, Ev: eventlog.Request, Req: "1", Reqs: []eventlog.Requirement{{Name: name, Candidates: []string{"b"}}}}
	g := e
	g.Ev, g.Chosen = eventlog.Grant, []eventlog.Chosen{{Key: "b"}}
	m := labMetrics(t, []eventlog.Event{e, g})
	for _, r := range m {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%q is printed raw", r)
		}
	}
	if !strings.Contains(m, `pool="red\\x1b[31m bell\\a return\\r\\u202eleft\\x00\\xff\\u0085"`) {
		t.Errorf("%.3000s", m)
	}
}
