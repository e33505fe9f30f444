//go:build unix

package ginkgolock_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMistakesEndTheConstruction(t *testing.T) {
	source, err := os.ReadFile("testdata/suite/suites_test.go")
	require.NoError(t, err)
	lines := strings.Split(string(source), "\n")
	for name, words := range map[string]string{
		"unknown pool":      `no pool named "k65f"; ginkgolock.Pool was called for k64f, staging`,
		"unknown lock":      `no pool named "k65f"`,
		"zero":              `count "0" is no number above 0`,
		"no number":         `count "two" is no number above 0`,
		"bad mode":          `after the colon comes "exclusive"`,
		"empty":             `name of the pool is empty`,
		"too many":          `need is 4, but there are only 3 items`,
		"too many in all":   `need is 4, but there are only 3 items.*adds up`,
		"need zero":         `need is 0; it must be at least 1`,
		"bad option":        `a wait cannot be negative`,
		"nil":               `argument 1 is nil`,
		"nothing":           `Needs or Lock was given no requirement, so there is nothing to hold: say what is needed, as in ginkgolock.Needs\(rtest.R\("board-1"\)\)`,
		"no locks":          `Needs or Lock was given no requirement`,
		"only options":      `Needs or Lock was given no requirement`,
		"around nothing":    `Needs or Lock was given no requirement`,
		"nothing outside":   `Needs or Lock was given no requirement`,
		"container":         `no pool named "k65f"`,
		"entry":             `no pool named "k65f"`,
		"on a setup node":   `on BeforeEach they mean nothing`,
		"in an ordered one": `left .* and 3 of right .* cannot be had together`,
		"outermost":         `no pool named "k65f"`,
		"several":           `count "0" is no number above 0 AND no pool named "k65f" AND need is 0 AND no pool named "k66f"`,
		"outside":           `no pool named "k65f"`,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			c := l.run("mistake "+name, 1)
			assert.NotZero(t, c.code)
			out := regexp.MustCompile(`\s+`).ReplaceAllString(c.out.String(), " ")
			for each := range strings.SplitSeq(words, " AND ") {
				assert.Regexp(t, each, out)
			}
			marked := 0
			for i, line := range lines {
				if strings.HasSuffix(line, "// MARK "+name) {
					marked++
					assert.Contains(t, out, fmt.Sprintf("/suites_test.go:%d ", i+1))
				}
			}
			assert.Equal(t, map[bool]int{true: 3, false: 1}[name == "several"], marked)
			assert.NotContains(t, out, "Ran ")
		})
	}
}

func TestOptionsOfAContainerAreForWhatIsInIt(t *testing.T) {
	l := newLab(t)
	l.take("chamber")
	l.run("options", 1).ok()
	for line, want := range map[string]bool{"ran needs": false, "ran needs nothing": true, "ran o1": true, "ran o2": true} {
		assert.Equal(t, want, l.says(line), line)
	}
	assert.Equal(t, 1, l.events("request"))
	assert.Equal(t, 1, l.events("withdraw"))
}

func TestASuiteThatNeedsNothingFails(t *testing.T) {
	l := newLab(t)
	c := l.run("suite without", 1)
	assert.NotZero(t, c.code)
	assert.Empty(t, l.said(), "no spec runs")
	assert.Contains(t, c.out.String(), "Acquire was given no requirement")
}

func TestPoolsMayBeRegisteredAfterTheirUse(t *testing.T) {
	l := newLab(t)
	l.run("late", 1).ok()
	assert.True(t, l.says("ran alone"))
	assert.True(t, l.says("ran inside"))
}

func TestALeaseOfAllProcesses(t *testing.T) {
	l := newLab(t)
	c := l.start("shared suite", 3)
	l.until("all run", func() bool { return strings.Count(l.said(), "running") == 3 })
	var holders []string
	for _, h := range l.snapshot().Holders {
		holders = append(holders, h.Keys()...)
	}
	assert.ElementsMatch(t, []string{"chamber", "board-1", "board-2", "board-3"}, holders)
	l.touch("go-on")
	assert.NotZero(t, c.wait())
	assert.Equal(t, 3, strings.Count(l.said(), "finished"))
	status := map[string]string{}
	for name, tc := range l.cases(c) {
		if strings.HasPrefix(name, "[It]") {
			status[name] = tc.Status
		}
	}
	assert.Equal(t, map[string]string{"[It] specs spec0": "passed", "[It] specs spec1": "passed", "[It] specs spec2": "passed",
		"[It] without has that of the suite [Serial]": "passed", "[It] without cannot have it twice [Serial]": "failed"}, status)
	assert.Contains(t, c.out.String(), `cannot get "chamber": the suite already holds it`)
	assert.Equal(t, 4, l.events("grant"))
	assert.Equal(t, 4, l.events("release"))
	l.empty()
}

// The process that took the lease of the suite is killed; the others go on.
func TestALeaseOfAllProcessesOutlivesItsProcess(t *testing.T) {
	l := newLab(t)
	c := l.start("shared suite", 3, "RTEST_TTL=6s")
	l.until("all run", func() bool { return strings.Count(l.said(), "running") == 3 })
	var pid int
	_, err := fmt.Sscanf(l.said()[strings.Index(l.said(), "process 1 is"):], "process 1 is %d", &pid)
	require.NoError(t, err)
	got := make(chan error, 1)
	go func() { // somebody who wants it, and looks whether its holder lives
		le, err := l.locker.Acquire(t.Context(), wanting("the next", "chamber"))
		if err == nil {
			err = le.Release(t.Context())
		}
		got <- err
	}()
	l.waiters(1)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	// Each renewal moves the end; the first one may still have been the dead one's.
	renewals := 0
	var end time.Time
	l.until("the others renewed it", func() bool {
		for _, h := range l.snapshot().Holders {
			if h.Keys()[0] == "chamber" && h.Owner.Test == "suite" {
				if h.Expires.After(end) {
					renewals, end = renewals+1, h.Expires
				}
				return renewals > 2
			}
		}
		require.Fail(t, "it is gone")
		return false
	})
	require.Empty(t, got)
	l.touch("go-on")
	assert.NotZero(t, c.wait())
	require.NoError(t, <-got)
	assert.Equal(t, 2, strings.Count(l.said(), "finished"))
}

func TestALeaseOfEachProcess(t *testing.T) {
	l := newLab(t)
	c := l.start("suite of each", 3)
	l.until("all run", func() bool { return strings.Count(l.said(), "running") == 3 })
	l.touch("go-on")
	c.ok()
	for i := range 3 {
		assert.Regexp(t, fmt.Sprintf(`process \d has board-%d`, i+1), l.said())
	}
	assert.Equal(t, 3, l.events("release"))
}

// They would be a promise that nobody keeps.
func TestLockLabelsOfTheSuiteAreRefused(t *testing.T) {
	for _, name := range []string{"suite label needs", "suite label"} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			c := l.run(name, 1)
			assert.NotZero(t, c.code)
			assert.Contains(t, c.out.String(), `RunSpecs was given the label "lock:chamber*2"`)
			assert.Contains(t, c.out.String(), `ginkgolock.Lock("chamber*2"), for the whole suite`)
			assert.Empty(t, l.said(), "no spec runs")
			assert.Zero(t, l.events("request"))
		})
	}
}

func TestASuiteCanBeSkipped(t *testing.T) {
	for name, procs := range map[string]int{"one process": 1, "two processes": 2} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.take("chamber")
			c := l.run("suite skips", procs)
			c.ok()
			assert.Empty(t, l.said())
			assert.Contains(t, c.out.String(), "Suite skipped in BeforeSuite")
		})
	}
}

func TestKilledProcess(t *testing.T) {
	l := newLab(t)
	c := l.start("held", 2)
	var pid int
	l.until("it holds", func() bool { n, _ := fmt.Sscanf(l.said(), "holding %d", &pid); return n == 1 })
	l.waiters(1) // the other process
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	// Whoever comes next gets it: the other process, then the test.
	l.until("the other holds it", func() bool { return strings.Count(l.said(), "holding") == 2 })
	l.touch("go-on")
	require.NoError(t, l.take("chamber").Release(t.Context()))
	assert.NotZero(t, c.wait())
	assert.NotContains(t, l.said(), "overlap")
	l.empty()
}

func TestKilledCommand(t *testing.T) {
	l := newLab(t)
	c := l.start("held", 2)
	l.until("it holds", func() bool { return strings.HasPrefix(l.said(), "holding") })
	l.waiters(1) // the other process
	require.NoError(t, syscall.Kill(c.cmd.Process.Pid, syscall.SIGKILL))
	l.waiters(0) // which gives up, as there is nobody to report to
	require.Len(t, l.snapshot().Holders, 1, "the orphan still uses it")
	l.touch("go-on")
	l.until("it is given back", func() bool { return len(l.snapshot().Holders) == 0 })
	l.until("it is on record", func() bool { return l.events("release") == 1 })
	assert.True(t, l.says("cleaned up"))
	assert.Equal(t, 1, strings.Count(l.said(), "holding"), "the other spec does not run")
	assert.NotZero(t, c.wait())
}
