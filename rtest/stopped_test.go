//go:build unix

package rtest_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// A test whose process was stopped beyond the TTL of its lease, as by a laptop
// that was closed, finds the lease lost when it goes on, and fails with words;
// somebody else has the board by then.
func TestStoppedTestFailsWithWords(t *testing.T) {
	t.Parallel()
	binary(t, "scenarios")
	l := newLabAt(t, "redis://"+redistest.Start(t).Addr)
	c := l.scenario(t, "TestShortLease")
	c.await("HOLDING [board-1]")
	c.cmd.Process.Signal(syscall.SIGSTOP)
	board := lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "board-1"}}}
	rival, err := l.locker.Acquire(t.Context(), lockcore.Request{TTL: time.Minute, Requirements: []lockcore.Requirement{board}})
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Process.Signal(syscall.SIGCONT)
	code, out := c.end()
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	mustContain(t, out, "LOST", "rtest: lost board-1, acquired at scenarios_test.go:", "--- FAIL: TestShortLease")
	if err := rival.Release(context.Background()); err != nil {
		t.Errorf("the rival: %v", err)
	}
}
