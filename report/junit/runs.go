package junit

import (
	"fmt"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A test that ran several times, as with -count=2, has as many testcases, and not
// always in the order of its runs:
//
//	go test       run 1 passed, run 2 failed
//	gotestsum     writes the failed ones first: run 2, run 1
//
// So a testcase goes to a run that ended like it, as test.end tells. Where that is
// not known, and the file may be sorted by how tests ended, none is better than the
// other run's board.

// A state is how a test ended, in what JUnit tells apart.
type state uint8

const (
	unknownState state = iota
	failed
	skipped
	passed
)

// AddTest takes a run of a test, in any order; it fits [report.Options.OnTest].
// Without it, testcases of a test that ran several times with different ends may get
// nothing.
func (j *Annotator) AddTest(t *report.TestRun) {
	if j.verdicts == nil {
		j.verdicts = map[testRun]eventlog.Verdict{}
	}
	k := testRun{t.Process, t.Test.Pkg, t.Test.Name, max(1, t.Test.Attempt)}
	j.verdicts[k] = t.Verdict
	if t.Verdict == "" {
		if j.open == nil {
			j.open = map[testRun]*report.TestRun{}
		}
		j.open[k] = t
	}
	j.index = nil
}

// A testRun is one run of a test.
type testRun struct {
	process   eventlog.Process
	pkg, name string
	attempt   int
}

// stateOf is how a run ended, by the verdict, or by what a policy made of a request
// that was not served.
func stateOf(v eventlog.Verdict, outcome string) state {
	switch {
	case v.Bad():
		return failed
	case v == eventlog.VerdictSkipped:
		return skipped
	case v == eventlog.VerdictPassed:
		return passed
	case outcome == string(eventlog.Failed):
		return failed
	case outcome == string(eventlog.Skipped):
		return skipped
	}
	return unknownState
}

// plan finds the run of each testcase that does not tell it itself: by name and
// package, then by how it ended, then by the order.
func (x *index) plan(cases []*elem) {
	byTest := map[*test][]*elem{}
	var order []*test
	for _, c := range cases {
		t, several := x.testOf(c)
		x.several[c] = several
		if t == nil {
			continue
		}
		if byTest[t] == nil {
			order = append(order, t)
		}
		byTest[t] = append(byTest[t], c)
	}
	sorted := sortedSuites(cases)
	for _, t := range order {
		x.assign(t, byTest[t], sorted)
	}
}

// assign gives runs of a test to its testcases in one file.
func (x *index) assign(t *test, cases []*elem, sorted map[*elem]bool) {
	runs := make([]*use, len(cases)) // nil: a run that used no locks
	for i := range runs {
		if n := t.met + i; n < len(t.runs) {
			runs[i] = t.runs[n]
		}
	}
	t.met += len(cases)
	inOrder := true
	for _, c := range cases {
		inOrder = inOrder && (c.state == cases[0].state || !sorted[c.suite])
	}
	if inOrder {
		for i, c := range cases {
			x.runs[c] = runs[i]
		}
		return
	}
	// By how they ended. Runs of which that is not known can only be those of the one
	// state that lacks some.
	byState := map[state][]*use{}
	for _, u := range runs {
		s := unknownState
		if u != nil {
			s = u.state
		}
		byState[s] = append(byState[s], u)
	}
	want := map[state]int{}
	for _, c := range cases {
		want[c.state]++
	}
	lacking := unknownState
	for _, s := range []state{failed, skipped, passed} {
		switch {
		case len(byState[s]) == want[s]:
		case len(byState[s])+len(byState[unknownState]) == want[s] && lacking == unknownState:
			lacking = s
		default:
			x.refuse(cases)
			return
		}
	}
	given := map[state]int{}
	for _, c := range cases {
		l := byState[c.state]
		if c.state == lacking {
			l = nil
			for _, u := range runs { // in their order
				if u == nil || u.state == lacking || u.state == unknownState {
					l = append(l, u)
				}
			}
		}
		x.runs[c] = l[given[c.state]]
		given[c.state]++
	}
}

func (x *index) refuse(cases []*elem) {
	for _, c := range cases {
		x.several[c] = fmt.Sprintf("it could be any of %d runs of its test, of which the events do not say how they ended", len(cases))
	}
}

// sortedSuites tells of which suites the testcases may have been sorted by how they
// ended: failed, skipped, passed.
func sortedSuites(cases []*elem) map[*elem]bool {
	sorted := map[*elem]bool{}
	last := map[*elem]state{}
	for _, c := range cases {
		if _, known := last[c.suite]; !known {
			sorted[c.suite] = true
		}
		if c.state < last[c.suite] {
			sorted[c.suite] = false
		}
		last[c.suite] = c.state
	}
	return sorted
}
