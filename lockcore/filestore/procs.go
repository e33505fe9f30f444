package filestore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A process (precisely: an open [Store]) is seen to live by the kernel lock that
// it holds on a file of its own in the procs directory. The kernel drops the
// lock when the process ends, however it ends: kill -9, os.Exit and the panic of
// an expired go test -timeout included.
//
// All of this happens under the lock of the state file, except for the test,
// which may be made at any time: a process is named in the state only after it
// has locked its file, and never again after its file was removed.

// newProcID names a store: the pid for people, the rest against repetition.
func newProcID() string { return fmt.Sprintf("%d-%s", os.Getpid(), strings.ToLower(rand.Text()[:13])) }

// register makes the file by which others see this store live.
func (s *Store) register() error {
	if s.alive != nil {
		s.alive.close() // its file was deleted together with the state
		s.alive = nil
	}
	f, err := openFile(filepath.Join(s.loc.procs(), s.id), forCreation, s.loc.filePerm)
	if err != nil {
		return err
	}
	if ok, err := f.tryLock(true); !ok {
		f.close()
		return errors.Join(fmt.Errorf("somebody has locked %s, which is this process's own", f.path), err)
	}
	s.alive = &f
	return s.loc.share(f)
}

// dead reports whether the process is known to be dead. What cannot be found out
// counts as alive: the leases then end with their TTL.
func (l *location) dead(id string) bool {
	f, err := openFile(filepath.Join(l.procs(), id), forTest, 0)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.close()
	if ok, err := f.tryLock(false); err != nil || !ok {
		return false
	}
	defer f.unlock()
	// A file with content was left by a store that was closed, see retire.
	size, err := f.size()
	return err == nil && size == 0
}

// retire ends the registration. The leases of a closed store stay until their
// TTL ends, as in every store, so if there are any, its file stays too, marked.
func (s *Store) retire(named bool) {
	if s.alive == nil {
		return
	}
	if named {
		_ = s.alive.writeAt([]byte("closed\n"), 0) // if it fails, the leases end early
	} else {
		s.remove(s.id)
	}
	s.alive.unlock()
	s.alive.close()
	s.alive = nil
}

// remove deletes the files of a process that is not named in the state.
func (s *Store) remove(id string) {
	for _, suffix := range []string{"", fifoSuffix, portSuffix} {
		// If it fails, because the file is another user's, it is in nobody's way.
		_ = os.Remove(filepath.Join(s.loc.procs(), id+suffix))
	}
}

// sweep removes the files of processes that died without being named in the
// state: nobody tests those. Each process does it once, at its start, so that
// the directory cannot fill up.
func (s *Store) sweep(named []string) {
	for _, id := range s.loc.registered() {
		if id != s.id && !slices.Contains(named, id) && s.loc.unlocked(id) {
			s.remove(id)
		}
	}
}

// registered lists the processes that have a file.
func (l *location) registered() []string {
	entries, _ := os.ReadDir(l.procs()) // a directory that cannot be read hides only rubbish
	var ids []string
	for _, e := range entries {
		id := strings.TrimSuffix(strings.TrimSuffix(e.Name(), fifoSuffix), portSuffix)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// unlocked reports whether the process is gone, in whatever way: unlike dead, a
// store that was closed and has left leases counts.
func (l *location) unlocked(id string) bool {
	f, err := openFile(filepath.Join(l.procs(), id), forTest, 0)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer f.close()
	ok, err := f.tryLock(false)
	if ok {
		f.unlock()
	}
	return ok && err == nil
}

// living lists the pids of the processes that have the namespace open.
func (l *location) living() []string {
	var pids []string
	for _, id := range l.registered() {
		if !l.unlocked(id) {
			pid, _, _ := strings.Cut(id, "-")
			pids = append(pids, pid)
		}
	}
	return slices.Compact(pids)
}
