//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import (
	"os"

	"golang.org/x/sys/unix"
)

// listenFIFO makes the named pipe of a process. It is opened for reading and
// writing, so that it does not end when a writer closes it.
func listenFIFO(path string, l *location) (ear, error) {
	if err := unix.Mkfifo(path, uint32(l.filePerm)); err != nil {
		return nil, err
	}
	if l.filePerm != 0o600 {
		_ = unix.Chmod(path, uint32(l.filePerm)) // else others of the group wake us late
	}
	var fd int
	err := uninterrupted(func() (err error) {
		fd, err = unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		_ = os.Remove(path)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil // non-blocking, so reads wait in Go's poller
}

// callFIFO reports false if the process has no pipe. Opening and writing never
// block: without a reader the one fails, with a full pipe the other.
func callFIFO(path string, wakeUps []byte) bool {
	var fd int
	err := uninterrupted(func() (err error) {
		fd, err = unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return err != unix.ENOENT
	}
	_ = uninterrupted(func() error { _, err := unix.Write(fd, wakeUps); return err })
	_ = unix.Close(fd)
	return true
}
