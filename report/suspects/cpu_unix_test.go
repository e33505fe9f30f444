//go:build unix

package suspects

import (
	"syscall"
	"time"
)

// spent is the CPU time of the process so far, on which other programs have little
// influence.
func spent() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
