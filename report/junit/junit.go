// Package junit adds to JUnit files what their tests waited for and held. It inserts
// bytes and changes none, see [Annotator].
package junit

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
)

// An Annotator annotates JUnit files: every testcase whose test used locks gets
// properties that say what it waited for and how long, and its suite gets totals. The
// zero value is ready to use: give it the requests with Add, then the files to Annotate.
// It is not safe for concurrent use.
//
// It inserts bytes and changes none: names, times, counters, the order of testcases,
// CDATA, line ends and whatever else a producer wrote stay as they are. It adds nothing
// that the file has already. So a second run changes nothing, and values that the tests
// reported themselves stay.
type Annotator struct {
	// NoProperties leaves properties out, for a consumer that fails on them.
	NoProperties bool
	// SystemOut says which testcases get a line before their output, for consumers that
	// ignore properties: "failed", "all", or none if it is empty.
	SystemOut string
	// Aliases adds properties in the words of products that read no others:
	// "datadog" (dd_tags[rtest.waited_s]), "reportportal" (attribute).
	Aliases []string

	added    []*request
	verdicts map[testRun]eventlog.Verdict
	open     map[testRun]*report.TestRun // whose verdict is not known
	index    *index
}

// A Result says what Annotate found.
type Result struct {
	Testcases int
	Matched   int // testcases that got the requests of their test
	Inserted  int // places where something was inserted; 0: the file was complete
	// Unmatched names testcases that used locks according to the file, but whose
	// events are not there, or that could be one of several tests.
	Unmatched []string
	// Warning is why the file was handed back as it came, or what is doubtful.
	Warning string
	// NotUnderstood is why the file was handed back as it came, or nil. Nothing is
	// known about the tests in it then: neither what is missing nor that nothing is.
	NotUnderstood error
}

// Annotate returns the file with what is missing. A file that is not understood
// (empty, compressed, UTF-16, cut off, tags that do not match, another kind of
// XML) is returned as it is, with the reason.
//
// A testcase belongs to a test when it has a property rtest.req with one of its
// requests, as rtest writes it through t.Attr. Else its name and package decide,
// and the n-th testcase of a name, over all files in the order in which they are
// given, is the n-th run of it; unless the file may be sorted by how tests ended,
// as gotestsum's are: then it is a run that ended like it.
func (j *Annotator) Annotate(in []byte) ([]byte, Result) {
	if j.index == nil {
		j.index = newIndex(j.added, j.verdicts)
	}
	file, err := parse(in)
	if err != nil {
		return in, Result{Warning: fmt.Sprintf("%v: %v", errNotAnnotated, err), NotUnderstood: err}
	}
	var ins []insertion
	res := Result{Testcases: len(file.cases)}
	suites := map[*elem]*totals{}
	j.index.plan(file.cases)
	for _, c := range file.cases {
		uses, problem := j.index.match(c)
		if problem != "" {
			res.Unmatched = append(res.Unmatched, c.where()+": "+problem)
		}
		if len(uses) == 0 {
			continue
		}
		res.Matched++
		var t totals
		for _, u := range uses {
			u.matched = true
			t.add(u)
			if c.suite != nil {
				totalsOf(suites, c.suite).add(u)
			}
		}
		ins = append(ins, j.caseInsertions(in, c, &t)...)
	}
	for _, s := range file.suites {
		for _, u := range j.index.suiteUses(s) {
			u.matched = true
			totalsOf(suites, s).add(u)
		}
		if t := suites[s]; t != nil && !j.NoProperties {
			ins = append(ins, insertProperties(in, s, s.missing(t.suiteProperties(), nil), "")...)
		}
	}
	res.Inserted = len(ins)
	if res.Testcases == 0 {
		res.Warning = "it has no testcase"
	}
	return splice(in, ins), res
}

func totalsOf(m map[*elem]*totals, s *elem) *totals {
	if m[s] == nil {
		m[s] = &totals{}
	}
	return m[s]
}

// where names a testcase for a message.
func (e *elem) where() string {
	if e.class == "" {
		return e.name
	}
	return e.class + " " + e.name
}

// Unmatched names the runs of tests that used locks and that no testcase of any
// annotated file belongs to, sorted.
func (j *Annotator) Unmatched() []string {
	if j.index == nil {
		j.index = newIndex(j.added, j.verdicts)
	}
	var names []string
	for _, u := range j.index.all {
		if u.matched {
			continue
		}
		name := strings.TrimSpace(u.pkg + " " + u.test)
		if name == "" {
			name = "a process that is no test"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// caseInsertions are those of one testcase.
func (j *Annotator) caseInsertions(in []byte, c *elem, t *totals) []insertion {
	var props []property
	if !j.NoProperties {
		props = c.missing(t.properties(), j.Aliases)
	}
	line := ""
	if j.SystemOut == "all" || j.SystemOut == "failed" && c.state == failed {
		line = t.line()
	}
	var ins []insertion
	switch {
	case line == "":
	case c.out == nil:
		ins, line = insertProperties(in, c, props, line), ""
		return ins
	case c.out.kind == xmlStart && !bytes.HasPrefix(in[c.out.end:], []byte(linePrefix)):
		// At the front, as Jenkins cuts the middle out of long output. An empty
		// element cannot take text by insertion, and a second one is not read.
		ins = append(ins, insertion{c.out.end, encodeXML(line)})
	}
	return append(ins, insertProperties(in, c, props, "")...)
}

// A property is one to be added.
type property struct{ name, value string }

// Lists are cut, as a viewer shows a property in one line. One identity is enough
// to find a test again.
const (
	idsMax  = 20
	keysMax = 50
)

func (t *totals) resources() string {
	if more := len(t.keys) - keysMax; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(t.keys[:keysMax], ", "), more)
	}
	return strings.Join(t.keys, ", ")
}

// properties are the totals of a testcase.
func (t *totals) properties() []property {
	ps := []property{
		{"rtest.req", strings.Join(t.ids[:min(len(t.ids), idsMax)], " ")},
		{"rtest.waited_s", seconds(t.waited)},
		{"rtest.held_s", seconds(t.held)},
		{"rtest.outcome", t.outcome},
	}
	for i, name := range []string{"rtest.prepare_s", "rtest.restore_s"} {
		if s := seconds(t.care[i]); s != seconds(0) {
			ps = append(ps, property{name, s})
		}
	}
	if len(t.keys) > 0 {
		ps = append(ps, property{"rtest.resources", t.resources()})
	}
	if by := t.blockedBy(); by != "" {
		ps = append(ps, property{"rtest.blocked_by", by})
	}
	return ps
}

// suiteProperties are the totals of a suite. They are sums over its testcases
// and its suite-wide leases.
func (t *totals) suiteProperties() []property {
	ps := []property{
		{"rtest.requests", strconv.Itoa(t.requests)},
		{"rtest.waited_s", seconds(t.waited)},
		{"rtest.held_s", seconds(t.held)},
	}
	if t.gaveUp > 0 {
		ps = append(ps, property{"rtest.gave_up", strconv.Itoa(t.gaveUp)})
	}
	if t.gone > 0 {
		ps = append(ps, property{"rtest.lost", strconv.Itoa(t.gone)})
	}
	return ps
}

// seconds is a duration as the numbers in JUnit files are.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }

// missing are the properties that the element does not have, in the words of the
// aliases too.
func (e *elem) missing(ps []property, aliases []string) []property {
	var out []property
	add := func(p property) {
		if _, has := e.values[p.name]; !has {
			out = append(out, p)
		}
	}
	for _, p := range ps {
		add(p)
	}
	for _, a := range aliases {
		for _, p := range ps {
			switch a {
			case "datadog":
				add(property{"dd_tags[" + p.name + "]", p.value})
			case "reportportal":
				// A list of attributes, all of one name; its values are key:value.
				if v := p.name + ":" + strings.ReplaceAll(p.value, ":", "-"); !e.hasPair(p.name + ":") {
					out = append(out, property{"attribute", v})
				}
			}
		}
	}
	return out
}

func (e *elem) hasPair(prefix string) bool {
	for v := range e.pairs {
		if strings.HasPrefix(v, prefix) {
			return true
		}
	}
	return false
}

const (
	linePrefix = "rtest: "
	lineMax    = 400 // of the 500 characters that Jenkins keeps
)

// line is what a person wants to know, for the front of the output.
func (t *totals) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%swaited %s s", linePrefix, seconds(t.waited))
	if by := t.blockedBy(); by != "" {
		fmt.Fprintf(&b, ", blocked by %s", by)
	}
	fmt.Fprintf(&b, "; %s", t.outcome)
	if len(t.keys) > 0 {
		fmt.Fprintf(&b, "; held %s for %s s", t.resources(), seconds(t.held))
	}
	s := strings.Join(strings.Fields(b.String()), " ")
	if r := []rune(s); len(r) > lineMax-2 {
		s = string(r[:lineMax-2]) + "…"
	}
	return s + "\n"
}
