package filestore

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
)

// A location is where the files of one namespace are, and with which access.
type location struct {
	dir       string // as the user gave it, made absolute
	own       bool   // the per-user default: made when missing
	namespace string
	space     string      // directory of the namespace
	filePerm  fs.FileMode // of every file
	dirPerm   fs.FileMode // of every directory in it
	// network names the file system of a directory if it is a network's.
	network func(dir string) string
}

func (l *location) state() string { return filepath.Join(l.space, "state") }
func (l *location) procs() string { return filepath.Join(l.space, "procs") }

// defaultDir is the per-user directory, of the user that the process was started
// for: a test may change HOME while its neighbour acquires.
func defaultDir() (string, error) {
	cache, err := environ.CacheDir()
	if err != nil {
		return "", fmt.Errorf("file: there was no directory for this user when the process started (%w): set HOME or XDG_CACHE_HOME, or name a directory, as in file:///var/lib/rtest", err)
	}
	return filepath.Join(cache, "rtest"), nil
}

// locate finds the directory of the namespace, and makes it.
func locate(dir, namespace string, network func(string) string) (*location, error) {
	l := &location{dir: dir, namespace: namespace, network: network}
	if dir == "" {
		var err error
		if l.dir, err = defaultDir(); err != nil {
			return nil, err
		}
		l.own = true
	}
	if !filepath.IsAbs(l.dir) {
		// The same words are the same directory, whatever a test did in between.
		work, err := environ.WorkDir()
		if err != nil {
			return nil, fmt.Errorf("file: %q cannot be made absolute: %w", dir, err)
		}
		l.dir = filepath.Join(work, l.dir)
	}
	l.dir = filepath.Clean(l.dir)
	l.space = filepath.Join(l.dir, escape(namespace))
	return l, l.prepare()
}

// prepare makes what is missing. A directory that was named is not made: if its
// name were mistyped, those who meant to share it would silently not.
func (l *location) prepare() error {
	if l.own {
		if err := os.MkdirAll(l.dir, 0o700); err != nil {
			return fmt.Errorf("file: cannot make the directory of this user: %w; mend that, or name another directory, as in file:///var/lib/rtest", err)
		}
	}
	st, err := os.Stat(l.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("file: there is no directory %s: make it first (mkdir -p for yourself; to share it with a group, chgrp it and chmod 2770): %w", l.dir, err)
	case err != nil:
		return fmt.Errorf("file: cannot look at the directory: %w", err)
	case !st.IsDir():
		return fmt.Errorf("file: %s is not a directory", l.dir)
	}
	// Asked on every occasion, since what is mounted there may change.
	if name := l.network(l.dir); name != "" {
		return fmt.Errorf("file: %s is on a network file system (%s), whose locks and clocks cannot be relied on: choose a directory on a local disk (mkdir -m 700 /tmp/rtest, then file:///tmp/rtest), or share a Redis server instead (redis://host:6379)", l.dir, name)
	}
	l.access(st.Mode())
	for _, d := range []string{l.space, l.procs()} {
		if err := l.mkdir(d); err != nil {
			return l.explain(err)
		}
	}
	return nil
}

// access derives the modes of what is made in the directory: for the owner
// alone, unless the directory is writable for its group or for all, that is,
// shared on purpose.
func (l *location) access(mode fs.FileMode) {
	l.filePerm, l.dirPerm = 0o600, 0o700
	if mode&0o020 != 0 {
		l.filePerm |= 0o060
		l.dirPerm |= 0o070 | mode&fs.ModeSetgid
	}
	if mode&0o002 != 0 {
		l.filePerm |= 0o006
		l.dirPerm |= 0o007
	}
}

// mkdir makes a directory, with a mode that no umask narrows.
func (l *location) mkdir(d string) error {
	err := os.Mkdir(d, l.dirPerm.Perm())
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	// Only who has made it may do this, and nobody else needs to.
	if err == nil && l.dirPerm != 0o700 {
		err = os.Chmod(d, l.dirPerm)
	}
	return err
}

// share gives a file that was just made the mode of its directory, whatever the
// umask.
func (l *location) share(f file) error {
	if l.filePerm == 0o600 {
		return nil
	}
	return f.chmod(l.filePerm)
}

// explain adds the mend to an error of the file system, which says by itself
// what was tried and with which file. errors.Is still finds the cause.
func (l *location) explain(err error) error {
	mend := ""
	switch {
	case errors.Is(err, fs.ErrPermission):
		mend = ": it belongs to another user, or is not writable; to share " + l.dir +
			" with a group, make it anew with chgrp and chmod 2770, else choose another directory, as in file:///var/lib/rtest"
	case isReadOnly(err):
		mend = ": choose a directory on a disk that can be written, as in file:///tmp/rtest"
	case isFull(err):
		mend = ": nothing was changed; free some space there, or choose another directory, as in file:///tmp/rtest"
	case isLockless(err):
		mend = ": this file system has no file locks; choose a directory on a local disk, as in file:///tmp/rtest"
	}
	return fmt.Errorf("file: %w%s", err, mend)
}

// escape turns a namespace into the name of a directory. Plain names stay
// readable; all others, and those that a case-insensitive file system could
// confuse, are told apart by a hash. "ns-" keeps clear of names that a system
// reserves, and the character after it of collisions between the two kinds.
func escape(namespace string) string {
	const readable = 40
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, namespace)
	if plain == namespace && len(plain) <= readable && plain != "" {
		return "ns-" + plain
	}
	sum := sha256.Sum256([]byte(namespace))
	hash := base32.StdEncoding.EncodeToString(sum[:15])
	return "ns~" + plain[:min(len(plain), readable)] + "~" + strings.ToLower(hash)
}
