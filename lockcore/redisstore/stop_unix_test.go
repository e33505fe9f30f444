//go:build unix

package redisstore_test

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func stop(t testing.TB, c *child) { signal(t, c, syscall.SIGSTOP) }

func cont(t testing.TB, c *child) { signal(t, c, syscall.SIGCONT) }

func signal(t testing.TB, c *child, s syscall.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// machineTime is a clock that all processes of the machine share, and that nobody
// sets. The one in a time.Time counts from the start of its process.
func machineTime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}
