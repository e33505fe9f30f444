//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// fifoReceiver is a named pipe, by its descriptor and as a file whose reads wait in
// Go's poller.
type fifoReceiver struct {
	*os.File
	fd int // while the file is open
}

// listenFIFO makes the named pipe of a process. It is opened for reading and
// writing, so that it does not end when a writer closes it.
func listenFIFO(at *folders, name string) (receiver, error) {
	// By its path, since not every system has mkfifoat(2). A pipe that this puts
	// somewhere else, because a directory above was exchanged, is not found by what
	// follows.
	path := at.procs.join(name)
	if err := unix.Mkfifo(path, uint32(at.filePerm.Perm())); err != nil {
		return nil, &fs.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	fd, st, err := openFIFO(at, name, unix.O_RDWR)
	if err == nil && st.Uid != euid() {
		_ = unix.Close(fd)
		err = &strangeError{path, "not the named pipe that was just made"}
	}
	if err != nil {
		_ = at.procs.remove(name)
		return nil, err
	}
	if at.filePerm != 0o600 {
		_ = unix.Fchmod(fd, uint32(at.filePerm)) // else others of the group wake us late
	}
	return fifoReceiver{os.NewFile(uintptr(fd), path), fd}, nil
}

// openFIFO opens a named pipe and nothing else: what is written to it must not
// get into a file. Opening never blocks.
func openFIFO(at *folders, name string, how int) (fd int, st unix.Stat_t, err error) {
	err = at.procs.do(func(dir int) error {
		var errno unix.Errno
		fd, errno = openRetrying(dir, name, how|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		if errno != 0 {
			return errno
		}
		err := unix.Fstat(fd, &st)
		if err == nil && st.Mode&unix.S_IFMT != unix.S_IFIFO {
			err = &strangeError{at.procs.join(name), kindOf(modeOf(&st))}
		}
		if err == nil {
			err = at.trust(at.procs.join(name), st.Uid)
		}
		if err != nil {
			_ = unix.Close(fd)
		}
		return err
	})
	return fd, st, err
}

func (e fifoReceiver) reachable() bool {
	var st unix.Stat_t
	return unix.Fstat(e.fd, &st) == nil && st.Nlink > 0
}

// callFIFO reports false if the process has no pipe. Opening and writing never
// block: without a reader the one fails, with a full pipe the other.
func callFIFO(at *folders, name string, wakeUps []byte) bool {
	fd, _, err := openFIFO(at, name, unix.O_WRONLY)
	if err != nil {
		return err != unix.ENOENT
	}
	_ = uninterrupted(func() error { _, err := unix.Write(fd, wakeUps); return err })
	_ = unix.Close(fd)
	return true
}

// A wakeWriter is the named pipe of another process, open for wake-ups.
type wakeWriter struct {
	id string // the process; empty if it has no pipe
	fd int
}

func openWriter(at *folders, id string) wakeWriter {
	fd, _, err := openFIFO(at, id+fifoSuffix, unix.O_WRONLY)
	if err != nil {
		return wakeWriter{}
	}
	return wakeWriter{id, fd}
}

// send reports false if nobody reads the pipe any more.
func (w wakeWriter) send(wakeUp []byte) bool {
	if w.id == "" {
		return false
	}
	err := uninterrupted(func() error { _, err := unix.Write(w.fd, wakeUp); return err })
	return err == nil || err == unix.EAGAIN // it is full of wake-ups
}

func (w wakeWriter) close() {
	if w.id != "" {
		_ = unix.Close(w.fd)
	}
}
