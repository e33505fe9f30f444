package junit

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

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// labRequests are what the tests of the JUnit files under testdata did. The
// first five are found by rtest.req, the others by name.
func labRequests() []*report.Request {
	const boards, specs = "example.com/lab/boards", "example.com/lab/specs"
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	soak := report.Holder{Pkg: boards, Test: "TestSoak", Run: "812", URL: "https://ci.example.com/job/812?a=1&b=2", Host: "lab-7"}
	var all []*report.Request
	add := func(id, pkg, test string, attempt, waited, held int, outcome eventlog.Outcome, keys ...string) *report.Request {
		r := &report.Request{
			ID: id, Run: eventlog.RunInfo{ID: "812"}, Host: "lab-7", PID: 4711,
			Test:  eventlog.TestInfo{Pkg: pkg, Name: test, Attempt: attempt},
			Asked: start.Add(time.Duration(len(all)) * time.Second), Waited: time.Duration(waited) * time.Millisecond,
			Held: time.Duration(held) * time.Millisecond, Outcome: outcome, End: eventlog.Release,
		}
		for _, k := range keys {
			r.Chosen = append(r.Chosen, eventlog.Chosen{Key: k})
		}
		if waited > 0 && test != "TestSoak" {
			r.Blame = []report.Share{{Cause: report.PoolFull, Holder: soak, Time: eventlog.MS(r.Waited)}}
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

// flaky is a run of TestFlaky.
func flaky(attempt int, v eventlog.Verdict) *report.TestRun {
	return &report.TestRun{Process: eventlog.Process{Host: "lab-7", Run: "812", PID: 4711}, Verdict: v,
		Test: eventlog.TestInfo{Pkg: "example.com/lab/boards", Name: "TestFlaky", Attempt: attempt}}
}

func labAnnotator(j Annotator) *Annotator {
	for _, r := range labRequests() {
		j.Add(r)
	}
	for i, v := range []eventlog.Verdict{eventlog.VerdictFailed, eventlog.VerdictPassed} {
		j.AddTest(flaky(i+1, v))
	}
	return &j
}

var modes = map[string]Annotator{
	"default": {},
	"output":  {SystemOut: "all", NoProperties: true},
	"failed":  {SystemOut: "failed"},
	"aliases": {Aliases: []string{"datadog", "reportportal"}},
}

// TestCorpus annotates files of real producers: gotestsum 1.13,
// go-junit-report 2.1, Ginkgo 2.34, pytest 7, node 20 and junitparser's merge
// made them from real runs; surefire.xml, odd.xml and latin1.xml are hand-made.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		in, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for mode, j := range modes {
			t.Run(filepath.Base(path)+"/"+mode, func(t *testing.T) {
				out, res := labAnnotator(j).Annotate(in)
				checkAnnotation(t, in, out, j)
				if res.Warning != "" || res.Testcases == 0 {
					t.Errorf("%+v", res)
				}
				if mode == "default" {
					reporttest.Golden(t, "golden/"+filepath.Base(path), out)
				}
			})
		}
	}
}

// checkAnnotation holds what is promised of every input: only insertions, once,
// and XML stays the same XML but for them.
func checkAnnotation(t *testing.T, in, out []byte, j Annotator) {
	t.Helper()
	if !isSubsequence(in, out) {
		t.Fatalf("bytes of the input are gone:\n%q\nbecame\n%q", in, out)
	}
	again, res := labAnnotator(j).Annotate(out)
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
