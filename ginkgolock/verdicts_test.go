//go:build unix

package ginkgolock_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// TestVerdictsOfSpecs: the events tell how specs ended.
func TestVerdictsOfSpecs(t *testing.T) {
	l := newLab(t)
	c := l.start("verdicts", 1)
	<-c.done
	got := map[string][]string{}
	var r eventlog.Reader
	for e, err := range r.Events(l.path("events")) {
		require.NoError(t, err)
		if e.Ev == eventlog.TestEnd {
			name := e.Test.Name[strings.Index(e.Test.Name, " ")+1:]
			got[name] = append(got[name], fmt.Sprintf("%d %s", e.Test.Attempt, e.Verdict))
		}
	}
	want := map[string][]string{}
	for _, how := range []string{"needs", "acquires"} {
		want[how+" and passes"] = []string{"1 passed"}
		want[how+" and fails"] = []string{"1 failed"}
		want[how+" and panics"] = []string{"1 panicked"}
		want[how+" and skips"] = []string{"1 skipped"}
	}
	// GinkgoT does not tell a panic from a failure. A lease of Needs is held for all
	// attempts, and has one verdict; who acquires anew has one each time.
	want["acquires and panics"] = []string{"1 failed"}
	want["needs and is flaky"] = []string{"1 passed"}
	want["acquires and is flaky"] = []string{"1 failed", "2 passed"}
	assert.Equal(t, want, got, c.out.String())
}
