//go:build unix

package ginkgolock_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A wait of 300 ms, and a spec that may take 200 ms. That an empty body is over
// in time depends on the machine, so that a run in which it was not is repeated;
// were the wait charged, no number of runs would help.
func TestWaitingIsNotChargedToTheSpec(t *testing.T) {
	l := newLab(t)
	for range 20 {
		chamber := l.take("chamber")
		c := l.start("patient", 1)
		l.waiters(1)
		time.Sleep(300 * time.Millisecond) // longer than the spec's timeout
		require.NoError(t, chamber.Release(t.Context()))
		c.wait()
		tc := l.cases(c)["[It] patient spec"]
		waited, err := strconv.ParseFloat(tc.property("rtest.waited_s"), 64)
		require.NoError(t, err, "%+v", tc)
		require.GreaterOrEqual(t, waited, 0.3)
		assert.NotEmpty(t, tc.property("rtest.req"))
		assert.NotEmpty(t, tc.property("rtest.held_s"))
		assert.Equal(t, `"acquired"`, tc.property("rtest.outcome"))
		assert.Equal(t, `"chamber"`, tc.property("rtest.resources"))
		assert.Contains(t, tc.property("rtest.blocked_by"), "the test")
		if c.code == 0 && l.says("ran patient") && tc.Status == "passed" && tc.Time < waited {
			return
		}
		t.Logf("exit code %d, %s after %g s", c.code, tc.Status, tc.Time)
	}
	t.Error("in no run was the spec over in its 200 ms, and in less than its wait")
}

func TestProgressReportsShowTheLine(t *testing.T) {
	for name, procs := range map[string]int{"one process": 1, "two processes": 2} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			chamber := l.take("chamber")
			c := l.start("steady", procs, "--poll-progress-after=100ms", "--poll-progress-interval=100ms")
			l.shows(c, `(?s)polling progress.*waiting .* for resources needed at waits_test.go:\d+; 1st in line; chamber is held by the test`)
			require.NoError(t, chamber.Release(t.Context()))
			c.ok()
		})
	}
}

func TestInterruptWhileWaiting(t *testing.T) {
	l := newLab(t)
	l.take("chamber")
	c := l.start("held", 1)
	l.waiters(1)
	require.NoError(t, syscall.Kill(-c.cmd.Process.Pid, syscall.SIGINT))
	assert.NotZero(t, c.wait())
	assert.Empty(t, l.snapshot().Waiters)
	assert.Equal(t, 1, l.events("withdraw"))
	assert.Zero(t, l.events("grant"))
}

func TestInterruptWhileHolding(t *testing.T) {
	for name, procs := range map[string]int{"one process": 1, "two processes": 2} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			c := l.start("held", procs)
			l.until("it holds", func() bool { return l.events("grant") > 0 && l.said() != "" })
			require.NoError(t, syscall.Kill(-c.cmd.Process.Pid, syscall.SIGINT))
			assert.NotZero(t, c.wait())
			assert.True(t, l.says("cleaned up"))
			assert.Equal(t, l.events("grant"), l.events("release"))
			assert.False(t, l.says("finished"))
			l.empty()
		})
	}
}

// Ginkgo does not interrupt reporting nodes of other processes.
func TestFailFastEndsTheWaitOfOtherProcesses(t *testing.T) {
	for _, protocol := range []string{"RPC", "HTTP"} {
		t.Run(protocol, func(t *testing.T) {
			l := newLab(t)
			l.take("chamber")
			c := l.start("failfast", 2, "--fail-fast", "GINKGO_PARALLEL_PROTOCOL="+protocol)
			l.waiters(1)
			l.touch("fail-now")
			assert.NotZero(t, c.wait())
			assert.False(t, l.says("ran waits"))
			assert.Contains(t, c.out.String(), "aborted by another process")
			assert.Empty(t, l.snapshot().Waiters)
		})
	}
}

func TestSuiteTimeoutEndsTheWait(t *testing.T) {
	l := newLab(t)
	l.take("chamber")
	c := l.start("steady", 1, "--timeout=5s", "RTEST_WAIT")
	assert.NotZero(t, c.wait())
	// By itself, before Ginkgo interrupts it: a machine may be too slow to wait at all.
	assert.Regexp(t, `(?s)(-timeout ends the test binary in|busy: wanted chamber).*chamber is held by the test`, c.out.String())
	assert.Empty(t, l.snapshot().Waiters)
	assert.Equal(t, 1, l.events("withdraw"))
}

func TestALostLeaseFailsItsSpec(t *testing.T) {
	l := newLab(t)
	c := l.start("lost", 1, "RTEST_TTL=6s")
	free := func(line, key string) {
		l.until(line, func() bool { return l.says(line) })
		_, err := l.store.Free(t.Context(), key, "wanted for a demonstration")
		require.NoError(t, err)
	}
	// In the order in which they stand; Ginkgo shuffles containers, so whichever
	// comes first.
	done := make(chan struct{})
	go func() { defer close(done); c.wait() }()
	pending := map[string]string{"holding": "chamber", "deaf": "board-2", "between": "staging-1"}
	for len(pending) > 0 {
		for line, key := range pending {
			if l.says(line) {
				free(line, key)
				delete(pending, line)
			}
		}
		select {
		case <-done:
			t.Fatalf("it ended early; not seen: %v\n%s", pending, c.out)
		case <-time.After(5 * time.Millisecond):
		}
	}
	assert.NotZero(t, c.wait())
	assert.True(t, l.says("cause is ErrLost: true"))
	assert.True(t, l.says("cleaned up"))
	assert.True(t, l.says("ran bystander"))
	assert.False(t, l.says("ran second"), "what runs after the loss has nothing")
	status := map[string]string{}
	for name, tc := range l.cases(c) {
		status[name] = tc.Status
	}
	assert.Equal(t, map[string]string{"[It] lost spec": "failed", "[It] lost deaf": "failed", "[It] container first": "passed",
		"[It] container second": "failed", "[It] bystander passes": "passed"}, status)
	out := c.out.String()
	assert.Regexp(t, `rtest: lost chamber.*wanted for a demonstration`, out)
	assert.Regexp(t, `rtest: lost staging-1.*wanted for a demonstration`, out)
	assert.NotRegexp(t, `In .* at: \S+/ginkgolock/\w+\.go`, out, "places are the user's")
	assert.NotRegexp(t, `lost (chamber|staging-1).*lease (on|lost)`, out, "nothing is said twice")
	assert.NotContains(t, out, "the wrong words", "the failure is the loss, not what it led to")
	assert.Equal(t, `"lost"`, l.lastOutcome(c, "[It] lost spec"))
}

func (l *lab) lastOutcome(c *child, name string) string {
	last := ""
	for _, p := range l.cases(c)[name].Properties {
		if p.Name == "rtest.outcome" {
			last = p.Value
		}
	}
	return last
}

func TestPolicies(t *testing.T) {
	l := newLab(t)
	l.take("chamber")
	c := l.run("busy", 1)
	assert.NotZero(t, c.code)
	status := map[string]string{}
	for name, tc := range l.cases(c) {
		status[name] = tc.Status
	}
	assert.Equal(t, map[string]string{"[It] busy skips": "skipped", "[It] busy fails": "failed", "[It] container c1": "skipped", "[It] container c2": "skipped"}, status)
	assert.Equal(t, `"skipped"`, l.lastOutcome(c, "[It] busy skips"))
	assert.Empty(t, l.said(), "no node of the user runs")
	assert.Regexp(t, `chamber is held by the test`, c.out.String())
	assert.Equal(t, 3, l.events("withdraw"), "a container asks once")
	assert.Regexp(t, `In \[ReportBeforeEach\] at: \S+/testdata/suite/`+lineMarked(t, "busy")+" ", c.out.String(), "the line of the spec")
}

// lineMarked finds a line of waits_test.go.
func lineMarked(t *testing.T, mark string) string {
	source, err := os.ReadFile("testdata/suite/waits_test.go")
	require.NoError(t, err)
	for i, line := range strings.Split(string(source), "\n") {
		if strings.HasSuffix(line, "// MARK "+mark) {
			return fmt.Sprintf("waits_test.go:%d", i+1)
		}
	}
	t.Fatalf("no line is marked %s", mark)
	return ""
}

func TestHoldOnFail(t *testing.T) {
	l := newLab(t)
	c := l.run("kept", 1)
	assert.NotZero(t, c.code)
	kept := map[string]string{}
	for _, h := range l.snapshot().Holders {
		kept[h.Keys()[0]] = h.State
	}
	assert.Equal(t, map[string]string{"spec-fails": "kept", "container-fails": "kept"}, kept)
}

func TestContainersGiveBackHoweverTheyEnd(t *testing.T) {
	l := newLab(t)
	c := l.run("endings", 1, "--label-filter=!never", "RTEST_WAIT=30s", "--seed=3")
	assert.NotZero(t, c.code, "one spec fails")
	for _, want := range []string{"l1", "r1", "r2", "plain"} {
		assert.True(t, l.says("ran "+want), want)
	}
	assert.Equal(t, 5, l.events("grant"))
	assert.Equal(t, 5, l.events("release"))
	assert.Zero(t, l.events("withdraw"))
	l.empty()
}

func TestALeakedNodeKeepsWhatItUses(t *testing.T) {
	l := newLab(t)
	c := l.start("leaked", 1)
	l.until("the next spec runs", func() bool { return l.says("ran other") })
	require.Len(t, l.snapshot().Holders, 1, "the node still runs")
	l.touch("leak-over")
	l.until("it is given back", func() bool { return len(l.snapshot().Holders) == 0 })
	l.touch("go-on")
	assert.NotZero(t, c.wait())
	assert.Equal(t, 1, l.events("release"))
}

// On an interrupt the process ends whether or not a node does, so that nothing
// may wait for the node.
func TestALeakedNodeKeepsNothingOnInterrupt(t *testing.T) {
	l := newLab(t)
	c := l.start("deaf", 1, "--grace-period=10ms")
	l.until("it holds", func() bool { return l.says("deaf") })
	require.NoError(t, syscall.Kill(-c.cmd.Process.Pid, syscall.SIGINT))
	assert.NotZero(t, c.wait())
	assert.Equal(t, 1, l.events("release"), "%s", c.out)
}

// The second interrupt skips cleanup, but not the node that gives back.
func TestSecondInterrupt(t *testing.T) {
	l := newLab(t)
	c := l.start("stubborn", 1)
	for _, line := range []string{"spec", "cleanup"} {
		l.until(line, func() bool { return l.says(line) })
		require.NoError(t, syscall.Kill(-c.cmd.Process.Pid, syscall.SIGINT))
	}
	assert.NotZero(t, c.wait())
	assert.False(t, l.says("cleaned up"))
	assert.Equal(t, 1, l.events("release"), "%s", c.out)
	l.empty()
}

// The third interrupt skips the nodes that report, and with them the one that
// gives back: the lease ends with its process.
func TestThirdInterrupt(t *testing.T) {
	l := newLab(t)
	c := l.start("stubborn to the last", 1)
	for _, line := range []string{"spec", "cleanup", "report"} {
		l.until(line, func() bool { return l.says(line) })
		require.Len(t, l.snapshot().Holders, 1, "%s: it is still held", line)
		require.NoError(t, syscall.Kill(-c.cmd.Process.Pid, syscall.SIGINT))
	}
	assert.NotZero(t, c.wait())
	assert.Equal(t, "spec\ncleanup\nreport\n", l.said(), "nothing else runs")
	assert.Equal(t, 1, l.events("grant"))
	assert.Zero(t, l.events("release"), "%s", c.out)
	require.NoError(t, l.take("chamber").Release(t.Context()))
	l.empty()
}

// The panic of -timeout tells nobody who was in the way, so the wait ends before, also
// in a spec that has no context and whose TB knows no deadline.
func TestEveryWaitEndsBeforeTheTimeoutOfGoTest(t *testing.T) {
	l := newLab(t)
	l.take("chamber")
	for _, name := range []string{"GinkgoTB", "GinkgoT", "Needs"} {
		t.Run(name, func(t *testing.T) {
			c := l.run("late "+name, 1, "RTEST_WAIT", "-test.timeout=3s")
			out := c.out.String()
			assert.NotZero(t, c.code)
			assert.NotContains(t, out, "test timed out")
			assert.Regexp(t, `gave up after .* waiting for chamber.*; chamber is held by`, out)
			assert.Contains(t, out, "-timeout ends the test binary in 500ms")
		})
	}
}

func TestAcquireWithGinkgoTB(t *testing.T) {
	l := newLab(t)
	l.take("chamber")
	c := l.run("tb", 1)
	assert.NotZero(t, c.code)
	assert.True(t, l.says("ran works"))
	assert.False(t, l.says("ran timed"))
	assert.NotContains(t, c.out.String(), "failed to exit in time", "the wait ends with the spec's context")
	assert.Empty(t, l.snapshot().Waiters)
	status := map[string]string{}
	for name, tc := range l.cases(c) {
		status[name] = tc.Status
	}
	assert.Equal(t, map[string]string{"[It] tb works": "passed", "[It] tb timed": "timedout", "[It] tb twice": "failed", "[It] container in container": "failed"}, status)
	assert.Regexp(t, `cannot get "staging-1": this test already holds it`, c.out.String())
	assert.Regexp(t, `cannot get "staging-1": container, which this test is part of, already holds it`, c.out.String())
	assert.Equal(t, l.events("request"), l.events("grant")+l.events("withdraw"))
}
