package rtest

import (
	"strings"
	"sync"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/rtest/internal/outside"
)

// testState is one run of one test that acquires something.
type testState struct {
	key    any
	name   string
	driven bool // by package testing, so that a slash in the name means a subtest
	suite  bool
	// Everything that the process acquires while this test has a lease is nested
	// in it.
	encloses bool
	attempt  int
	count    int // calls of Acquire so far

	totals totals
}

// tests are those of this process that have acquired something and have not ended.
var tests = struct {
	sync.Mutex
	running map[any]*testState
	runs    map[string]int // how often a test of that name came here
}{running: map[any]*testState{}, runs: map[string]int{}}

// keyOfTest tells tests apart. Other frameworks hand out a new value at each
// call of their GinkgoT or its like, so there it is the name.
func keyOfTest(t TB) any {
	if driven(t) {
		return t
	}
	return "name:" + t.Name()
}

// testOf notes one more Acquire of the test, the n-th of it. The first one must
// see to it that end is called.
func testOf(t TB) (ts *testState, n int) {
	key := keyOfTest(t)
	tests.Lock()
	defer tests.Unlock()
	ts = tests.running[key]
	if ts == nil {
		tests.runs[t.Name()]++
		suite, encloses := suiteOf(t)
		ts = &testState{key: key, name: t.Name(), driven: driven(t), suite: suite, encloses: encloses, attempt: tests.runs[t.Name()]}
		tests.running[key] = ts
	}
	ts.count++
	return ts, ts.count
}

// end puts the end of the test on record: it is the first Cleanup function that was
// registered, so it runs after all leases are given back.
func (ts *testState) end(t TB, env settings, at site) {
	ts.totals.show(t, env.attrs)
	tests.Lock()
	delete(tests.running, ts.key)
	tests.Unlock()
	if env.events == "" {
		return
	}
	verdict := verdictOf(t)
	runner := outside.Start()
	defer runner.Close()
	runner.Do(func() {
		r := record{log: eventLog(env.events)}
		if r.log != nil {
			r.log.Write(eventlog.Event{Ev: eventlog.TestEnd, Verdict: verdict, Test: testInfo(t, ts.attempt, at)})
			r.flush()
		}
	})
}

// within reports whether ts is the other test, or a subtest of it at any depth:
// what the other holds, it will not release before ts is done.
func (ts *testState) within(other *testState) bool {
	switch {
	case other.suite || other.encloses || ts.key == other.key:
		return true
	case !ts.driven || !other.driven:
		return false
	}
	return ts.name == other.name || strings.HasPrefix(ts.name, other.name+"/")
}
