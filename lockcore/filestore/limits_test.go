//go:build linux || darwin

package filestore

import (
	"fmt"
	"os/signal"
	"syscall"
)

// limits carries out the orders that need a Unix system.
func limits(o *order) error {
	switch o.Do {
	case "limit file size": // as good as a full disk: what exceeds it cannot be written
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: uint64(o.Count), Max: 1 << 40}
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
	}
	return fmt.Errorf("what is %q?", o.Do)
}
