package filestore

import "golang.org/x/sys/unix"

// ticks reads the clock that Go's own monotonic time is taken from; it stands
// still while the machine sleeps, for holders and waiters alike.
func ticks() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_UPTIME_RAW, &ts) // cannot fail for this clock
	return ts.Nano()
}

// bootID names the present boot of the machine.
func bootID() string {
	id, _ := unix.Sysctl("kern.bootsessionuuid") // empty if unknown
	return id
}
