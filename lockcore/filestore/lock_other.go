//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
)

// A file cannot be locked here, and a file store without locks would be a trap.
// The package still builds, so that programs that use another store do.
type file struct{ path string }

func openFile(path string, mode openMode, perm fs.FileMode) (file, error) {
	return file{}, fmt.Errorf("no file locks on %s, use a redis:// store: %w", runtime.GOOS, errors.ErrUnsupported)
}

func (f file) close()                            {}
func (f file) tryLock(bool) (bool, error)        { return false, errors.ErrUnsupported }
func (f file) unlock()                           {}
func (f file) readAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (f file) writeAt([]byte, int64) error       { return errors.ErrUnsupported }
func (f file) info() (info, error)               { return info{}, errors.ErrUnsupported }
func (f file) truncate(int64) error              { return errors.ErrUnsupported }
