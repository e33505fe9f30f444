package filestore

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// load sees to it that s.state is what is in the file, and that this process is
// registered in it.
func (s *Store) load(f file) error {
	if err := s.read(f); err != nil {
		return err
	}
	if !s.state.Agree(s.policy) {
		return fmt.Errorf("%s: it is in use under policy=%s, this client was opened for policy=%s: use the same for all, or wait until nobody holds or waits", s.loc.state(), s.state.Policy, s.policy)
	}
	if s.instance == s.head.instance && s.registered() {
		return s.remark()
	}
	// This is the first step, or somebody has deleted the state or the file by which
	// others see us live, and with it perhaps our pipe.
	hadReceiver := s.receiver != nil
	s.stopReceiving()
	if err := s.register(); err != nil {
		return err
	}
	if hadReceiver {
		s.listen()
	}
	if s.instance == s.head.instance {
		return s.remark()
	}
	s.sweep(s.state.Procs())
	s.forgetHolds()
	s.endTurn() // in the queue of before
	s.forgetQueue()
	if len(s.holdings) > 0 {
		ticks := s.ticks()
		now, offset := s.head.clock(s.boot, ticks, time.Now().UnixNano())
		s.enter(now)
		// On disk before others see that this process has entered its leases.
		if err := s.commit(f, ticks, offset); err != nil {
			return err
		}
		if err := s.mark(); err != nil {
			return err
		}
	}
	s.line.wakeAll() // the places in line were lost
	s.instance, s.stateID = s.head.instance, s.at.identity
	return nil
}

// remark makes the file of a holder again that somebody has deleted.
func (s *Store) remark() error {
	if s.marked != nil || len(s.holdings) == 0 {
		return nil
	}
	return s.mark()
}

// read decodes the state in the file, unless that was done before and nobody has
// written since. If that fails because somebody has emptied the file meanwhile, it
// begins a new state.
func (s *Store) read(f file) error {
	for {
		err := s.readOnce(f)
		var d *damage
		if !errors.As(err, &d) {
			return err
		}
		var again [frontSize]byte
		n, readErr := f.readAt(again[:], 0)
		i, infoErr := f.info()
		if clear(again[n:]); readErr != nil || infoErr != nil || again == s.front {
			return err
		}
		s.at = i
	}
}

func (s *Store) readOnce(f file) error {
	n, err := f.readAt(s.front[:], 0)
	if err != nil {
		return err
	}
	clear(s.front[n:]) // a file that is too short reads as one that was never written
	front := parseFront(s.front[:])
	if len(front.headers) == 0 {
		if front.err != nil {
			return s.damaged(front.err)
		}
		return s.begin(f, header{})
	}
	var other *versionError
	// A bad header beside a good one is no trace of a killed process: headers are
	// written whole. Going back to the good one would forget the last grant, and is
	// safe only if everybody who could hold it died with the machine.
	if front.err != nil && (front.headers[0].boot == s.boot || errors.As(front.err, &other)) {
		return s.damaged(front.err)
	}
	if s.state != nil && s.catchUp(f, &front.headers[0]) {
		s.head, s.slot = front.headers[0], front.slots[0]
		return nil
	}
	for i, h := range front.headers {
		st, err := s.decode(f, &h)
		if err == nil {
			s.head, s.slot, s.state = h, front.slots[i], st
			return nil
		}
		if h.boot == s.boot || errors.Is(err, sched.ErrVersion) {
			return s.damaged(err)
		}
		// The machine went down before the disk had it all.
	}
	return s.begin(f, front.headers[0])
}

// catchUp makes the state in memory the one that the header points to, by the end of
// the log. It reports false if that cannot be done; then the state has to be decoded.
func (s *Store) catchUp(f file, h *header) bool {
	switch last := &s.head; {
	case h.instance != last.instance:
		return false
	case h.gen == last.gen: // the usual case in a process that is alone: it wrote the state itself
		return true
	case h.written != last.written, h.gen < last.gen, h.logSize < last.logSize, h.at != last.at, h.size != last.size, h.sum != last.sum:
		return false
	case h.at+h.size+h.logSize > s.at.size:
		return false
	}
	news, err := s.readInto(f, s.head.used().end(), h.logSize-s.head.logSize)
	return err == nil && checksumOn(s.head.logSum, news) == h.logSum && applyLog(s.state, news) == nil
}

// readInto reads n bytes of the file, or as many as there are, into the buffer.
func (s *Store) readInto(f file, at, n int64) ([]byte, error) {
	s.buf = slices.Grow(s.buf[:0], int(n))[:n]
	m, err := f.readAt(s.buf, at)
	return s.buf[:m], err
}

// A log is a sequence of what steps changed: the length of each, in four bytes, and
// what AppendChanges made.
func applyLog(st *sched.State, log []byte) error {
	for len(log) > 0 {
		if len(log) < 4 || int64(binary.LittleEndian.Uint32(log)) > int64(len(log)-4) {
			return errCut
		}
		n := binary.LittleEndian.Uint32(log)
		if err := st.Apply(log[4 : 4+n]); err != nil {
			return err
		}
		log = log[4+n:]
	}
	return nil
}

// decode reads the state that the header points to.
func (s *Store) decode(f file, h *header) (*sched.State, error) {
	var b []byte
	p := h.used()
	if p.small() {
		b = s.front[min(p.at, frontSize):min(p.end(), frontSize)]
	} else if p.end() <= s.at.size {
		var err error
		if b, err = s.readInto(f, p.at, p.size); err != nil {
			return nil, err
		}
	}
	if int64(len(b)) < p.size {
		return nil, errCut
	}
	b, log := b[:h.size], b[h.size:]
	switch {
	case checksum(b) != h.sum:
		return nil, errBadState
	case checksum(log) != h.logSum:
		return nil, errBadLog
	}
	st, err := sched.Decode(b)
	if err == nil {
		err = applyLog(st, log)
	}
	if err != nil {
		return nil, err
	}
	st.NoteChanges()
	st.LockDelay, st.History = s.delay, s.history.known
	return st, nil
}

// begin starts a new state. There may have been one before; see holders.go. The
// empty state is on disk before anybody is registered, so that a process that is
// killed in here has changed nothing.
func (s *Store) begin(f file, last header) error {
	s.state = &sched.State{LockDelay: s.delay, History: s.history.known, Policy: s.policy}
	// After a state that was lost, tokens rise from the present, in microseconds:
	// above all that were given before, which a thing may have been told that knows
	// nothing of the loss. No state gives one a microsecond.
	if s.usedBefore() {
		s.state.BeginTokens(uint64(time.Now().UnixMicro()))
	}
	s.head, s.slot = header{gen: last.gen, firstToken: s.state.Token()}, 1
	if _, err := rand.Read(s.head.instance[:]); err != nil {
		return err
	}
	// Real zeros and no hole, so that the room is there on a full disk.
	if size := s.at.size; size < reservedSize {
		if err := f.writeAt(make([]byte, reservedSize-size), size); err != nil {
			return err
		}
	}
	ticks, wall := s.ticks(), time.Now().UnixNano()
	return s.commit(f, ticks, wall-ticks)
}

// damage tells that the state cannot be read.
type damage struct {
	path, space string
	pids        []string
	err         error
}

func (s *Store) damaged(err error) error {
	return &damage{s.loc.state(), s.loc.space, s.loc.living(), err}
}

func (d *damage) Unwrap() error { return d.err }

func (d *damage) Error() string {
	var b strings.Builder
	var v *versionError
	switch {
	case errors.As(d.err, &v) && v.version > formatVersion, errors.Is(d.err, sched.ErrVersion):
		fmt.Fprintf(&b, "file: %s was written by another version of this program (%v): use the same version of github.com/resourcelocker/resourcelocker everywhere", d.path, d.err)
		b.WriteString(", or start anew: ")
	default:
		fmt.Fprintf(&b, "file: %s is damaged (%v), so nobody knows who holds what. To start anew: ", d.path, d.err)
	}
	if len(d.pids) > 0 {
		fmt.Fprintf(&b, "end the processes that use it (pid %s), then ", strings.Join(d.pids, ", "))
	}
	fmt.Fprintf(&b, "delete %s", d.space)
	return b.String()
}
