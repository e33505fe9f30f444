//go:build unix

package redisstore_test

import (
	"syscall"
	"testing"
)

func stop(t testing.TB, c *child) { signal(t, c, syscall.SIGSTOP) }

func cont(t testing.TB, c *child) { signal(t, c, syscall.SIGCONT) }

func signal(t testing.TB, c *child, s syscall.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}
