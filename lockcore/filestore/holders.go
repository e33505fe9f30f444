package filestore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A state can be deleted under the hands of those who hold something by it: by
// rm -rf of the namespace, by a program that cleans up, by emptying the file.
// The next process finds nothing and begins an empty state. So that this gives
// nothing to a second holder:
//
//   - As long as a process has leases, it keeps a file locked that does not lie
//     in the namespace, .holders/NAMESPACE/ID~INSTANCE, where INSTANCE is the
//     state that has its leases. It is locked before a grant is on disk.
//   - Nobody is granted anything in a state as long as there is such a locked
//     file of another state.
//   - A process with leases looks every 100 ms whether its state is still there.
//     If not, it enters its leases into the new one and renames its file.
//
// An example:
//
//	t0  process 1 holds board-1
//	t1  rm -rf ns-default
//	t2  process 2 asks for board-1; it begins a state, finds the file of process
//	    1 for the old one, and waits
//	t3  process 1 looks, enters its lease on board-1, renames its file
//	t4  process 2 is told that board-1 is held
//
// This cannot help when .holders is deleted too. Then the state is as after
// FLUSHALL in Redis: the next to come is granted what is asked for, and the
// holder of before learns of it when it looks, at most about 100 ms later.

// checkEvery is how often a process with leases looks whether its state is still
// there.
const checkEvery = 100 * time.Millisecond

// A holding is a lease that this process has, to the best of its knowledge.
type holding struct {
	grant *lockcore.Grant
	since int64     // ticks
	until time.Time // it was lost or given up without a word, if nobody renewed it
	lost  error     // why it could not be entered into a new state
}

// note remembers a lease that a step granted or renewed, before that is on disk.
func (s *Store) note(g *lockcore.Grant) error {
	h := s.holdings[g.Ticket.ID]
	if h == nil || h.grant.Token != g.Token {
		h = &holding{since: s.ticks()}
		s.holdings[g.Ticket.ID] = h
	}
	h.grant, h.until = g, time.Now().Add(g.Ticket.TTL)
	return s.mark()
}

// mark locks the file that says that this process has leases in the state.
func (s *Store) mark() error {
	if s.marked != nil && s.markedIn == s.head.instance {
		return nil
	}
	dir, err := s.holdersDir()
	if err != nil {
		return err
	}
	defer dir.close()
	name := markName(s.id, s.head.instance)
	if s.marked != nil {
		if i, err := s.marked.info(); err == nil && i.links > 0 && dir.rename(markName(s.id, s.markedIn), name) == nil {
			s.markedIn = s.head.instance
			return nil
		}
		s.unmark()
	}
	f, err := dir.createLocked(name, s.loc.at().filePerm)
	if err != nil {
		return err
	}
	s.marked, s.markedIn = &f, s.head.instance
	s.startChecks()
	return nil
}

func markName(id string, instance id128) string { return id + "~" + hex.EncodeToString(instance[:]) }

// holdersDir opens .holders/NAMESPACE, and makes it when it is missing.
func (s *Store) holdersDir() (*folder, error) {
	at := s.loc.at()
	all, err := at.folder(at.base, holdersName)
	if err != nil {
		return nil, err
	}
	defer all.close()
	return at.folder(all, s.loc.name)
}

// usedBefore reports whether somebody had leases in this namespace before.
func (s *Store) usedBefore() bool {
	all, err := s.loc.at().base.enter(holdersName)
	if err != nil {
		return false
	}
	defer all.close()
	dir, err := all.enter(s.loc.name)
	if err != nil {
		return false
	}
	dir.close()
	return true
}

// unmark says that this process has no leases.
func (s *Store) unmark() {
	if s.marked == nil {
		return
	}
	if dir, err := s.holdersDir(); err == nil {
		_ = dir.remove(markName(s.id, s.markedIn))
		dir.close()
	}
	s.marked.unlock()
	s.marked.close()
	s.marked = nil
}

// missingHolders lists the processes that live and have leases of another state than
// the present one. It removes the files of the dead.
func (s *Store) missingHolders() (pids []string, err error) {
	dir, err := s.holdersDir()
	if err != nil {
		return nil, err
	}
	defer dir.close()
	for _, name := range dir.names() {
		id, instance, ok := strings.Cut(name, "~")
		if !ok || id == s.id || instance == hex.EncodeToString(s.head.instance[:]) {
			continue
		}
		f, _, err := s.loc.at().openIn(dir, name, forTest)
		if err != nil {
			continue // it has just been renamed, or is none of ours
		}
		if free, _ := f.tryLock(false); free {
			_ = dir.remove(name)
			f.unlock()
		} else {
			pids = append(pids, pidOf(id))
		}
		f.close()
	}
	return pids, nil
}

// mayGrant reports whether the state may grant anything: not before everybody
// who has leases of a state that was lost has entered them. Once it has granted
// something, nobody enters leases any more.
func (s *Store) mayGrant() error {
	if s.state.Token() != s.head.firstToken {
		return nil
	}
	pids, err := s.missingHolders()
	if err == nil && len(pids) > 0 {
		err = &missingHoldersError{s.loc.state(), pids}
	}
	return err
}

// missingHoldersError tells that a state was lost, and whose leases it had.
type missingHoldersError struct {
	path string
	pids []string
}

func (e *missingHoldersError) Error() string {
	return fmt.Sprintf("file: %s was deleted or emptied while it was in use, and process %s, which holds something, has not entered it again: let it go on (kill -CONT) or end it", e.path, strings.Join(e.pids, ", "))
}

// whenComplete runs an attempt until no holder is missing any more, for a limited time.
func (s *Store) whenComplete(ctx context.Context, attempt func() error) error {
	var last *missingHoldersError
	for start := time.Now(); ; {
		err := attempt()
		var missing *missingHoldersError
		if !errors.As(err, &missing) || time.Since(start) > lockLimit {
			if last != nil && err != nil && ctx.Err() != nil { // it was given up while it waited for its turn
				return fmt.Errorf("%w (%w)", last, ctx.Err())
			}
			return err
		}
		last = missing
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// enter puts the leases of this process into a state that was begun after the
// one was lost in which they were granted. Once that state has granted anything
// to anybody, it is too late: the same key may have been held and given back.
func (s *Store) enter(now int64) {
	again := s.state.Token() == s.head.firstToken
	for _, h := range s.holdings {
		if again {
			s.state.BeginTokens(h.grant.Token)
			s.head.firstToken = s.state.Token()
		}
		if again && time.Now().Before(h.until) && s.state.Reenter(now, h.grant, now-(s.ticks()-h.since), s.id, noChoice) {
			continue
		}
		h.lost = fmt.Errorf("%s was deleted or emptied while this lease was held, and others were served before it could be entered again: %w", s.loc.state(), lockcore.ErrLost)
		s.lostLeases = true
	}
}

// startChecks looks every 100 ms, without a goroutine that sleeps in between,
// until there are no leases.
func (s *Store) startChecks() {
	if s.checks == nil {
		s.checks = time.AfterFunc(checkEvery, s.check)
		return
	}
	s.checks.Reset(checkEvery)
}

func (s *Store) check() {
	select {
	case s.turn <- struct{}{}:
	case <-s.life.Done():
		return
	}
	if s.closed {
		<-s.turn
		return
	}
	now := time.Now()
	for id, h := range s.holdings {
		if now.After(h.until) {
			delete(s.holdings, id)
		}
	}
	if len(s.holdings) == 0 {
		s.unmark()
		<-s.turn
		return
	}
	s.checks.Reset(checkEvery)
	moved := s.moved()
	<-s.turn
	if moved {
		_ = s.view(s.life, nil) // those who renew or ask are told of errors
	}
}

// moved reports whether the state of this process, or a file of its own, is not
// where it was. It reads without the lock of the state: what it looks for in
// there, only the beginning of another state changes.
func (s *Store) moved() bool {
	if s.queue.file != nil {
		if i, err := s.queue.file.info(); err != nil || i.links == 0 {
			s.forgetQueue()
		}
	}
	if !s.registered() || identityAt(s.loc.state()) != s.stateID {
		return true
	}
	if s.marked != nil {
		if i, err := s.marked.info(); err != nil || i.links == 0 {
			s.marked.close()
			s.marked = nil // the next step makes it anew
			return true
		}
	}
	at := s.loc.at()
	f, _, err := at.openIn(at.space, stateName, forTest)
	if err != nil {
		return true
	}
	defer f.close()
	var b [frontSize]byte
	if _, err := f.readAt(b[:], 0); err != nil {
		return true
	}
	front := parseFront(b[:])
	return front.err != nil || !slices.ContainsFunc(front.headers, func(h header) bool { return h.instance == s.instance }) ||
		slices.ContainsFunc(front.headers, func(h header) bool { return h.instance != s.instance })
}

// noChoice stands where a step that grants nothing wants randomness.
func noChoice(int) int { return 0 }
