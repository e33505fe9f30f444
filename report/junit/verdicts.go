package junit

import (
	"regexp"
	"strings"

	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
)

// Verdicts reads from a JUnit file how tests ended. It sets the verdict of runs that
// were given to AddTest and have none, since their producer does not tell: a lock
// around a test of another language, an older version. It finds them as Annotate
// does. And it returns the runs of which only the file tells: testcases with the
// property rtest.resources, as rtest and Annotate write it, whose events are not there.
//
// The error is why the file is not understood.
func (j *Annotator) Verdicts(in []byte) ([]*report.TestRun, error) {
	if j.index == nil {
		j.index = newIndex(j.added, j.verdicts)
	}
	file, err := parse(in)
	if err != nil {
		return nil, err
	}
	j.index.plan(file.cases)
	var only []*report.TestRun
	for _, c := range file.cases {
		uses, _ := j.index.match(c)
		for _, u := range uses {
			for _, q := range u.requests {
				if t := j.open[testRun{q.process, q.pkg, q.test, q.attempt}]; t != nil {
					t.Verdict = c.verdict()
				}
			}
		}
		if t := c.run(); len(uses) == 0 && t != nil {
			only = append(only, t)
		}
	}
	return only, nil
}

func (e *elem) verdict() eventlog.Verdict {
	switch e.state {
	case failed:
		return eventlog.VerdictFailed
	case skipped:
		return eventlog.VerdictSkipped
	}
	return eventlog.VerdictPassed
}

// more is the end of a list of resources that was cut.
var more = regexp.MustCompile(` and \d+ more$`)

// run is what a testcase tells of its resources by itself; nil if nothing.
func (e *elem) run() *report.TestRun {
	list := more.ReplaceAllString(e.values["rtest.resources"], "")
	if list == "" {
		return nil
	}
	t := &report.TestRun{Verdict: e.verdict(), Test: eventlog.TestInfo{Pkg: e.class, Name: plainName(e.name), Attempt: 1}}
	if t.Test.Pkg == "" && e.suite != nil {
		t.Test.Pkg = e.suite.name
	}
	switch outcome := e.values["rtest.outcome"]; outcome {
	case "", string(eventlog.Acquired), "lost", "expired":
	default:
		t.GaveUp = true
	}
	for _, key := range strings.Split(list, ", ") {
		t.Held = append(t.Held, eventlog.Chosen{Key: key})
	}
	return t
}
