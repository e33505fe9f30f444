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

// testRunKey tells runs of tests apart. Line and file are those of the call that
// asked, and differ within a run.
type testRunKey struct {
	process eventlog.Process
	pkg     string
	name    string
	attempt int
}

// testRun is the run of the test that an event is about; nil if nobody wants to know.
func (f *fold) testRun(e *eventlog.Event) *TestRun {
	if f.opts.OnTest == nil || e.Test.Name == "" {
		return nil
	}
	k := testRunKey{e.Process(), e.Test.Pkg, e.Test.Name, e.Test.Attempt}
	t := f.testRuns[k]
	if t == nil {
		t = &TestRun{Process: k.process, Test: e.Test}
		f.testRuns[k] = t
	}
	return t
}

// testEnd hands on a run of a test.
func (f *fold) testEnd(e *eventlog.Event) {
	t := f.testRun(e)
	if t == nil {
		return
	}
	delete(f.testRuns, testRunKey{t.Process, e.Test.Pkg, e.Test.Name, e.Test.Attempt})
	t.Verdict = e.Verdict
	f.opts.OnTest(t)
}

// endTests hands on the runs whose end is not in the events.
func (f *fold) endTests() {
	for _, k := range slices.SortedFunc(maps.Keys(f.testRuns), testRunKey.compare) {
		f.opts.OnTest(f.testRuns[k])
	}
}

func (a testRunKey) compare(b testRunKey) int {
	return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.name, b.name), cmp.Compare(a.process.Host, b.process.Host),
		cmp.Compare(a.process.Run, b.process.Run), cmp.Compare(a.process.PID, b.process.PID), cmp.Compare(a.attempt, b.attempt))
}
