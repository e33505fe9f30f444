package junit

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// TestRunsOfOneTest gives testcases of one test the runs that ended like them,
// wherever a producer put them.
func TestRunsOfOneTest(t *testing.T) {
	const head = `<testsuite name="example.com/lab/boards">`
	bad, good := `<testcase name="TestFlaky"><failure/></testcase>`, `<testcase name="TestFlaky"/>`
	other, skip := `<testcase name="TestOther"/>`, `<testcase name="TestFlaky"><skipped/></testcase>`
	const pass, fail, skipped = eventlog.VerdictPassed, eventlog.VerdictFailed, eventlog.VerdictSkipped
	for _, c := range []struct {
		name, cases string
		verdicts    []eventlog.Verdict
		want        string // the run of each testcase of TestFlaky
	}{
		{"the failed one is first in the file", bad + good, []eventlog.Verdict{pass, fail}, "byname2 REQFLAKY"},
		{"and was first", bad + good, []eventlog.Verdict{fail, pass}, "REQFLAKY byname2"},
		{"one verdict is enough", bad + good, []eventlog.Verdict{"", fail}, "byname2 REQFLAKY"},
		{"the other one, too", bad + good, []eventlog.Verdict{pass, ""}, "byname2 REQFLAKY"},
		{"panicked is failed", bad + good, []eventlog.Verdict{pass, eventlog.VerdictPanicked}, "byname2 REQFLAKY"},
		{"skipped", skip + good, []eventlog.Verdict{pass, skipped}, "byname2 REQFLAKY"},
		{"a third run used no locks", bad + good + good, []eventlog.Verdict{pass, fail}, "byname2 REQFLAKY -"},
		{"no verdict: rather none", bad + good, nil, "- -"},
		{"a verdict that does not fit: rather none", bad + good, []eventlog.Verdict{pass, pass}, "- -"},
		{"both ended alike", good + good, nil, "REQFLAKY byname2"},
		{"not sorted, so in the order of the runs", other + bad + good + bad, nil, "REQFLAKY byname2 -"},
		{"not sorted", good + bad, nil, "REQFLAKY byname2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var j Annotator
			for _, r := range labRequests() {
				j.Add(r)
			}
			for i, v := range c.verdicts {
				j.AddTest(flaky(i+1, v))
			}
			out, res := j.Annotate([]byte(head + c.cases + "</testsuite>"))
			var got []string
			for _, part := range strings.Split(string(out), `<testcase name="TestFlaky"`)[1:] {
				id := "-"
				if _, rest, ok := strings.Cut(part, `"rtest.req" value="`); ok {
					id, _, _ = strings.Cut(rest, `"`)
				}
				got = append(got, id)
			}
			assert.Equal(t, c.want, strings.Join(got, " "))
			if strings.HasPrefix(c.want, "- ") {
				assert.Contains(t, strings.Join(res.Unmatched, "\n"), "any of 2 runs of its test, of which the events do not say how they ended")
			}
		})
	}
}
