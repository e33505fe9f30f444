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
	return openAt(unix.AT_FDCWD, path, path, mode, perm)
}

// openAt opens a file in a directory. It follows no symbolic link, and a named
// pipe in the place of the file cannot block it. A file that it makes gets its
// mode whatever the umask; the mode of one that exists is left alone.
func openAt(dir int, name, path string, mode openMode, perm fs.FileMode) (file, error) {
	flags := unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_RDWR
	if mode == forTest {
		flags = flags&^unix.O_RDWR | unix.O_RDONLY
	}
	for {
		var fd int
		err := unix.ENOENT
		if mode != forNew {
			fd, err = openRetrying(dir, name, flags, 0)
		}
		made := false
		if err == unix.ENOENT && mode >= forCreation {
			if _, err := meddle("create", path, 0, 0); err != nil {
				return file{}, err
			}
			fd, err = openRetrying(dir, name, flags|unix.O_CREAT|unix.O_EXCL, uint32(perm.Perm()))
			if err == unix.EEXIST && mode == forCreation {
				continue // somebody else was faster
			}
			made = err == 0
		}
		if err != 0 {
			return file{}, openError(dir, name, path, err)
		}
		f := file{fd, path}
		if made && perm != 0o600 {
			if err := unix.Fchmod(fd, uint32(perm)); err != nil {
				f.close()
				return file{}, &fs.PathError{Op: "chmod", Path: path, Err: err}
			}
		}
		return f, nil
	}
}

// openRetrying is open(2), repeated when a signal breaks it off. It returns 0 for
// success.
func openRetrying(dir int, name string, flags int, perm uint32) (fd int, errno unix.Errno) {
	err := uninterrupted(func() (err error) { fd, err = unix.Openat(dir, name, flags, perm); return err })
	if err == nil {
		return fd, 0
	}
	if e, ok := err.(unix.Errno); ok {
		return -1, e
	}
	return -1, unix.EIO
}

// openError words why something cannot be opened. Systems differ in what they say
// of a symbolic link and of a socket, so it looks what is there.
func openError(dir int, name, path string, err error) error {
	var st unix.Stat_t
	if err != unix.ENOENT && err != unix.EACCES && unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT != unix.S_IFREG && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return &strangeError{path, kindOf(modeOf(&st))}
	}
	return &fs.PathError{Op: "open", Path: path, Err: err}
}

func modeOf(st *unix.Stat_t) fs.FileMode {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return 0
	case unix.S_IFDIR:
		return fs.ModeDir
	case unix.S_IFLNK:
		return fs.ModeSymlink
	case unix.S_IFIFO:
		return fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return fs.ModeSocket
	case unix.S_IFCHR, unix.S_IFBLK:
		return fs.ModeDevice
	}
	return fs.ModeIrregular
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
	_, _ = meddle("read", f.path, at, len(b))
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
	done, meddled := meddle("write", f.path, at, len(b))
	for b = b[:done]; len(b) > 0; {
		var n int
		err := uninterrupted(func() (err error) { n, err = unix.Pwrite(f.fd, b, at); return err })
		if err != nil {
			return &fs.PathError{Op: "write", Path: f.path, Err: err}
		}
		b, at = b[n:], at+int64(n)
	}
	return meddled
}

// info asks the open file, so that nobody can exchange it in between.
func (f file) info() (info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return info{}, &fs.PathError{Op: "stat", Path: f.path, Err: err}
	}
	i := info{identity{uint64(st.Dev), uint64(st.Ino)}, st.Mode&unix.S_IFMT == unix.S_IFREG, st.Size, uint64(st.Nlink), st.Uid}
	if !i.regular {
		return i, &strangeError{f.path, kindOf(modeOf(&st))}
	}
	return i, nil
}

func (f file) truncate(size int64) error {
	if _, err := meddle("truncate", f.path, size, 0); err != nil {
		return err
	}
	return unix.Ftruncate(f.fd, size)
}
