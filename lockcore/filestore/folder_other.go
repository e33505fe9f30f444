//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package filestore

import (
	"io/fs"
	"os"
	"path/filepath"
)

// A folder is a directory. On Windows nobody can delete or exchange what somebody
// has open, and few may make links at all, so a path will do.
type folder struct {
	path string
	mode fs.FileMode
	uid  uint32
}

func openFolder(path string) (*folder, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, &strangeError{path, kindOf(st.Mode())}
	}
	return &folder{path: path, mode: 0o700}, nil
}

func (d *folder) close() {}

func (d *folder) join(name string) string { return filepath.Join(d.path, name) }

func (d *folder) open(name string, mode openMode, perm fs.FileMode) (file, error) {
	return openFile(d.join(name), mode, perm)
}

// enter opens a folder in the folder, which must be a directory and no link to
// one.
func (d *folder) enter(name string) (*folder, error) {
	path := d.join(name)
	st, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, &strangeError{path, kindOf(st.Mode())}
	}
	return &folder{path: path, mode: 0o700}, nil
}

func (d *folder) make(name string, perm fs.FileMode) error {
	if err := os.Mkdir(d.join(name), perm.Perm()); err != nil && !os.IsExist(err) {
		return err
	}
	return nil
}

func (d *folder) remove(name string) error { return os.Remove(d.join(name)) }

func (d *folder) rename(from, to string) error { return os.Rename(d.join(from), d.join(to)) }

// names lists what is in the folder; nothing if that cannot be found out.
func (d *folder) names() (names []string) {
	entries, _ := os.ReadDir(d.path)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// identityAt is the zero value if there is no such file, and otherwise too: see
// file.info.
func identityAt(string) identity { return identity{} }

// createLocked makes a file and locks it. A file that is open cannot be renamed
// here, so others may see it for a moment before it is locked.
func (d *folder) createLocked(name string, perm fs.FileMode) (file, error) {
	f, err := d.open(name, forCreation, perm)
	if err != nil {
		return f, err
	}
	if ok, err := f.tryLock(true); err != nil || !ok {
		f.close()
		if err == nil {
			err = &strangeError{f.path, "locked by somebody else"}
		}
		return file{}, err
	}
	return f, nil
}

// euid is the user of this process; files have none here.
func euid() uint32 { return 0 }
