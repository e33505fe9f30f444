package filestore

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ticks reads the clock that all processes of the machine share. It is
// CLOCK_MONOTONIC, which Go's own monotonic time is taken from, and not
// CLOCK_BOOTTIME: a lease ends for its holder by the former, so if the store
// counted the time of a suspended laptop and the holder did not, a waiter that
// wakes first would be given what the holder still believes to have.
func ticks() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail for this clock
	return ts.Nano()
}

// bootID names the present boot of the machine. Without /proc it is empty, and
// another boot is recognised only by ticks that are lower than the last.
func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}
