//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// A folder is an open directory. What is in it is reached by its descriptor and
// a name, not by a path: whoever may write to a directory above could exchange
// that for a symbolic link between a look and the use.
//
// It is safe for concurrent use; after close, every use fails.
type folder struct {
	path string
	mode fs.FileMode
	uid  uint32

	mu sync.RWMutex
	fd int
}

// openFolder opens a directory that the user named, through symbolic links if
// the user named such.
func openFolder(path string) (*folder, error) { return openFolderAt(unix.AT_FDCWD, path, path, 0) }

func openFolderAt(dir int, name, path string, flags int) (*folder, error) {
	fd, err := openRetrying(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|flags, 0)
	var st unix.Stat_t
	if err != 0 {
		if flags != 0 && err != unix.ENOENT && err != unix.EACCES && unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return nil, &strangeError{path, kindOf(modeOf(&st))}
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	d := &folder{path: path, fd: fd}
	if err := unix.Fstat(fd, &st); err != nil {
		d.close()
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	d.mode, d.uid = fs.FileMode(st.Mode&0o777), st.Uid
	if st.Mode&unix.S_ISGID != 0 {
		d.mode |= fs.ModeSetgid
	}
	return d, nil
}

func (d *folder) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fd >= 0 {
		_ = unix.Close(d.fd)
		d.fd = -1
	}
}

// do runs f with the descriptor, which stays open meanwhile.
func (d *folder) do(f func(fd int) error) error {
	if d == nil {
		return errors.ErrUnsupported
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.fd < 0 {
		return &fs.PathError{Op: "open", Path: d.path, Err: fs.ErrClosed}
	}
	return f(d.fd)
}

func (d *folder) join(name string) string { return filepath.Join(d.path, name) }

// open opens a file of the folder.
func (d *folder) open(name string, mode openMode, perm fs.FileMode) (f file, err error) {
	err = d.do(func(fd int) error { f, err = openAt(fd, name, d.join(name), mode, perm); return err })
	return f, err
}

// enter opens a folder in the folder, which must be a directory and no link to
// one.
func (d *folder) enter(name string) (sub *folder, err error) {
	err = d.do(func(fd int) error { sub, err = openFolderAt(fd, name, d.join(name), unix.O_NOFOLLOW); return err })
	return sub, err
}

// make makes a folder in the folder if there is none, with a mode that no umask
// narrows. The mode of one that exists is left alone.
func (d *folder) make(name string, perm fs.FileMode) error {
	var err error
	if doErr := d.do(func(fd int) error { err = unix.Mkdirat(fd, name, uint32(perm.Perm())); return nil }); doErr != nil {
		return doErr
	}
	if err == unix.EEXIST {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: d.join(name), Err: err}
	}
	if perm == 0o700 {
		return nil
	}
	sub, err := d.enter(name)
	if err != nil {
		return err
	}
	defer sub.close()
	if sub.uid != uint32(os.Geteuid()) {
		return &strangeError{sub.path, "not the directory that was just made"}
	}
	mode := uint32(perm.Perm())
	if perm&fs.ModeSetgid != 0 {
		mode |= unix.S_ISGID
	}
	return sub.do(func(fd int) error {
		if err := unix.Fchmod(fd, mode); err != nil {
			return &fs.PathError{Op: "chmod", Path: sub.path, Err: err}
		}
		return nil
	})
}

func (d *folder) remove(name string) error {
	if _, err := meddle("remove", d.join(name), 0, 0); err != nil {
		return err
	}
	return d.do(func(fd int) error { return unix.Unlinkat(fd, name, 0) })
}

func (d *folder) rename(from, to string) error {
	if _, err := meddle("rename", d.join(to), 0, 0); err != nil {
		return err
	}
	return d.do(func(fd int) error {
		if err := unix.Renameat(fd, from, fd, to); err != nil {
			return &os.LinkError{Op: "rename", Old: d.join(from), New: d.join(to), Err: err}
		}
		return nil
	})
}

// names lists what is in the folder; nothing if that cannot be found out.
func (d *folder) names() (names []string) {
	_ = d.do(func(fd int) error {
		sub, err := openRetrying(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != 0 {
			return err
		}
		f := os.NewFile(uintptr(sub), d.path)
		defer f.Close()
		names, _ = f.Readdirnames(-1)
		return nil
	})
	return names
}

// identityAt is which file has the path now.
func identityAt(path string) identity {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return identity{}
	}
	return identity{uint64(st.Dev), uint64(st.Ino)}
}

// createLocked makes a file that nobody sees before it is locked, in the place of
// one of the same name.
func (d *folder) createLocked(name string, perm fs.FileMode) (file, error) {
	temp := name + newSuffix
	_ = d.remove(temp) // of a process of the same name that was killed in here
	f, err := d.open(temp, forNew, perm)
	if err != nil {
		return f, err
	}
	var ok bool
	if ok, err = f.tryLock(true); err == nil && !ok {
		err = &strangeError{f.path, "locked by somebody else"}
	}
	if err == nil {
		err = d.rename(temp, name)
	}
	if err != nil {
		_ = d.remove(temp)
		f.close()
		return file{}, err
	}
	f.path = d.join(name)
	return f, nil
}

// euid is the user of this process.
func euid() uint32 { return uint32(os.Geteuid()) }
