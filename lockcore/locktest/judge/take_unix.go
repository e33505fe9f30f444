//go:build unix

package judge

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// A use is a record lock. The kernel ends those of a process that is killed when it
// takes the process's files away, one after the other, and all locks of flock after
// that: so a store, which has such a lock, cannot find the process dead before. Nor are
// they shared with children, as those of flock are from a fork until its exec. But
// closing any descriptor of a file ends all of the process's on it, so the file is
// opened once and stays open.
type use struct {
	n      int
	shared bool
	file   *os.File
}

func (u *use) lock(name string, shared bool) error {
	if u.file != nil {
		mine, err := u.file.Stat()
		if err != nil {
			return err
		}
		if now, err := os.Stat(name); err != nil || !os.SameFile(now, mine) { // it was deleted
			u.file.Close()
			u.file = nil
		}
	}
	if u.file == nil {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		u.file = f
	}
	how := int16(unix.F_WRLCK)
	if shared {
		how = unix.F_RDLCK
	}
	err := unix.FcntlFlock(u.file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: how})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrInUse
	}
	return err
}

func (u *use) unlock() {
	_ = unix.FcntlFlock(u.file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_UNLCK})
}
