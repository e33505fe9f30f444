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
	"sync/atomic"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
)

// A location is where the files of one namespace are, and with which access.
//
//	dir/                     of the user, or shared
//	dir/ns-default/          one namespace
//	    state                who holds and waits, see image.go
//	    queue                who wants to change it, see queue.go
//	    history, holds       how long tests held, see history.go
//	    procs/ID             locked as long as the process lives, see procs.go
//	    procs/ID.fifo, .port where to wake it, see wake.go
//	dir/.holders/ns-default/ outlives the namespace, see holders.go
type location struct {
	dir       string // as the user gave it, made absolute
	own       bool   // the per-user default: made when missing
	namespace string
	name      string // of the directory of the namespace
	space     string // its path
	// network names the file system of a directory if it is a network's.
	network func(dir string) string

	open atomic.Pointer[folders]
}

// folders are the open directories of a location, and the access to what is made
// in them. They are opened anew when somebody has deleted one.
type folders struct {
	base, space, procs *folder

	shared   bool        // others may write to base
	owner    uint32      // of base
	filePerm fs.FileMode // of every file
	dirPerm  fs.FileMode // of every directory
}

func (l *location) at() *folders { return l.open.Load() }

func (f *folders) close() {
	for _, d := range []*folder{f.base, f.space, f.procs} {
		if d != nil {
			d.close()
		}
	}
}

func (l *location) state() string { return filepath.Join(l.space, stateName) }

const (
	stateName   = "state"
	procsName   = "procs"
	holdersName = ".holders"
	newSuffix   = ".new" // of what is not in its place yet
)

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
	l.name = escape(namespace)
	l.space = filepath.Join(l.dir, l.name)
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
	var f folders
	if f.base, err = openFolder(l.dir); err != nil {
		return l.explain(err)
	}
	f.access(f.base)
	if l.own && f.owner != euid() && euid() != 0 {
		f.close()
		return fmt.Errorf("file: %s should be this user's own, and belongs to user %d: see who made it (ls -ld %[1]s), then delete it, or name another directory, as in file:///var/lib/rtest", l.dir, f.owner)
	}
	if f.space, err = f.folder(f.base, l.name); err == nil {
		f.procs, err = f.folder(f.space, procsName)
	}
	if err != nil {
		f.close()
		return l.explain(err)
	}
	if old := l.open.Swap(&f); old != nil {
		old.close()
	}
	return nil
}

// folder opens a directory of the location, and makes it when it is missing.
func (a *folders) folder(in *folder, name string) (*folder, error) {
	d, err := in.enter(name)
	if errors.Is(err, fs.ErrNotExist) {
		if err = in.make(name, a.dirPerm); err == nil {
			d, err = in.enter(name)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := a.trust(d.path, d.uid); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// trust reports an error if something belongs to a user who has no business in
// the location. Where others may write on purpose, anybody has.
func (a *folders) trust(path string, uid uint32) error {
	if a.shared || uid == euid() || uid == a.owner || uid == 0 {
		return nil
	}
	return &strangeError{path, fmt.Sprintf("of user %d", uid)}
}

// inspect reports an error unless the open file is one that this program can
// have made: a regular one with one name, of somebody who has business here. A
// second name would be a hard link, perhaps from a file that is used elsewhere.
func (a *folders) inspect(f file) (info, error) {
	i, err := f.info()
	if err != nil {
		return i, err
	}
	if i.links > 1 {
		return i, &strangeError{f.path, fmt.Sprintf("a file with %d names (hard links)", i.links)}
	}
	return i, a.trust(f.path, i.uid)
}

// openIn opens a file of the location that is not locked for a step, and inspects
// it.
func (a *folders) openIn(d *folder, name string, mode openMode) (file, info, error) {
	f, err := d.open(name, mode, a.filePerm)
	if err != nil {
		return f, info{}, err
	}
	i, err := a.inspect(f)
	if err != nil {
		f.close()
		return file{}, i, err
	}
	return f, i, nil
}

// access derives the modes of what is made in the directory: for the owner
// alone, unless the directory is writable for its group or for all, that is,
// shared on purpose.
func (a *folders) access(base *folder) {
	a.owner = base.uid
	a.filePerm, a.dirPerm = 0o600, 0o700
	a.shared = base.mode&0o022 != 0
	if base.mode&0o020 != 0 {
		a.filePerm |= 0o060
		a.dirPerm |= 0o070 | base.mode&fs.ModeSetgid
	}
	if base.mode&0o002 != 0 {
		a.filePerm |= 0o006
		a.dirPerm |= 0o007
	}
}

// explain adds the mend to an error of the file system, which says by itself
// what was tried and with which file. errors.Is still finds the cause.
func (l *location) explain(err error) error {
	mend := ""
	var strange *strangeError
	switch {
	case errors.As(err, &strange): // names its mend
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
