package junit

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
)

func TestMatches(t *testing.T) {
	const head = `<testsuite name="example.com/lab/boards">`
	for _, c := range []struct {
		name, in string
		want     []string // request of each testcase; "" for none
		problem  string
	}{
		{"by request, whatever the name", head + `<testcase name="x" classname="y"><properties><property name="rtest.req" value="REQFLASH"/></properties></testcase>`, []string{"REQFLASH"}, ""},
		{"by several requests", head + `<testcase name="x"><properties><property name="rtest.req" value="unheard REQFLASH REQSOAK"/></properties></testcase>`, []string{"REQFLASH REQSOAK"}, ""},
		{"repeated, as JSON", head + `<testcase name="x"><properties><property name="rtest.req" value="&#34;REQFLASH&#34;"/><property name="rtest.req">"REQFLASH REQSOAK"</property></properties></testcase>`, []string{"REQFLASH REQSOAK"}, ""},
		{"by a request without events: not by name", head + `<testcase name="TestFlash" classname="example.com/lab/boards"><properties><property name="rtest.req" value="OTHER"/></properties></testcase>`, []string{""}, "no events of its request OTHER"},
		{"by a line of output", head + `<testcase name="T"><failure>=== ATTR  T/sub rtest.req REQSOAK&#xA;=== ATTR  T rtest.req REQFLASH&#xA;</failure></testcase>`, []string{"REQFLASH"}, ""},
		{"by name and order", head + strings.Repeat(`<testcase name="TestFlaky" classname="example.com/lab/boards"/>`, 3), []string{"REQFLAKY", "byname2", ""}, ""},
		{"by the suite's name", head + `<testcase name="TestFlash"/>`, []string{"REQFLASH"}, ""},
		{"another package", head + `<testcase name="TestFlash" classname="example.com/lab/accounts"/>`, []string{""}, ""},
		{"another package of that last name", `<testsuite name="example.com/other/boards"><testcase name="TestFlash" classname="boards"/>`, []string{""}, ""},
		{"short class name", `<testsuite><testcase name="TestFlash" classname="boards"/>`, []string{"REQFLASH"}, ""},
		{"relative class name", `<testsuite><testcase name="TestFlash" classname="lab/boards"/>`, []string{"REQFLASH"}, ""},
		{"a part of a name is no class name", `<testsuite><testcase name="TestFlash" classname="oards"/>`, []string{""}, ""},
		{"Ginkgo", `<testsuite name="Suite" package="/home/ci/lab/specs"><testcase name="[It] a pair of boards rates one [slow, lock:x]" classname="Suite"/>`, []string{"byname6"}, ""},
		{"Ginkgo on Windows", `<testsuite name="Suite" package="C:\ci\lab\specs"><testcase name="[It] a pair of boards rates one" classname="Suite"/>`, []string{"byname6"}, ""},
		{"Ginkgo, another suite", `<testsuite name="Suite" package="/home/ci/lab/other"><testcase name="[It] a pair of boards rates one" classname="Suite"/>`, []string{""}, ""},
		{"a text that looks like Ginkgo's", head + `<testcase name="[It] TestFlash"/>`, []string{"REQFLASH"}, ""},
		{"inside a comment", head + `<!-- <testcase name="TestFlash"/> -->`, nil, ""},
		{"no package at all", `<testsuite><testcase name="TestFlash"/>`, []string{""}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, res := labAnnotator(Annotator{}).Annotate([]byte(c.in + `</testsuite>`))
			file, err := parse(out)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range file.cases {
				// What was said before stays; what was found shows in the outcome.
				id := e.values["rtest.req"]
				if _, found := e.values["rtest.outcome"]; !found {
					id = ""
				} else if len(splitReqs(id)) > 1 || strings.Contains(id, `"`) {
					id = strings.Join(slices.DeleteFunc(splitReqs(id), func(s string) bool { return s == "unheard" }), " ")
				}
				got = append(got, id)
			}
			if c.name == "by a line of output" && got[0] == "" {
				t.Error("not found")
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q in %s", got, c.want, out)
			}
			if p := strings.Join(res.Unmatched, ""); !strings.Contains(p, c.problem) || c.problem == "" && p != "" {
				t.Errorf("unmatched %q, want %q", res.Unmatched, c.problem)
			}
		})
	}
}

func TestAmbiguousPackage(t *testing.T) {
	j := &Annotator{}
	for _, pkg := range []string{"example.com/a/boards", "example.com/b/boards"} {
		j.Add(&report.Request{ID: pkg, Test: eventlog.TestInfo{Pkg: pkg, Name: "TestX"}})
	}
	in := []byte(`<testsuite><testcase classname="boards" name="TestX"/><testcase classname="b/boards" name="TestX"/></testsuite>`)
	out, res := j.Annotate(in)
	if res.Matched != 1 || len(res.Unmatched) != 1 || !strings.Contains(res.Unmatched[0], "example.com/a/boards") {
		t.Errorf("%+v in %s", res, out)
	}
	if got := j.Unmatched(); !slices.Equal(got, []string{"example.com/a/boards TestX"}) {
		t.Errorf("unmatched events: %q", got)
	}
}

func TestRunsOfLaterProcesses(t *testing.T) {
	j := &Annotator{}
	at := time.Unix(0, 0)
	for i, r := range []struct{ pid, attempt int }{{2, 3}, {1, 1}, {1, 2}} {
		// The second process starts later, though its events are handed in first.
		j.Add(&report.Request{ID: string(rune('a' + i)), PID: r.pid, Asked: at.Add(time.Duration(r.pid) * time.Hour), Test: eventlog.TestInfo{Pkg: "p", Name: "T", Attempt: r.attempt}})
	}
	in := []byte(`<testsuite name="p">` + strings.Repeat(`<testcase name="T"/>`, 6) + `</testsuite>`)
	out, res := j.Annotate(in)
	file, err := parse(out)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range file.cases {
		got = append(got, e.values["rtest.req"])
	}
	// Two runs of process 1; of process 2 only the third used locks.
	if want := []string{"b", "c", "", "", "a", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q; %+v", got, want, res)
	}
}

func TestTotals(t *testing.T) {
	in := []byte(`<testsuites><testsuite name="example.com/lab/boards"><testcase name="TestFlash"/><testcase name="TestSoak"/><testcase name="TestBusy"/></testsuite></testsuites>`)
	out, _ := labAnnotator(Annotator{}).Annotate(in)
	file, err := parse(out)
	if err != nil {
		t.Fatal(err)
	}
	// TestFlash, TestSoak, TestBusy and the suite's own lease.
	want := map[string]string{"rtest.requests": "4", "rtest.waited_s": "303.250", "rtest.held_s": "135.500", "rtest.gave_up": "1", "rtest.lost": "1"}
	for k, v := range want {
		if got := file.suites[0].values[k]; got != v {
			t.Errorf("%s: %q, want %q", k, got, v)
		}
	}
	soak := file.cases[1].values
	if soak["rtest.outcome"] != "lost" || soak["rtest.held_s"] != "61.500" {
		t.Errorf("TestSoak: %v", soak)
	}
	flash := file.cases[0].values
	if want := "TestSoak (example.com/lab/boards, lab-7, https://ci.example.com/job/812?a=1&b=2)"; flash["rtest.blocked_by"] != want {
		t.Errorf("blocked by %q, want %q", flash["rtest.blocked_by"], want)
	}
	if want := `board-1, RF chamber "A" <2>`; flash["rtest.resources"] != want {
		t.Errorf("resources %q, want %q", flash["rtest.resources"], want)
	}
}

// Jenkins reads the first properties element only, and so may others.
func TestFillsTheFirstProperties(t *testing.T) {
	in := `<testsuite name="example.com/lab/boards"><testcase name="TestFlash"><skipped/><properties><property name="a" value="1"/></properties>` +
		`<properties><property name="rtest.held_s" value="9"/></properties></testcase></testsuite>`
	out, _ := labAnnotator(Annotator{}).Annotate([]byte(in))
	first, second, _ := strings.Cut(string(out[bytes.Index(out, []byte("<skipped/>")):]), "</properties>")
	if !strings.Contains(first, `name="rtest.waited_s"`) || !strings.HasPrefix(second, `<properties><property name="rtest.held_s" value="9"/></properties>`) {
		t.Errorf("%s", out)
	}
	if strings.Contains(first, "rtest.held_s") {
		t.Error("a property of the second element was added to the first")
	}
}

func TestRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"UTF-16":          "\xff\xfe<\x00t\x00",
		"UTF-16, no mark": "<\x00?\x00x\x00m\x00l\x00",
		"UTF-16 by word":  `<?xml version="1.0" encoding="UTF-16"?><testsuite><testcase name="a"/></testsuite>`,
		"UTF-7":           `<?xml version='1.0' encoding='utf-7'?><testsuite/>`,
		"cut in a tag":    `<testsuite><testcase name="TestFlash" class`,
		"cut in a value":  `<testsuite><testcase name="TestFlash`,
		"cut in CDATA":    `<testsuite><testcase name="a"><failure><![CDATA[ x </failure></testcase></testsuite>`,
		"cut in comment":  `<testsuite><!-- </testsuite>`,
		"cut in doctype":  `<!DOCTYPE x [ <!ELEMENT a ANY> `,
		"cut at the end":  `<testsuite><testcase name="TestFlash"></testcase>`,
		"wrong nesting":   `<testsuite><testcase name="TestFlash"></testsuite></testcase>`,
		"end only":        `</testsuite>`,
		"no tag":          `<testsuite>a < b</testsuite>`,
	} {
		t.Run(name, func(t *testing.T) {
			out, res := labAnnotator(Annotator{SystemOut: "all"}).Annotate([]byte(in))
			if string(out) != in {
				t.Errorf("changed to %q", out)
			}
			if !strings.HasPrefix(res.Warning, "left as it is: ") {
				t.Errorf("warning %q", res.Warning)
			}
		})
	}
}

func TestLine(t *testing.T) {
	j := Annotator{SystemOut: "failed", NoProperties: true}
	in := `<testsuite name="example.com/lab/boards"><testcase name="TestFlash"/><testcase name="TestSoak"><failure/><system-out>old</system-out></testcase>` +
		`<testcase name="TestBusy"><error/></testcase></testsuite>`
	out, _ := labAnnotator(j).Annotate([]byte(in))
	want := `<testsuite name="example.com/lab/boards"><testcase name="TestFlash"/><testcase name="TestSoak"><failure/><system-out>rtest: waited 0.000 s; lost; held board-2 for 61.500 s&#xA;old</system-out></testcase>` +
		`<testcase name="TestBusy"><error/><system-out>rtest: waited 300.000 s, blocked by TestSoak (example.com/lab/boards, lab-7, https://ci.example.com/job/812?a=1&amp;b=2); skipped&#xA;</system-out></testcase></testsuite>`
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}

	long := &Annotator{SystemOut: "all"}
	r := &report.Request{ID: "x", Test: eventlog.TestInfo{Pkg: "p", Name: "T"}, Outcome: eventlog.Acquired}
	for range 200 {
		r.Chosen = append(r.Chosen, eventlog.Chosen{Key: "böard " + strings.Repeat("x", len(r.Chosen))})
	}
	long.Add(r)
	out, _ = long.Annotate([]byte(`<testsuite name="p"><testcase name="T"></testcase></testsuite>`))
	d := xml.NewDecoder(bytes.NewReader(out))
	var v struct {
		Case struct {
			Out string `xml:"system-out"`
		} `xml:"testcase"`
	}
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if n := len([]rune(v.Case.Out)); n != lineMax {
		t.Errorf("the line has %d characters, want it cut at %d", n, lineMax)
	}
}

func FuzzAnnotate(f *testing.F) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for i, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, byte(i))
	}
	for i, s := range []string{
		`<testsuite name="example.com/lab/boards"><testcase name="TestFlash"/></testsuite>`,
		`<testsuite name="example.com/lab/boards"><properties/><testcase name="TestBusy"><properties /><system-out/><error/></testcase></testsuite>`,
		"<a:testcase name='TestFlash' classname='example.com/lab/boards'>\n <a:properties>\n  <a:property name='attribute'>rtest.req:1</a:property>\n </a:properties><a:system-out>rtest: x</a:system-out></a:testcase>",
		`<!DOCTYPE a [<!ENTITY x ">">]><testcase name="TestSoak" classname="boards"><![CDATA[]]></testcase>`,
	} {
		f.Add([]byte(s), byte(i))
	}
	f.Fuzz(func(t *testing.T, in []byte, mode byte) {
		j := Annotator{NoProperties: mode&1 != 0, SystemOut: []string{"", "failed", "all", "all"}[mode>>1&3]}
		if mode&8 != 0 {
			j.Aliases = []string{"datadog", "reportportal"}
		}
		out, res := labAnnotator(j).Annotate(in)
		if strings.HasPrefix(res.Warning, errNotAnnotated.Error()) && !bytes.Equal(in, out) {
			t.Fatalf("%s, but it was changed", res.Warning)
		}
		checkAnnotation(t, in, out, j)
	})
}
