//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"
)

// likeness gives a new file the owner and the mode of an old one. An error means
// that the new one cannot take the old one's place.
func likeness(name string, old os.FileInfo) error {
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.ErrUnsupported
	}
	if was.Nlink > 1 { // they would go on to show the old content
		return errors.New("the old file has other names")
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if is, ok := info.Sys().(*syscall.Stat_t); !ok || is.Uid != was.Uid || is.Gid != was.Gid {
		if err := os.Chown(name, int(was.Uid), int(was.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(name, old.Mode()) // behind Chown, which clears set-user-ID
}
