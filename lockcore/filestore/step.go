package filestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// step changes the state: alone in the process and on the machine, from the
// newest state to one that is on disk. If it fails, nothing has changed, what f
// did included.
//
// Those whom it granted something are told afterwards, without the lock, which
// they will want at once. If this process dies in between, the look of another
// one tells them (see watch.go); telling them first would need no second way,
// but would wake them to wait for the lock.
func (s *Store) step(ctx context.Context, f func(st *sched.State, now int64)) error {
	var granted []sched.Granted
	err := s.inTurn(ctx, func(file file) error {
		// The clock is read under the lock, so that times rise with generations.
		ticks := s.ticks()
		now, offset := s.head.clock(s.boot, ticks, time.Now().UnixNano())
		s.reaped, s.veto = s.reaped[:0], nil
		f(s.state, now)
		if s.veto != nil {
			return s.veto
		}
		granted = s.settle(now)
		if err := s.commit(file, ticks, offset); err != nil {
			return err
		}
		// If the file was deleted before it was written, there may be another one by
		// now, in which somebody else has what this step has granted.
		if i, err := file.info(); err != nil || i.links == 0 {
			return errDeleted
		}
		for _, id := range s.reaped {
			s.remove(id) // not before it is on disk that nothing is theirs any more
		}
		s.saveHolds()
		return nil
	})
	if err != nil {
		return err
	}
	s.tell(granted)
	return nil
}

// errDeleted tells that the state file has no name any more, or is empty: the step
// goes to the next file, or begins with this one anew.
var errDeleted = errors.New("it was deleted")

// view looks at the newest state and changes nothing.
func (s *Store) view(ctx context.Context, f func(st *sched.State)) error {
	return s.inTurn(ctx, func(file) error {
		if f != nil {
			f(s.state)
		}
		return nil
	})
}

// inTurn runs f with the newest state, alone in the process and on the machine.
func (s *Store) inTurn(ctx context.Context, f func(file) error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("file: %s: waiting for a turn: %w", s.loc.state(), ctx.Err())
	}
	defer func() {
		onLost := s.onLost
		if !s.lostLeases {
			onLost = nil
		}
		s.lostLeases = false
		<-s.turn
		if onLost != nil {
			onLost() // will want a turn
		}
	}()
	if s.closed {
		return fmt.Errorf("%s: %w", s.name, errClosed)
	}
	for range 100 {
		if err := s.section(ctx, f); err != errDeleted {
			return err
		}
	}
	return fmt.Errorf("file: %s is deleted again and again: find out by whom", s.loc.state())
}

// section opens and locks the state file, reads it, and runs f. After an error
// the state is read anew at the next step, since f may have changed it.
//
// The file is opened anew each time, and it must still be the one that has the
// path. A descriptor that is kept would save a fifth of a step, but would go on
// working on a file that was deleted, beside others who work on its successor.
func (s *Store) section(ctx context.Context, f func(file) error) error {
	file, err := s.open()
	if err != nil {
		return err
	}
	defer file.close()
	if err := s.lock(ctx, file); err != nil {
		return err
	}
	defer s.unlock(file)
	s.at, err = s.loc.at().inspect(file)
	switch {
	case err != nil:
	case s.at.links == 0:
		err = errDeleted
	case s.at.identity != identityAt(file.path):
		// One of the directories was deleted, moved or exchanged.
		if err = s.loc.prepare(); err == nil {
			err = errDeleted
		}
	default:
		if err = s.load(file); err == nil {
			err = f(file)
		}
	}
	var d *damage // these name the file and the mend by themselves
	var u *missingHoldersError
	switch {
	case err == nil:
		return nil
	case err == errDeleted, errors.As(err, &d), errors.As(err, &u):
	default:
		err = s.loc.explain(err)
	}
	s.state = nil
	return err
}

// open opens the state file; when somebody has deleted the directories in the
// meantime, it makes them again.
func (s *Store) open() (file, error) {
	open := func() (file, error) {
		at := s.loc.at()
		return at.space.open(stateName, forCreation, at.filePerm)
	}
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.loc.prepare(); err != nil {
			return f, err
		}
		f, err = open()
	}
	if err != nil {
		err = s.loc.explain(err)
	}
	return f, err
}

// settle gives what was granted to a dead process to the next in line, and
// returns who is to be told. It is part of the step: a grant to a dead process,
// once written, would cost the next in line the time until somebody looks. Only
// those who were granted something are tested, which is nobody in most steps.
func (s *Store) settle(now int64) (granted []sched.Granted) {
	for {
		some := s.state.TakeGranted()
		if len(some) == 0 {
			return granted
		}
		var dead []string
		for _, g := range some {
			switch {
			case g.Proc == s.id:
			case slices.Contains(dead, g.Proc):
				continue
			case s.loc.dead(g.Proc):
				dead = append(dead, g.Proc)
				continue
			}
			granted = append(granted, g)
		}
		if len(dead) > 0 {
			s.reap(s.state, now, dead)
		}
	}
}

// commit writes the state. Until the header is written the old state stands.
func (s *Store) commit(f file, ticks, offset int64) error {
	slot := 1 - s.slot
	h := s.head
	h.gen, h.ticks, h.offset, h.boot = h.gen+1, ticks, offset, s.boot
	// A log that cannot be written, because the disk is full, leaves the whole state,
	// for which there may be room.
	last, ok := s.writeLog(f, &h)
	if !ok {
		var err error
		if last, err = s.writeState(f, &h, slot); err != nil {
			return err
		}
	}
	if s.crash != nil {
		s.crash("before the header")
	}
	if err := f.writeAt(last, int64(slot)*slotSize); err != nil {
		// A disk that is full or a limit may have cut the write in the middle. What was
		// there before fits into the same room.
		_ = f.writeAt(s.front[slot*slotSize:(slot+1)*slotSize], int64(slot)*slotSize)
		return err
	}
	if end := s.head.used().end(); end > shrinkAbove && h.used().end() < end/8 {
		_ = f.truncate(max(h.used().end(), reservedSize)) // only room, so no matter if it fails
	}
	if s.emptied(f, &h) {
		_ = f.truncate(0) // as whoever did it meant it
		return errDeleted
	}
	s.state.NoteChanges()
	s.head, s.slot = h, slot
	if s.crash != nil {
		s.crash("after the header")
	}
	return nil
}

// emptied reports whether somebody has emptied the file since the step read it: then
// there may be a header that points to a large state, and nothing but zeros where that
// began. Whoever empties the file later leaves no header.
func (s *Store) emptied(f file, h *header) bool {
	if h.used().small() {
		return false
	}
	var first [1]byte // of an encoded state, which is its version and not zero
	n, err := f.readAt(first[:], h.at)
	return err == nil && (n == 0 || first[0] == 0)
}

// blank is where a header will stand in front of what is written.
var blank [headerSize]byte

// writeLog appends to the log what was changed, and returns the header that makes it
// valid. It reports false if the whole state has to be written instead.
func (s *Store) writeLog(f file, h *header) (last []byte, ok bool) {
	if h.used().small() {
		return nil, false
	}
	s.buf = s.state.AppendChanges(append(append(s.buf[:0], blank[:]...), 0, 0, 0, 0))
	log := s.buf[headerSize:]
	binary.LittleEndian.PutUint32(log, uint32(len(log)-4))
	at, size := h.used().end(), h.logSize+int64(len(log))
	if size > logLimit(h.size) || f.writeAt(log, at) != nil {
		return nil, false
	}
	h.logSize, h.logSum = size, checksumOn(h.logSum, log)
	return h.append(s.buf[:0]), true // over the blank, in place
}

// writeState writes the whole state, unless it is so small that it is written with
// the header, and returns what makes it valid.
func (s *Store) writeState(f file, h *header, slot int) (last []byte, err error) {
	s.buf = s.state.Append(append(s.buf[:0], blank[:]...))
	state := s.buf[headerSize:]
	if len(state) > stateLimit {
		return nil, fmt.Errorf("the state would become %d bytes large, more than any program should keep there (%d): see what holds or waits for so much with rtest-report ls", len(state), stateLimit)
	}
	p := room(slot, h.used(), int64(len(state)))
	if s.large && p.small() {
		p = roomBehind(h.used(), p.size)
	}
	h.at, h.size, h.sum, h.written, h.logSize, h.logSum = p.at, p.size, checksum(state), h.gen, 0, 0
	h.append(s.buf[:0]) // over the blank, in place
	if p.small() {
		return s.buf, nil
	}
	return s.buf[:headerSize], f.writeAt(state, p.at)
}

// shrinkAbove is the size from which a file that has become far too long is cut.
const shrinkAbove = 1 << 20
