package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"slices"
	"strings"
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
		// Whoever deleted the file before it was written may have made another one,
		// and given away there what this step has granted.
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

// errDeleted tells that the state file has no name any more: the step goes to the
// next file.
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
	defer file.unlock()
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

const (
	// spinLimit is how long a step tries to lock the state without a pause: about the
	// length of a step.
	spinLimit  = 30 * time.Microsecond
	firstPause = 20 * time.Microsecond
	lastPause  = time.Millisecond
	// lockLimit is how long a step waits for the lock. Steps take microseconds: who
	// holds it longer was stopped in the middle of one.
	lockLimit = 10 * time.Second
)

// lock waits for the lock of the state: first in the queue, and at its front by
// trying again and again, which can be given up.
func (s *Store) lock(ctx context.Context, f file) error {
	if s.mayGoOn() && lockSoon(&f, spinLimit) {
		return nil
	}
	if s.queueEmpty() {
		if ok, err := f.tryLock(true); ok && err == nil {
			return nil
		}
	}
	if s.waitForTurn(ctx) {
		defer func() {
			s.leaveQueue()
			s.queue.more = time.Now().Add(oneMoreFor)
		}()
	}
	var gen uint64
	var start time.Time
	for pause := firstPause; ; {
		ok, err := f.tryLock(true)
		if err != nil {
			return s.loc.explain(err)
		}
		if ok {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("file: %s: waiting for its lock: %w", f.path, err)
		}
		if start.IsZero() {
			start, gen = time.Now(), newest(f)
		}
		switch waited := time.Since(start); {
		case waited < spinLimit:
		case waited > lockLimit:
			if now := newest(f); now != gen { // it is in use, and others are quicker
				gen, start = now, time.Now()
				continue
			}
			return fmt.Errorf("file: %s has been locked for %s by %s: let it go on (kill -CONT) or end it", f.path, lockLimit, lockHolder(f))
		default:
			time.Sleep(pause/2 + mathrand.N(pause))
			pause = min(pause+pause/2, lastPause)
		}
	}
}

// newest is the generation of the state, as far as it can be known without the
// lock.
func newest(f file) uint64 {
	var b [frontSize]byte
	if _, err := f.readAt(b[:], 0); err != nil {
		return 0
	}
	if front := parseFront(b[:]); len(front.headers) > 0 {
		return front.headers[0].gen
	}
	return 0
}

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
	s.forgetQueue() // the next step opens the one that is there now
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
// written since.
func (s *Store) read(f file) error {
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
	// The usual case in a process that is alone: it wrote the state itself.
	if h := &front.headers[0]; s.state != nil && h.gen == s.head.gen && h.instance == s.head.instance {
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

// decode reads the state that the header points to.
func (s *Store) decode(f file, h *header) (*sched.State, error) {
	var b []byte
	if (place{h.at, h.size}).small() {
		b = s.front[min(h.at, frontSize):min(h.at+h.size, frontSize)]
	} else if h.at+h.size <= s.at.size {
		s.buf = slices.Grow(s.buf[:0], int(h.size))[:h.size]
		n, err := f.readAt(s.buf, h.at)
		if err != nil {
			return nil, err
		}
		b = s.buf[:n]
	}
	if int64(len(b)) < h.size {
		return nil, errCut
	}
	if checksum(b) != h.sum {
		return nil, errBadState
	}
	st, err := sched.Decode(b)
	if err != nil {
		return nil, err
	}
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
	var blank [headerSize]byte
	s.buf = s.state.Append(append(s.buf[:0], blank[:]...))
	slot, state := 1-s.slot, s.buf[headerSize:]
	if len(state) > stateLimit {
		return fmt.Errorf("the state would become %d bytes large, more than any program should keep there (%d): see what holds or waits for so much with rtest-report ls", len(state), stateLimit)
	}
	p := room(slot, place{s.head.at, s.head.size}, int64(len(state)))
	h := header{instance: s.head.instance, gen: s.head.gen + 1, at: p.at, size: p.size, sum: checksum(state), offset: offset, ticks: ticks, boot: s.boot, firstToken: s.head.firstToken}
	h.append(s.buf[:0]) // over the blank, in place
	last := s.buf       // the write that makes the state valid
	if !p.small() {
		if err := f.writeAt(state, p.at); err != nil {
			return err
		}
		last = s.buf[:headerSize]
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
	if end := s.head.at + s.head.size; end > shrinkAbove && p.at+p.size < end/8 {
		_ = f.truncate(max(p.at+p.size, reservedSize)) // only room, so no matter if it fails
	}
	s.head, s.slot = h, slot
	if s.crash != nil {
		s.crash("after the header")
	}
	return nil
}

// shrinkAbove is the size from which a file that has become far too long is cut.
const shrinkAbove = 1 << 20

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
