//go:build unix

package ginkgolock_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rtest.Main around a Ginkgo suite.

// Ginkgo handles an interrupt: it ends the specs in order. What Main has is needed
// until that is done, and nobody else gets it before.
func TestAnInterruptedSuiteKeepsTheLeaseOfMain(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			l := newRedisLab(t)
			c := l.start("main", 1)
			l.until("it holds", func() bool { return l.says("holding") })
			early := make(chan bool, 1)
			go func() {
				le, err := l.locker.Acquire(t.Context(), wanting("the rival", "chamber"))
				before := !l.says("cleaned up")
				if assert.NoError(t, err) {
					assert.NoError(t, le.Release(t.Context()))
				}
				early <- before // last: the test, and its context, end on it
			}()
			l.waiters(1)
			require.NoError(t, syscall.Kill(-c.cmd.Process.Pid, sig))
			l.until("it cleans up", func() bool { return l.says("cleaning up") })
			last := time.Time{}
			for renewals := 0; renewals < 3; {
				held := l.snapshot().Holders
				require.Len(t, held, 1, "%s", c.out)
				require.Equal(t, "TestMain", held[0].Owner.Test, "%s", c.out)
				if held[0].Expires.After(last) {
					last = held[0].Expires
					renewals++
				}
			}
			l.touch("clean")
			assert.NotZero(t, c.wait())
			assert.False(t, <-early, "the rival had the chamber before the suite was done:\n%s", c.out)
			assert.Equal(t, 1, l.events("release"))
		})
	}
}

// Each of the parallel processes would wait for the others, without end.
func TestMainRefusesParallelProcesses(t *testing.T) {
	l := newLab(t)
	c := l.run("main", 2)
	assert.NotZero(t, c.code)
	assert.Contains(t, c.out.String(), "TestMain: rtest: Main in one of 2 parallel processes of a Ginkgo suite")
	assert.Contains(t, c.out.String(), "Decorate SynchronizedBeforeSuite with ginkgolock.Needs for one lease that all of them share")
	assert.Empty(t, l.said(), "no spec ran")
	assert.Zero(t, l.events("request"))
	l.empty()
}
