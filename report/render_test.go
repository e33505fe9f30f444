package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// golden compares with a file under testdata/golden.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run go test -update and look at the difference\ngot\n%s", path, got)
	}
}

// lab is the report of testdata/golden/lab.schedule, with packages, runs and
// tags.
func lab(t *testing.T) *Report {
	t.Helper()
	text, err := os.ReadFile("testdata/golden/lab.schedule")
	if err != nil {
		t.Fatal(err)
	}
	events := parseSchedule(t, string(text))
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
	r, err := Fold(sequence(events), Options{})
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
	golden(t, "lab.txt", render(t, func(b *bytes.Buffer) error { return r.WriteText(b, View{}) }))
	golden(t, "lab.md", render(t, func(b *bytes.Buffer) error { return r.WriteMarkdown(b, View{}) }))
	golden(t, "lab.json", render(t, func(b *bytes.Buffer) error { return r.WriteJSON(b) }))
	golden(t, "lab-by.txt", render(t, func(b *bytes.Buffer) error { return r.WriteText(b, View{By: []By{ByPool, ByTag}, Top: 1}) }))
	golden(t, "lab-warnings.txt", []byte(strings.Join(r.Warnings(), "\n")+"\n"))
}

func TestEmptyReport(t *testing.T) {
	r, err := Fold(sequence(nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(render(t, func(b *bytes.Buffer) error { return r.WriteText(b, View{}) })); got != "No lock was asked for (0 events).\n" {
		t.Errorf("got %q", got)
	}
	var back map[string]any
	if err := json.Unmarshal(render(t, func(b *bytes.Buffer) error { return r.WriteJSON(b) }), &back); err != nil {
		t.Error(err)
	}
	if r.LockShare() != 0 || len(r.Warnings()) != 0 {
		t.Error("an empty report warns")
	}
}

// crowded is a report with n tests, resources and tags with long names.
func crowded(t *testing.T, n int) *Report {
	t.Helper()
	var events []eventlog.Event
	for i := range n {
		name := fmt.Sprintf("Test%06d/%s", i, strings.Repeat("|<&`", 60))
		at := t0.Add(time.Duration(i) * time.Second)
		e := eventlog.Event{V: 1, At: at, Req: name, Test: eventlog.TestInfo{Name: name}}
		a, b, c := e, e, e
		a.Ev, a.Reqs = eventlog.Request, []eventlog.Requirement{{Candidates: []string{name}}}
		b.Ev, b.WaitedMS, b.Chosen = eventlog.Grant, eventlog.MS(time.Second), []eventlog.Chosen{{Key: name, Tags: map[string]string{"t": name}}}
		c.Ev, c.At = eventlog.Release, at.Add(time.Second)
		events = append(events, a, b, c)
	}
	r, err := Fold(sequence(events), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMarkdownStaysBelowItsLimit(t *testing.T) {
	r := crowded(t, 5000)
	got := render(t, func(b *bytes.Buffer) error { return r.WriteMarkdown(b, View{Top: -1}) })
	if len(got) > markdownMax || len(got) < markdownMax/2 || !utf8.Valid(got) {
		t.Errorf("%d bytes, valid %t", len(got), utf8.Valid(got))
	}
	rows := strings.Count(string(got), "\n| ")
	if !strings.Contains(string(got), " more\n") || rows == 0 {
		t.Error("what is left out is not told")
	}
	if got := render(t, func(b *bytes.Buffer) error { return r.WriteMarkdown(b, View{}) }); len(got) > 100<<10 {
		t.Errorf("by default %d bytes", len(got))
	}
}

func TestNamesCannotTalkToTheTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"TestA/b_c":     "TestA/b_c",
		"a\x1b[31mred":  `"a\x1b[31mred"`,
		"two\nlines":    `"two\nlines"`,
		"bad\xffutf8":   `"bad\xffutf8"`,
		"":              `""`,
		"Prüfung 測試":    "Prüfung 測試",
		"right\u202eto": `"right\u202eto"`,
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) is %s; want %s", in, got, want)
		}
	}
	if got := plain(strings.Repeat("ü", 500)); utf8.RuneCountInString(got) != nameMax {
		t.Errorf("a long name has %d runes", utf8.RuneCountInString(got))
	}
	if got := markdown("a|b`c*d_e[f](g)<h>&#i\n"); strings.ContainsAny(strings.NewReplacer(`\|`, "", "\\`", "", `\*`, "", `\_`, "", `\[`, "", `\]`, "", `\#`, "").Replace(got), "|`*_[]<>#\n") {
		t.Errorf("markdown leaves markup: %s", got)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 250 * time.Microsecond: "<1ms", 3 * time.Millisecond: "3ms", 350400 * time.Microsecond: "350ms", 999700 * time.Microsecond: "1.0s",
		4700 * time.Millisecond: "4.7s", 59960 * time.Millisecond: "1m00s", 11*time.Minute + 40*time.Second: "11m40s",
		59*time.Minute + 59700*time.Millisecond: "1h00m", 25*time.Hour + 5*time.Minute: "25h05m",
	} {
		if got := short(eventlog.MS(d)); got != want {
			t.Errorf("%v is %s; want %s", d, got, want)
		}
	}
	for x, want := range map[float64]string{0: "0%", 0.004: "<1%", 0.94: "94%", 0.9999: "99%", 1: "100%"} {
		if got := percent(x); got != want {
			t.Errorf("%v is %s; want %s", x, got, want)
		}
	}
}

func TestParseBy(t *testing.T) {
	for _, b := range Bys {
		if got, err := ParseBy(string(b)); got != b || err != nil {
			t.Errorf("%s: %v, %v", b, got, err)
		}
	}
	if _, err := ParseBy("board"); err == nil || !strings.Contains(err.Error(), "pool test pair resource tag holder") {
		t.Errorf("got %v", err)
	}
}

func TestNamesAreToldApart(t *testing.T) {
	r := &Report{}
	r.learnNames([]testKey{{"a/lab", "TestOne"}, {"a/lab", "TestTwo"}, {"a/rack", "TestTwo"}, {"a/lab", "TestThree"}, {"b/lab", "TestThree"}, {"", "pid 7"}})
	for h, want := range map[Holder]string{
		{Pkg: "a/lab", Test: "TestOne"}:   "TestOne",
		{Pkg: "a/lab", Test: "TestTwo"}:   "lab.TestTwo",
		{Pkg: "a/rack", Test: "TestTwo"}:  "rack.TestTwo",
		{Pkg: "b/lab", Test: "TestThree"}: "b/lab.TestThree",
		{Pkg: "a/lab", Test: "a/lab"}:     "a/lab",
		{Test: "pid 7"}:                   "pid 7",
		{Run: "ci-7"}:                     "ci-7",
		{}:                                "(unnamed)",
	} {
		if got := r.name(h); got != want {
			t.Errorf("%+v is called %q; want %q", h, got, want)
		}
	}
}
