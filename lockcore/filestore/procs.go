package filestore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
// has locked its file.
//
// That somebody is dead needs a proof, which is the file without the lock. A file
// that is missing proves nothing: a program that cleans up may have deleted it.
//
//	t0  process 1 holds board-1; its file is locked
//	t1  something deletes the file; process 1 counts as alive, and board-1 as held
//	t2  process 1 makes its next step: it finds its file gone and makes it anew

// newProcID names a store: the pid for people, the rest against repetition.
func newProcID() string { return fmt.Sprintf("%d-%s", os.Getpid(), strings.ToLower(rand.Text()[:13])) }

// register makes the file by which others see this store live. The state may name
// the store already, so nobody may see the file before it is locked.
func (s *Store) register() error {
	if s.alive != nil {
		s.alive.close() // its file was deleted, or the whole state
		s.alive = nil
	}
	at := s.loc.at()
	f, err := at.procs.createLocked(s.id, at.filePerm)
	if errors.Is(err, fs.ErrNotExist) { // the directory was deleted
		if err = s.loc.prepare(); err == nil {
			at = s.loc.at()
			f, err = at.procs.createLocked(s.id, at.filePerm)
		}
	}
	if err == nil {
		s.alive = &f
	}
	return err
}

// registered reports whether the file of this store is still there.
func (s *Store) registered() bool {
	if s.alive == nil {
		return false
	}
	i, err := s.alive.info()
	return err == nil && i.links > 0
}

// dead reports whether the process is known to be dead. What cannot be found out
// counts as alive: the leases then end with their TTL.
func (l *location) dead(id string) bool {
	at := l.at()
	f, _, err := at.openIn(at.procs, id, forTest)
	if err != nil {
		return false
	}
	defer f.close()
	if ok, err := f.tryLock(false); err != nil || !ok {
		return false
	}
	defer f.unlock()
	// If it was deleted since it was opened, its process may have another one by now,
	// and have dropped this. A file with content was left by a store that was closed,
	// see retire.
	i, err := f.info()
	return err == nil && i.links > 0 && i.size == 0
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
	for _, suffix := range []string{"", fifoSuffix, portSuffix, newSuffix} {
		// If it fails, because the file is another user's, it is in nobody's way.
		_ = s.loc.at().procs.remove(id + suffix)
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
	var ids []string
	for _, id := range l.at().procs.names() { // a directory that cannot be read hides only rubbish
		for _, suffix := range []string{fifoSuffix, portSuffix, newSuffix} {
			id = strings.TrimSuffix(id, suffix)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// unlocked reports whether the process is gone, in whatever way: unlike dead, a
// store that was closed and has left leases counts, and so does a process that
// has no file, since nobody's life depends on the answer.
func (l *location) unlocked(id string) bool {
	at := l.at()
	f, _, err := at.openIn(at.procs, id, forTest)
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
			pids = append(pids, pidOf(id))
		}
	}
	return slices.Compact(pids)
}

// pidOf is the pid in the name of a process.
func pidOf(id string) string {
	pid, _, _ := strings.Cut(id, "-")
	return pid
}
