//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// A file is an open file that can be locked. It is a bare descriptor and not an
// [os.File], which would cost half a step: os.Open tries to enter each file
// into the poller, and sets a finalizer.
type file struct {
	fd   int
	path string
}

// openFile opens a file for the time of a step. The descriptor is closed on
// exec, so that no child process inherits a lock.
func openFile(path string, mode openMode, perm fs.FileMode) (file, error) {
	flags := unix.O_CLOEXEC
	switch mode {
	case forTest:
		flags |= unix.O_RDONLY
	case forChange:
		flags |= unix.O_RDWR
	case forCreation:
		flags |= unix.O_RDWR | unix.O_CREAT
	}
	var fd int
	err := uninterrupted(func() (err error) { fd, err = unix.Open(path, flags, uint32(perm.Perm())); return err })
	if err != nil {
		return file{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return file{fd, path}, nil
}

// uninterrupted repeats a call that a signal broke off. Go asks the kernel to do
// so by itself, but not every file system obeys.
func uninterrupted(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// close has no error that matters: what was written is written, and a lock is
// dropped explicitly.
func (f file) close() { _ = unix.Close(f.fd) }

// tryLock takes the lock if that is possible at once. flock(2) is used and not
// fcntl(2), whose locks belong to the process: two stores of one process would
// not see each other, and closing any descriptor of the file would drop them.
func (f file) tryLock(exclusive bool) (bool, error) {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	err := uninterrupted(func() error { return unix.Flock(f.fd, how|unix.LOCK_NB) })
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, nil
	}
	return false, &fs.PathError{Op: "lock", Path: f.path, Err: err}
}

// unlock drops the lock. Closing the file is not enough: a child that another
// goroutine has just forked has the descriptor too until it calls exec.
func (f file) unlock() { _ = unix.Flock(f.fd, unix.LOCK_UN) }

// readAt reads until b is full or the file ends.
func (f file) readAt(b []byte, at int64) (n int, err error) {
	for n < len(b) {
		var m int
		err := uninterrupted(func() (err error) { m, err = unix.Pread(f.fd, b[n:], at+int64(n)); return err })
		if err != nil {
			return n, &fs.PathError{Op: "read", Path: f.path, Err: err}
		}
		if m == 0 {
			return n, nil
		}
		n += m
	}
	return n, nil
}

// writeAt writes all of b. Part of it may stay behind after an error; what that
// means is the business of those who know what is written.
func (f file) writeAt(b []byte, at int64) error {
	for len(b) > 0 {
		var n int
		err := uninterrupted(func() (err error) { n, err = unix.Pwrite(f.fd, b, at); return err })
		if err != nil {
			return &fs.PathError{Op: "write", Path: f.path, Err: err}
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

func (f file) size() (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: f.path, Err: err}
	}
	return st.Size, nil
}

func (f file) truncate(size int64) error { return unix.Ftruncate(f.fd, size) }

func (f file) chmod(perm fs.FileMode) error { return unix.Fchmod(f.fd, uint32(perm.Perm())) }
