//go:build unix

package judge

import "golang.org/x/sys/unix"

// Now is a clock that all processes of the machine share, and that nobody sets. The
// one in a time.Time counts from the start of its process.
func Now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}
