package filestore

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// A file is an open file that can be locked.
type file struct {
	f    *os.File
	path string
}

// openFile opens a file for the time of a step. Go makes no handle inheritable,
// so no child process inherits a lock.
func openFile(path string, mode openMode, perm fs.FileMode) (file, error) {
	flags := os.O_RDONLY
	switch mode {
	case forChange:
		flags = os.O_RDWR
	case forCreation:
		flags = os.O_RDWR | os.O_CREATE
	case forNew:
		flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
	}
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		return file{}, &strangeError{path, kindOf(st.Mode())}
	}
	f, err := os.OpenFile(path, flags, perm)
	return file{f, path}, err
}

// close drops the lock too, but at a time of the system's choosing, so unlock is
// called before.
func (f file) close() { _ = f.f.Close() }

// lockRegion is the byte that is locked. Locks bind readers and writers on
// Windows, so it lies far beyond what is ever read or written.
func lockRegion() *windows.Overlapped { return &windows.Overlapped{OffsetHigh: 0x7fff0000} }

// tryLock takes the lock if that is possible at once.
func (f file) tryLock(exclusive bool) (bool, error) {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := windows.LockFileEx(windows.Handle(f.f.Fd()), flags, 0, 1, 0, lockRegion())
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING):
		return false, nil
	}
	return false, &fs.PathError{Op: "lock", Path: f.path, Err: err}
}

func (f file) unlock() { _ = windows.UnlockFileEx(windows.Handle(f.f.Fd()), 0, 1, 0, lockRegion()) }

// readAt reads until b is full or the file ends.
func (f file) readAt(b []byte, at int64) (int, error) {
	n, err := f.f.ReadAt(b, at)
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func (f file) writeAt(b []byte, at int64) error {
	_, err := f.f.WriteAt(b, at)
	return err
}

// info asks the open file. Without its number, which only a path tells here, all
// files have one identity: nobody can exchange one that is open on Windows.
func (f file) info() (info, error) {
	st, err := f.f.Stat()
	if err != nil {
		return info{}, err
	}
	i := info{regular: st.Mode().IsRegular(), size: st.Size(), links: 1}
	if !i.regular {
		return i, &strangeError{f.path, kindOf(st.Mode())}
	}
	return i, nil
}

func (f file) truncate(size int64) error { return f.f.Truncate(size) }
