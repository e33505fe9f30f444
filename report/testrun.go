package report

import (
	"cmp"
	"maps"
	"slices"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A TestRun is one run of a test that asked for resources, as [Options.OnTest] gets
// it.
type TestRun struct {
	Process eventlog.Process
	Test    eventlog.TestInfo
	// Verdict is how the test ended; empty if that is not in the events: the process
	// was killed, or its producer does not say.
	Verdict eventlog.Verdict
	// Held is what it was given, in the order of the grants, of all its requests: also
	// what it gave back early. A resource stands there once for each time.
	Held []eventlog.Chosen
	// GaveUp says that a request was not served, so that the test may have ended
	// because of that.
	GaveUp bool
}

// testRunKey tells runs of tests of a process apart. Line and file are those of the
// call that asked, and differ within a run.
type testRunKey struct {
	pkg     string
	name    string
	attempt int
}

func keyOfTest(e *eventlog.Event) testRunKey {
	return testRunKey{e.Test.Pkg, e.Test.Name, e.Test.Attempt}
}

// testRun is the run of the test that an event of a process is about; nil if nobody
// wants to know.
func (f *fold) testRun(e *eventlog.Event, p *proc) *TestRun {
	if f.opts.OnTest == nil || e.Test.Name == "" {
		return nil
	}
	k := keyOfTest(e)
	t := p.tests[k]
	if t == nil {
		if p.tests == nil {
			p.tests = map[testRunKey]*TestRun{}
		}
		t = &TestRun{Process: e.Process(), Test: e.Test}
		p.tests[k] = t
	}
	return t
}

// got notes what a test was given.
func (t *TestRun) got(chosen []eventlog.Chosen) {
	if t.Held == nil {
		t.Held = slices.Clip(chosen) // as most tests ask once
		return
	}
	t.Held = append(t.Held, chosen...)
}

// forgo takes out what a test did not run on, as it could not be prepared.
func (t *TestRun) forgo(chosen []eventlog.Chosen) {
	t.Held = slices.Clone(t.Held)
	for _, c := range chosen {
		for i := len(t.Held) - 1; i >= 0; i-- {
			if t.Held[i].Key == c.Key {
				t.Held = slices.Delete(t.Held, i, i+1)
				break
			}
		}
	}
}

// testEnd hands on a run of a test.
func (f *fold) testEnd(e *eventlog.Event, p *proc) {
	t := f.testRun(e, p)
	if t == nil {
		return
	}
	delete(p.tests, keyOfTest(e))
	t.Verdict = e.Verdict
	f.opts.OnTest(t)
}

// endTests hands on the runs whose end is not in the events.
func (f *fold) endTests() {
	var open []*TestRun
	for _, p := range f.procs {
		open = slices.AppendSeq(open, maps.Values(p.tests))
	}
	slices.SortFunc(open, compareRuns)
	for _, t := range open {
		f.opts.OnTest(t)
	}
}

func compareRuns(a, b *TestRun) int {
	return cmp.Or(cmp.Compare(a.Test.Pkg, b.Test.Pkg), cmp.Compare(a.Test.Name, b.Test.Name), cmp.Compare(a.Process.Host, b.Process.Host),
		cmp.Compare(a.Process.Run, b.Process.Run), cmp.Compare(a.Process.PID, b.Process.PID), cmp.Compare(a.Test.Attempt, b.Test.Attempt))
}
