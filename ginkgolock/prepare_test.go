//go:build unix

package ginkgolock_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A wedged board costs forty specs one failed Prepare, and none of them fails.
func TestAWedgedBoardCostsOnePrepare(t *testing.T) {
	for name, procs := range map[string]int{"one process": 1, "two processes": 2} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.run("wedged", procs).ok()
			said := l.said()
			assert.Equal(t, 1, strings.Count(said, "prepare w1 "))
			assert.Equal(t, 40, strings.Count(said, "prepare w2 ")+strings.Count(said, "prepare w3 "))
			assert.Equal(t, 40, strings.Count(said, "ran spec "))
			assert.NotContains(t, said, "overlap")
			assert.Equal(t, 1, l.events("unfit"))
			s := l.snapshot()
			require.Len(t, s.Holders, 1)
			assert.Equal(t, "disabled", s.Holders[0].State)
			assert.Equal(t, []string{"w1"}, s.Holders[0].Keys())
			assert.Contains(t, s.Holders[0].Reason, "Prepare failed: wedged")
		})
	}
}

// Neither the spec's timeout nor its time in the JUnit file has Prepare and Restore.
// That the rest is over in 200 ms depends on the machine; were they charged, no number
// of runs would help.
func TestPrepareIsNotChargedToTheSpec(t *testing.T) {
	l := newLab(t)
	for range 20 {
		c := l.run("slow care", 1)
		tc := l.cases(c)["[It] slow care"]
		require.True(t, l.says("restored"), "%s", c.out)
		assert.Contains(t, tc.property("rtest.resources"), "s1")
		if c.code == 0 && tc.Status == "passed" && tc.Time < 0.3 {
			l.empty()
			return
		}
		t.Logf("exit code %d, %s after %g s", c.code, tc.Status, tc.Time)
	}
	t.Error("in no run was the spec over in its 200 ms, and in less than Prepare takes")
}

func TestPrepareIsToldTheLastEnding(t *testing.T) {
	l := newLab(t)
	assert.NotZero(t, l.run("last endings", 1).code)
	assert.Equal(t, []string{"released", "released", "test failed"}, after(l.said()))
}

// after lists what Prepare was told.
func after(said string) (endings []string) {
	for _, m := range regexp.MustCompile(`prepare after (.*)`).FindAllStringSubmatch(said, -1) {
		endings = append(endings, m[1])
	}
	return endings
}

// When no board can be prepared, the first spec fails with the error of each, before its
// BeforeEach; who asks next calls no Prepare any more, and is skipped if it says so.
func TestPrepareFailsOnEveryBoard(t *testing.T) {
	l := newLab(t)
	c := l.run("all wedged", 1)
	assert.NotZero(t, c.code)
	cases := l.cases(c)
	assert.Equal(t, "failed", cases["[It] all wedged fails"].Status, "%s", c.out)
	assert.Equal(t, "skipped", cases["[It] all wedged is skipped"].Status, "%s", c.out)
	assert.Contains(t, c.out.String(), "a1 is dead")
	assert.Contains(t, c.out.String(), "a2 is dead")
	assert.Equal(t, 1, strings.Count(l.said(), "prepare a1"))
	assert.Equal(t, 1, strings.Count(l.said(), "prepare a2"))
	assert.False(t, l.says("BeforeEach ran"))
}
