package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// compareGolden compares with a file under testdata, or writes it.
func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	path = filepath.Join("testdata", path)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if bytes.Equal(got, want) {
		return
	}
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := 0; i < len(g) || i < len(w); i++ {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s differs in line %d; go test -update writes it anew\n got %q\nwant %q", path, i+1, g[min(i, len(g)-1)], w[min(i, len(w)-1)])
		}
	}
}

// labRequests are what the tests of the JUnit files under testdata did. The
// first five are found by rtest.req, the others by name.
func labRequests() []*Request {
	const boards, specs = "example.com/lab/boards", "example.com/lab/specs"
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	soak := Holder{Pkg: boards, Test: "TestSoak", Run: "812", URL: "https://ci.example.com/job/812?a=1&b=2", Host: "lab-7"}
	var all []*Request
	add := func(id, pkg, test string, attempt, waited, held int, outcome eventlog.Outcome, keys ...string) *Request {
		r := &Request{
			ID: id, Run: eventlog.RunInfo{ID: "812"}, Host: "lab-7", PID: 4711,
			Test:  eventlog.TestInfo{Pkg: pkg, Name: test, Attempt: attempt},
			Asked: start.Add(time.Duration(len(all)) * time.Second), Waited: time.Duration(waited) * time.Millisecond,
			Held: time.Duration(held) * time.Millisecond, Outcome: outcome, End: eventlog.Release,
		}
		for _, k := range keys {
			r.Chosen = append(r.Chosen, eventlog.Chosen{Key: k})
		}
		if waited > 0 && test != "TestSoak" {
			r.Blame = []Share{{Cause: PoolFull, Holder: soak, Time: eventlog.MS(r.Waited)}}
		}
		all = append(all, r)
		return r
	}
	add("REQFLASH", boards, "TestFlash", 0, 1250, 4000, eventlog.Acquired, "board-1", "RF chamber \"A\" <2>")
	add("REQSOAK", boards, "TestSoak", 0, 0, 61500, eventlog.Acquired, "board-2").End = eventlog.Lost
	add("REQPAIRa", boards, "TestPair/a_b", 0, 10, 20, eventlog.Acquired, "board-1", "board-3")
	add("REQPAIR", specs, "a pair of boards pairs & bonds", 0, 1250, 100, eventlog.Acquired, "board-1").Test.Runner = "ginkgo"
	add("REQFLAKY", boards, "TestFlaky", 1, 0, 5, eventlog.Acquired, "böard-4")
	add("byname1", boards, "TestBusy", 1, 300000, 0, eventlog.Skipped)
	add("byname2", boards, "TestFlaky", 2, 7, 5, eventlog.Acquired, "böard-4")
	add("byname3", boards, `TestPair/quote"'<&>`, 0, 5, 6, eventlog.Acquired, "board-5")
	add("byname4", boards, "TestPair/ünïcode_板", 0, 5, 6, eventlog.Acquired, "board-5")
	add("byname5", boards, "TestPair/über", 0, 5, 6, eventlog.Acquired, "board-5")
	add("byname6", specs, "a pair of boards rates one", 0, 5, 6, eventlog.Acquired, "board-5").Test.Runner = "ginkgo"
	add("suite", boards, "TestMain", 0, 2000, 70000, eventlog.Acquired, "staging")
	add("gone", "example.com/lab/gone", "TestGone", 0, 5, 6, "", "board-5")
	return all
}

func labJUnit(j JUnit) *JUnit {
	for _, r := range labRequests() {
		j.Add(r)
	}
	return &j
}

var junitModes = map[string]JUnit{
	"default": {},
	"output":  {SystemOut: "all", NoProperties: true},
	"failed":  {SystemOut: "failed"},
	"aliases": {Aliases: []string{"datadog", "reportportal"}},
}

// TestJUnitCorpus annotates files of real producers: gotestsum 1.13,
// go-junit-report 2.1, Ginkgo 2.34, pytest 7, node 20 and junitparser's merge
// made them from real runs; surefire.xml, odd.xml and latin1.xml are hand-made.
func TestJUnitCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/junit/*.xml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		in, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for mode, j := range junitModes {
			t.Run(filepath.Base(path)+"/"+mode, func(t *testing.T) {
				out, res := labJUnit(j).Annotate(in)
				checkAnnotation(t, in, out, j)
				if res.Warning != "" || res.Testcases == 0 {
					t.Errorf("%+v", res)
				}
				if mode == "default" {
					compareGolden(t, "junit/golden/"+filepath.Base(path), out)
				}
			})
		}
	}
}

// checkAnnotation holds what is promised of every input: only insertions, once,
// and XML stays the same XML but for them.
func checkAnnotation(t *testing.T, in, out []byte, j JUnit) {
	t.Helper()
	if !isSubsequence(in, out) {
		t.Fatalf("bytes of the input are gone:\n%q\nbecame\n%q", in, out)
	}
	again, res := labJUnit(j).Annotate(out)
	if !bytes.Equal(again, out) || res.Inserted != 0 {
		t.Fatalf("annotated again:\n%q\nbecame\n%q", out, again)
	}
	before, err := xmlFacts(in)
	if err != nil {
		return // encoding/xml refuses much that is out there
	}
	after, err := xmlFacts(out)
	if err != nil {
		t.Fatalf("%v after annotating\n%q\nto\n%q", err, in, out)
	}
	if !slices.Equal(before, after) {
		for i := range before {
			if i >= len(after) || before[i] != after[i] {
				t.Fatalf("at %d: %q became %q in\n%q\nto\n%q", i, before[i:min(i+3, len(before))], after[min(i, len(after)):min(i+3, len(after))], in, out)
			}
		}
		t.Fatalf("%d facts became %d: %q", len(before), len(after), after[len(before):])
	}
}

func isSubsequence(in, out []byte) bool {
	for _, c := range out {
		if len(in) > 0 && in[0] == c {
			in = in[1:]
		}
	}
	return len(in) == 0
}

// xmlFacts is what an XML reader sees, less what annotating inserts and elements
// that are, or become by that, empty.
func xmlFacts(b []byte) ([]string, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return nil, errors.New("unknown charset") }
	d.Entity = map[string]string{"lab": "lab"}
	var facts []string
	var starts []int // of the open elements
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return facts, nil
		}
		if err != nil {
			return nil, err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			starts = append(starts, len(facts))
			s := "<" + tok.Name.Local
			for _, a := range tok.Attr {
				s += " " + a.Name.Local + "=" + a.Value
			}
			facts = append(facts, s)
		case xml.EndElement:
			start := starts[len(starts)-1]
			starts = starts[:len(starts)-1]
			if ours(tok.Name.Local, facts[start:]) {
				facts = facts[:start]
				continue
			}
			facts = append(facts, "</"+tok.Name.Local)
		case xml.CharData:
			s := strings.TrimSpace(string(tok))
			if len(facts) > 0 && strings.HasPrefix(facts[len(facts)-1], "<system-out") && strings.HasPrefix(s, linePrefix) {
				_, s, _ = strings.Cut(s, "\n")
				s = strings.TrimSpace(s)
			}
			if s != "" {
				facts = append(facts, s)
			}
		case xml.Comment:
			facts = append(facts, "<!--"+string(tok))
		}
	}
}

// ours reports whether an element, from its start tag on, is one that annotating
// inserts.
func ours(name string, facts []string) bool {
	switch name {
	case "properties", "system-out", "system-err":
		return len(facts) == 1
	case "property":
		for _, p := range []string{"name=rtest.", "name=dd_tags[rtest.", "name=attribute value=rtest."} {
			if strings.HasPrefix(facts[0], "<property "+p) && len(facts) == 1 {
				return true
			}
		}
	}
	return false
}

func TestJUnitMatches(t *testing.T) {
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
			out, res := labJUnit(JUnit{}).Annotate([]byte(c.in + `</testsuite>`))
			file, err := parseJUnit(out)
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

func TestJUnitAmbiguousPackage(t *testing.T) {
	j := &JUnit{}
	for _, pkg := range []string{"example.com/a/boards", "example.com/b/boards"} {
		j.Add(&Request{ID: pkg, Test: eventlog.TestInfo{Pkg: pkg, Name: "TestX"}})
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

func TestJUnitRunsOfLaterProcesses(t *testing.T) {
	j := &JUnit{}
	at := time.Unix(0, 0)
	for i, r := range []struct{ pid, attempt int }{{2, 3}, {1, 1}, {1, 2}} {
		// The second process starts later, though its events are handed in first.
		j.Add(&Request{ID: string(rune('a' + i)), PID: r.pid, Asked: at.Add(time.Duration(r.pid) * time.Hour), Test: eventlog.TestInfo{Pkg: "p", Name: "T", Attempt: r.attempt}})
	}
	in := []byte(`<testsuite name="p">` + strings.Repeat(`<testcase name="T"/>`, 6) + `</testsuite>`)
	out, res := j.Annotate(in)
	file, err := parseJUnit(out)
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

func TestJUnitTotals(t *testing.T) {
	in := []byte(`<testsuites><testsuite name="example.com/lab/boards"><testcase name="TestFlash"/><testcase name="TestSoak"/><testcase name="TestBusy"/></testsuite></testsuites>`)
	out, _ := labJUnit(JUnit{}).Annotate(in)
	file, err := parseJUnit(out)
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
func TestJUnitFillsTheFirstProperties(t *testing.T) {
	in := `<testsuite name="example.com/lab/boards"><testcase name="TestFlash"><skipped/><properties><property name="a" value="1"/></properties>` +
		`<properties><property name="rtest.held_s" value="9"/></properties></testcase></testsuite>`
	out, _ := labJUnit(JUnit{}).Annotate([]byte(in))
	first, second, _ := strings.Cut(string(out[bytes.Index(out, []byte("<skipped/>")):]), "</properties>")
	if !strings.Contains(first, `name="rtest.waited_s"`) || !strings.HasPrefix(second, `<properties><property name="rtest.held_s" value="9"/></properties>`) {
		t.Errorf("%s", out)
	}
	if strings.Contains(first, "rtest.held_s") {
		t.Error("a property of the second element was added to the first")
	}
}

func TestJUnitRefuses(t *testing.T) {
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
			out, res := labJUnit(JUnit{SystemOut: "all"}).Annotate([]byte(in))
			if string(out) != in {
				t.Errorf("changed to %q", out)
			}
			if !strings.HasPrefix(res.Warning, "left as it is: ") {
				t.Errorf("warning %q", res.Warning)
			}
		})
	}
}

func TestJUnitLine(t *testing.T) {
	j := JUnit{SystemOut: "failed", NoProperties: true}
	in := `<testsuite name="example.com/lab/boards"><testcase name="TestFlash"/><testcase name="TestSoak"><failure/><system-out>old</system-out></testcase>` +
		`<testcase name="TestBusy"><error/></testcase></testsuite>`
	out, _ := labJUnit(j).Annotate([]byte(in))
	want := `<testsuite name="example.com/lab/boards"><testcase name="TestFlash"/><testcase name="TestSoak"><failure/><system-out>rtest: waited 0.000 s; lost; held board-2 for 61.500 s&#xA;old</system-out></testcase>` +
		`<testcase name="TestBusy"><error/><system-out>rtest: waited 300.000 s, blocked by TestSoak (example.com/lab/boards, lab-7, https://ci.example.com/job/812?a=1&amp;b=2); skipped&#xA;</system-out></testcase></testsuite>`
	if string(out) != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}

	long := &JUnit{SystemOut: "all"}
	r := &Request{ID: "x", Test: eventlog.TestInfo{Pkg: "p", Name: "T"}, Outcome: eventlog.Acquired}
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

func FuzzJUnit(f *testing.F) {
	files, err := filepath.Glob("testdata/junit/*.xml")
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
		j := JUnit{NoProperties: mode&1 != 0, SystemOut: []string{"", "failed", "all", "all"}[mode>>1&3]}
		if mode&8 != 0 {
			j.Aliases = []string{"datadog", "reportportal"}
		}
		out, res := labJUnit(j).Annotate(in)
		if strings.HasPrefix(res.Warning, errNotAnnotated.Error()) && !bytes.Equal(in, out) {
			t.Fatalf("%s, but it was changed", res.Warning)
		}
		checkAnnotation(t, in, out, j)
	})
}
