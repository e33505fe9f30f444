package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

func labTrace(t *testing.T, l reporttest.Lab) []byte {
	t.Helper()
	var tr Trace
	if _, err := report.Fold(reporttest.Sequence(l.Events()), report.Options{OnRequest: tr.Add}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := tr.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTraceGolden(t *testing.T) {
	reporttest.Golden(t, "five.json", labTrace(t, reporttest.Labs["5"]))
}

func TestTraceIsDeterministic(t *testing.T) {
	l := reporttest.Labs["500"]
	var requests []*report.Request
	if _, err := report.Fold(reporttest.Sequence(l.Events()), report.Options{OnRequest: func(r *report.Request) { c := *r; requests = append(requests, &c) }}); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(requests) // whichever order they are known in
	var tr Trace
	for _, r := range requests {
		tr.Add(r)
	}
	var b bytes.Buffer
	if err := tr.Write(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), labTrace(t, l)) {
		t.Error("the order of requests shows")
	}
}

type parsedTrace struct {
	Events []struct {
		Name, Cat, Ph, ID string
		TS, Dur           float64
		PID, TID          int
		Args              map[string]any
	} `json:"traceEvents"`
}

// TestTraceFitsViewers holds what Perfetto asks of a trace: slices of a track do
// not overlap, asynchronous events come in pairs, counters end at zero, and arrows
// begin and end inside of a slice.
func TestTraceFitsViewers(t *testing.T) {
	for name, l := range reporttest.Labs {
		var p parsedTrace
		if err := json.Unmarshal(labTrace(t, l), &p); err != nil {
			t.Fatal(err)
		}
		type track struct{ pid, tid int }
		type slice struct{ from, to float64 }
		tracks := map[track][]slice{}
		counters := map[string]float64{}
		last := map[string]float64{}
		open := map[string]float64{}
		n := map[string]int{}
		for _, e := range p.Events {
			n[e.Ph]++
			if e.TS < 0 {
				t.Fatalf("%s: %+v is before the beginning", name, e)
			}
			switch e.Ph {
			case "X":
				tracks[track{e.PID, e.TID}] = append(tracks[track{e.PID, e.TID}], slice{e.TS, e.TS + e.Dur})
			case "b":
				open[e.ID] = e.TS
			case "e":
				if from, ok := open[e.ID]; !ok || from > e.TS {
					t.Errorf("%s: wait %s ends before it begins", name, e.ID)
				}
				delete(open, e.ID)
			case "C":
				if e.TS < last[e.Name] {
					t.Errorf("%s: counter %s goes back in time", name, e.Name)
				}
				last[e.Name], counters[e.Name] = e.TS, e.Args["requests"].(float64)
			}
		}
		for k, slices_ := range tracks {
			slices.SortStableFunc(slices_, func(a, b slice) int { return int(a.from - b.from) })
			for i := 1; i < len(slices_); i++ {
				if slices_[i].from < slices_[i-1].to {
					t.Fatalf("%s: track %v: %v and %v overlap", name, k, slices_[i-1], slices_[i])
				}
			}
		}
		for c, v := range counters {
			if v != 0 {
				t.Errorf("%s: counter %s ends at %v", name, c, v)
			}
		}
		if len(open) > 0 || n["s"] != n["f"] || n["s"] == 0 || n["X"] == 0 || n["b"] == 0 {
			t.Errorf("%s: %d open waits, kinds of events %v", name, len(open), n)
		}
		for _, e := range p.Events {
			if e.Ph == "s" || e.Ph == "f" {
				in := func(s slice) bool { return s.from <= e.TS && e.TS < s.to }
				if !slices.ContainsFunc(tracks[track{e.PID, e.TID}], in) {
					t.Errorf("%s: the arrow %+v is outside of a hold", name, e)
				}
			}
		}
	}
}

func TestTraceTracksOfSharedResources(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	var tr Trace
	for i := range 3 {
		tr.Add(&report.Request{ID: fmt.Sprint(i), Asked: at, Served: at.Add(time.Duration(i) * time.Second), Ended: at.Add(10 * time.Second), Held: time.Second,
			End: eventlog.Release, Test: eventlog.TestInfo{Name: "T"}, Chosen: []eventlog.Chosen{{Key: "staging\n", Fence: uint64(i)}}})
	}
	var b bytes.Buffer
	if err := tr.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"name":"\"staging\\n\""`, `"name":"\"staging\\n\" (2)"`, `"name":"\"staging\\n\" (3)"`, `"token":2`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is missing in %s", want, b.String())
		}
	}
}

// An arrow must begin inside of a slice, and a hold of no length has no inside.
func TestTraceArrowsNeedALength(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	var tr Trace
	for i, held := range []time.Duration{0, time.Second} {
		tr.Add(&report.Request{ID: fmt.Sprint(i), Asked: at, Waited: time.Second, Served: at.Add(time.Second), Ended: at.Add(time.Second + held), Held: held,
			End: eventlog.Release, Chosen: []eventlog.Chosen{{Key: "b1"}}})
	}
	var b bytes.Buffer
	if err := tr.Write(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "hand-off") {
		t.Error(b.String())
	}
}

func TestTraceOfNothing(t *testing.T) {
	var tr Trace
	var b bytes.Buffer
	if err := tr.Write(&b); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b.Bytes()) {
		t.Error(b.String())
	}
}
