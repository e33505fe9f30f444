package summary

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// lab is the report of testdata/lab.schedule, with packages, runs and
// tags.
func lab(t *testing.T) *report.Report {
	t.Helper()
	text, err := os.ReadFile("testdata/lab.schedule")
	if err != nil {
		t.Fatal(err)
	}
	events := reporttest.Schedule(t, string(text))
	for i := range events {
		e := &events[i]
		e.Test.Pkg = "example.com/lab"
		if e.Test.Name == "TestSoak" {
			e.Run = eventlog.RunInfo{ID: "ci-811", URL: "https://ci.example/811"}
		}
		for j := range e.Chosen {
			kind := "nrf52"
			if e.Chosen[j].Key == "b3" {
				kind = "esp32"
			}
			e.Chosen[j].Tags = map[string]string{"kind": kind}
		}
	}
	events[len(events)-1].Dropped = 3
	r, err := report.Fold(reporttest.Sequence(events), report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t *testing.T, f func(*bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	r := lab(t)
	reporttest.Golden(t, "lab.txt", render(t, func(b *bytes.Buffer) error { return Text(b, r, View{}) }))
	reporttest.Golden(t, "lab.md", render(t, func(b *bytes.Buffer) error { return Markdown(b, r, View{}) }))
	reporttest.Golden(t, "lab.json", render(t, func(b *bytes.Buffer) error { return JSON(b, r) }))
	reporttest.Golden(t, "lab-by.txt", render(t, func(b *bytes.Buffer) error { return Text(b, r, View{By: []By{ByPool, ByTag, ByWear}, Top: 1}) }))
	reporttest.Golden(t, "lab-warnings.txt", []byte(strings.Join(Warnings(r), "\n")+"\n"))
}

func TestEmptyReport(t *testing.T) {
	r, err := report.Fold(reporttest.Sequence(nil), report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(render(t, func(b *bytes.Buffer) error { return Text(b, r, View{}) })); got != "No lock was asked for (0 events).\n" {
		t.Errorf("got %q", got)
	}
	var back map[string]any
	if err := json.Unmarshal(render(t, func(b *bytes.Buffer) error { return JSON(b, r) }), &back); err != nil {
		t.Error(err)
	}
	if r.LockShare() != 0 || len(Warnings(r)) != 0 {
		t.Error("an empty report warns")
	}
}

// crowded is a report with n tests, resources and tags with long names.
func crowded(t *testing.T, n int) *report.Report {
	t.Helper()
	var events []eventlog.Event
	for i := range n {
		name := fmt.Sprintf("Test%06d/%s", i, strings.Repeat("|<&`", 60))
		at := reporttest.T0.Add(time.Duration(i) * time.Second)
		e := eventlog.Event{V: 1, At: at, Req: name, Test: eventlog.TestInfo{Name: name}}
		a, b, c := e, e, e
		a.Ev, a.Reqs = eventlog.Request, []eventlog.Requirement{{Candidates: []string{name}}}
		b.Ev, b.WaitedMS, b.Chosen = eventlog.Grant, eventlog.MS(time.Second), []eventlog.Chosen{{Key: name, Tags: map[string]string{"t": name}}}
		c.Ev, c.At = eventlog.Release, at.Add(time.Second)
		events = append(events, a, b, c)
	}
	r, err := report.Fold(reporttest.Sequence(events), report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMarkdownStaysBelowItsLimit(t *testing.T) {
	r := crowded(t, 5000)
	got := render(t, func(b *bytes.Buffer) error { return Markdown(b, r, View{Top: -1}) })
	if len(got) > markdownMax || len(got) < markdownMax/2 || !utf8.Valid(got) {
		t.Errorf("%d bytes, valid %t", len(got), utf8.Valid(got))
	}
	rows := strings.Count(string(got), "\n| ")
	if !strings.Contains(string(got), " more\n") || rows == 0 {
		t.Error("what is left out is not told")
	}
	if got := render(t, func(b *bytes.Buffer) error { return Markdown(b, r, View{}) }); len(got) > 100<<10 {
		t.Errorf("by default %d bytes", len(got))
	}
}

func TestParseBy(t *testing.T) {
	for _, b := range Bys {
		if got, err := ParseBy(string(b)); got != b || err != nil {
			t.Errorf("%s: %v, %v", b, got, err)
		}
	}
	if _, err := ParseBy("board"); err == nil || !strings.Contains(err.Error(), "pool test pair resource tag holder preparation wear") {
		t.Errorf("got %v", err)
	}
}

// TestTextFitsTheTerminal has tables of long names on 80 columns.
func TestTextFitsTheTerminal(t *testing.T) {
	r := crowded(t, 30)
	got := string(render(t, func(b *bytes.Buffer) error { return Text(b, r, View{Width: 80, By: Bys}) }))
	_, tables, _ := strings.Cut(got, "\n\n")
	for l := range strings.Lines(tables) {
		if strings.HasPrefix(l, "  ") && utf8.RuneCountInString(strings.TrimSuffix(l, "\n")) > 80 {
			t.Errorf("too long: %s", l)
		}
	}
	if !strings.Contains(tables, "…") || strings.Contains(tables, "wait P50   P95   max  total") {
		t.Errorf("names are not cut, or what repeats is there:\n%s", tables)
	}
	for in, want := range map[string]string{"abcdefgh": "abc…fgh", "abcdefg": "abcdefg", "äöüßäöüß": "äöü…öüß"} {
		if got := elide(in, 7); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}
