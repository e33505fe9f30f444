package junit

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// TestVerdictsOfTestsWithoutEvents has locks around tests of another language: the
// events tell which board, the file how it ended.
func TestVerdictsOfTestsWithoutEvents(t *testing.T) {
	var j Annotator
	var runs []*report.TestRun
	events := reporttest.Schedule(t, `
0s  test_flash@p1 asks b1 b2
0s  test_flash@p1 gets b1
1s  test_flash@p1 releases
2s  test_flash@p2 asks b1 b2
2s  test_flash@p2 gets b2
3s  test_flash@p2 releases
4s  test_soak@p3 asks b1
4s  test_soak@p3 gets b1
5s  test_soak@p3 releases
`)
	for i := range events {
		events[i].Test.Runner = "lock"
	}
	_, err := report.Fold(reporttest.Sequence(events), report.Options{OnRequest: j.Add, OnTest: func(t *report.TestRun) {
		runs = append(runs, t)
		j.AddTest(t)
	}})
	require.NoError(t, err)
	require.Len(t, runs, 3)
	only, err := j.Verdicts([]byte(`<testsuite name="pytest">
<testcase classname="tests.test_lab" name="test_flash"><failure message="no carrier"/></testcase>
<testcase classname="tests.test_lab" name="test_flash"/>
<testcase classname="tests.test_lab" name="test_soak"><skipped/></testcase>
<testcase classname="tests.test_lab" name="test_other"/>
<testcase classname="tests.test_lab" name="test_old"><properties><property name="rtest.req" value="gone"/><property name="rtest.resources" value="b1, b7 and 3 more"/></properties><error/></testcase>
<testcase classname="tests.test_lab" name="test_late"><properties><property name="rtest.resources" value="b1"/><property name="rtest.outcome" value="timeout"/></properties><failure/></testcase>
</testsuite>`))
	require.NoError(t, err)
	how := map[string]eventlog.Verdict{}
	for _, r := range runs {
		how[r.Test.Name+" on "+r.Held[0].Key] = r.Verdict
	}
	assert.Equal(t, map[string]eventlog.Verdict{"test_flash on b1": "failed", "test_flash on b2": "passed", "test_soak on b1": "skipped"}, how)
	require.Len(t, only, 2)
	assert.Equal(t, report.TestRun{Test: eventlog.TestInfo{Pkg: "tests.test_lab", Name: "test_old", Attempt: 1}, Verdict: "failed", Held: []eventlog.Chosen{{Key: "b1"}, {Key: "b7"}}}, *only[0])
	assert.True(t, only[1].GaveUp)

	_, err = j.Verdicts([]byte("<testsuite"))
	assert.Error(t, err)
}

// TestVerdictsLeaveWhatEventsTell has a test whose events say that it passed.
func TestVerdictsLeaveWhatEventsTell(t *testing.T) {
	var j Annotator
	run := &report.TestRun{Test: eventlog.TestInfo{Pkg: "lab", Name: "TestA"}, Verdict: eventlog.VerdictPassed}
	j.AddTest(run)
	j.Add(&report.Request{ID: "r1", Test: run.Test, Outcome: eventlog.Acquired})
	only, err := j.Verdicts([]byte(`<testsuite><testcase classname="lab" name="TestA"><properties><property name="rtest.req" value="r1"/><property name="rtest.resources" value="b1"/></properties><failure/></testcase></testsuite>`))
	require.NoError(t, err)
	assert.Empty(t, only, "it is no second run")
	assert.Equal(t, eventlog.VerdictPassed, run.Verdict)
}
