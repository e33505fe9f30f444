package filestore

import (
	"bytes"
	"context"
	"encoding/binary"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// The queue is the line of the processes that want to make a step while another
// one makes one. It stands in a file; only the first in it tries to lock the state,
// and whoever comes stands behind all others:
//
//	process 1 makes a step; process 2 is first and tries again and again to lock
//	the state; 3 and 4 sleep
//	process 1 is done, wants another step, and stands behind 4
//	process 2 has the lock, leaves the queue and wakes 3
//
// Without it, whoever loops finds the state unlocked before anybody else has
// woken up: of 100 processes one got 11,000 turns, the median 23.
//
// It is a matter of fairness only, since the lock of the state is what excludes
// others. So whatever is wrong with the queue, a step goes on without: when the
// first does not live, it is taken out; when it does not leave for a while,
// because it was stopped, too; and when the file cannot be used, it is left alone
// for a while.
type queue struct {
	file   *file
	skip   time.Time     // it is not used until then
	more   time.Time     // until then the process may make one more step; see mayGoOn
	inside bool          // the process stands in it, as the first
	used   atomic.Int64  // when it stood in it last, in nanoseconds
	next   wakeWriter    // to the process that was woken last
	turn   chan struct{} // word that this process may be the first by now
}

// waitingLine is what the file holds: how many have left the queue at its front, and
// the processes in it.
type waitingLine struct {
	served uint64
	procs  []string
}

const (
	queueName = "queue"
	// queueEntry is the room for a process; there is none for more than queueMost.
	queueEntry = 32
	queueHead  = 16
	queueMost  = 1000
	// queueBusy is how long a step tries to lock the file, which takes microseconds.
	queueBusy = time.Second
	// queueCheck is how often those in the queue look whether a wake-up was lost, or
	// the first has died.
	queueCheck = 50 * time.Millisecond
	// queueStuck is after which time without a change the first counts as stopped.
	queueStuck = 250 * time.Millisecond
	// queueSkip is how long the queue is not used when it cannot be.
	queueSkip = time.Second
	// oneMoreFor is how long a process whose turn came may make one more step.
	oneMoreFor = time.Millisecond
	// turnCall is what wakes a process for its turn, where else the hash of a ticket
	// stands.
	turnCall = 0
)

// queueEmpty reports whether nobody waits for a turn, so that the lock may be tried.
// It is only a look: whoever joins in this moment loses one turn.
func (s *Store) queueEmpty() bool {
	var b [4]byte
	f, err := s.queueFile()
	if err != nil {
		return true
	}
	n, err := f.readAt(b[:], 0)
	return err != nil || n < len(b) || binary.LittleEndian.Uint32(b[:]) == 0
}

// mayGoOn reports whether this process may try to make a step although others wait:
// once after each turn, if that was just now. What is taken for a moment is so
// given back at once, and a turn costs one wake-up instead of two. All have the
// same right, so nobody gets more than others by it.
func (s *Store) mayGoOn() bool {
	may := time.Now().Before(s.queue.more)
	s.queue.more = time.Time{}
	return may
}

func (s *Store) queueFile() (*file, error) {
	if s.queue.file == nil {
		at := s.loc.at()
		f, _, err := at.openIn(at.space, queueName, forCreation)
		if err != nil {
			return nil, err
		}
		s.queue.file = &f
	}
	return s.queue.file, nil
}

// changeQueue reads the queue, lets f change it and writes it, alone on the
// machine. It reports false if that cannot be done.
func (s *Store) changeQueue(f func(l *waitingLine) (changed bool)) bool {
	if s.queue.skip.After(time.Now()) {
		return false
	}
	file, err := s.queueFile()
	if err == nil && !lockSoon(file, queueBusy) {
		err = errTooLong
	}
	if err != nil {
		s.queue.skip = time.Now().Add(queueSkip)
		return false
	}
	defer file.unlock()
	b := make([]byte, queueHead, queueHead+8*queueEntry)
	if n, _ := file.readAt(b, 0); n < queueHead {
		clear(b)
	}
	l := waitingLine{served: binary.LittleEndian.Uint64(b[8:])}
	if n := binary.LittleEndian.Uint32(b); n > 0 && n <= queueMost {
		entries := make([]byte, n*queueEntry)
		if m, _ := file.readAt(entries, queueHead); m == len(entries) { // else it was damaged, and nobody is in it
			for e := range slices.Chunk(entries, queueEntry) {
				l.procs = append(l.procs, strings.TrimRight(string(e), "\x00"))
			}
		}
	}
	if !f(&l) || len(l.procs) > queueMost {
		return len(l.procs) <= queueMost
	}
	binary.LittleEndian.PutUint32(b, uint32(len(l.procs)))
	binary.LittleEndian.PutUint64(b[8:], l.served)
	for _, id := range l.procs {
		var e [queueEntry]byte
		copy(e[:], id)
		b = append(b, e[:]...)
	}
	return file.writeAt(b, 0) == nil
}

// lockSoon locks a file that is only ever locked for microseconds.
func lockSoon(f *file, limit time.Duration) bool {
	var start time.Time
	for wait := firstPause; ; {
		if ok, err := f.tryLock(true); ok || err != nil {
			return ok
		}
		switch {
		case start.IsZero():
			start = time.Now()
		case time.Since(start) > limit:
			return false
		case time.Since(start) > spinLimit:
			pause(wait/2 + mathrand.N(wait))
			wait = min(2*wait, lastPause)
		}
	}
}

// waitForTurn stands in the queue until this process is the first. It reports
// false if the step has to do without a place, which it then must not leave.
func (s *Store) waitForTurn(ctx context.Context) bool {
	select {
	case <-s.queue.turn: // from the last time
	default:
	}
	var l waitingLine
	joined := s.changeQueue(func(line *waitingLine) bool {
		line.procs = append(slices.DeleteFunc(line.procs, func(id string) bool { return id == s.id }), s.id)
		l = *line
		return true
	})
	if !joined || l.procs[0] == s.id {
		return joined
	}
	if s.listen(); s.receiver != nil && !s.receiver.reachable() {
		s.stopReceiving()
		s.listen()
	}
	s.queue.used.Store(time.Now().UnixNano())
	s.watch() // closes the receiver again, when it was not needed for a while
	if len(l.procs) > 1 && l.procs[1] == s.id && s.spinForTurn() {
		return true
	}
	check := time.NewTimer(queueCheck)
	defer check.Stop()
	since := time.Now() // the present first has been that
	for {
		select {
		case <-s.queue.turn:
			if s.isFirst() {
				return true
			}
		case <-check.C:
			check.Reset(queueCheck)
		case <-ctx.Done():
			s.leaveQueue()
			return false
		}
		before, out := l, ""
		ok := s.changeQueue(func(line *waitingLine) bool {
			if len(line.procs) > 0 && line.procs[0] != s.id {
				first := line.procs[0]
				stuck := line.served == before.served && first == before.procs[0] && time.Since(since) > queueStuck
				if stuck || s.loc.unlocked(first) {
					out = first
					line.procs = line.procs[1:]
					line.served++
				}
			}
			l = *line
			return out != ""
		})
		if !ok || !slices.Contains(l.procs, s.id) {
			return false // it was taken out, as one that was stopped
		}
		if l.procs[0] == s.id {
			return true
		}
		if out != "" {
			s.callTurn(l.procs[0])
		}
		if l.served != before.served || l.procs[0] != before.procs[0] {
			since = time.Now()
		}
	}
}

// spinForTurn looks for a moment whether the one before leaves: with two
// processes, that takes less time than to fall asleep and to be woken.
func (s *Store) spinForTurn() bool {
	for start := time.Now(); time.Since(start) < spinLimit; {
		if s.isFirst() {
			return true
		}
	}
	return false
}

// isFirst reports whether this process is the first in the queue. It is only a look,
// which may come in the middle of a change: then it says no, or is wrong about the order.
func (s *Store) isFirst() bool {
	var b [queueHead + queueEntry]byte
	n, err := s.queue.file.readAt(b[:], 0)
	return err == nil && n == len(b) && binary.LittleEndian.Uint32(b[:]) > 0 && string(bytes.TrimRight(b[queueHead:], "\x00")) == s.id
}

// leaveQueue takes this process out of the queue, and wakes whoever is the first
// then.
func (s *Store) leaveQueue() {
	next := ""
	s.changeQueue(func(l *waitingLine) bool {
		i := slices.Index(l.procs, s.id)
		if i < 0 {
			return false
		}
		l.procs = slices.Delete(l.procs, i, i+1)
		if i == 0 {
			l.served++
			if len(l.procs) > 0 {
				next = l.procs[0]
			}
		}
		return true
	})
	if next != "" {
		s.callTurn(next)
	}
}

// inUse reports whether this process stood in the queue a short while ago.
func (q *queue) inUse() bool { return time.Now().UnixNano()-q.used.Load() < int64(watchEvery) }

// callTurn wakes a process for its turn. Those that go on making steps stand in the
// same order each time, so the way to the one that was woken last is kept open.
func (s *Store) callTurn(id string) {
	word := binary.LittleEndian.AppendUint64(nil, turnCall)
	if s.queue.next.id == id && s.queue.next.send(word) {
		return
	}
	s.queue.next.close()
	s.queue.next = openWriter(s.loc.at(), id)
	if !s.queue.next.send(word) {
		call(s.loc.at(), id, word)
	}
}

// forgetQueue closes what the queue has open.
func (s *Store) forgetQueue() {
	s.queue.next.close()
	s.queue.next = wakeWriter{}
	if s.queue.file != nil {
		s.queue.file.close()
		s.queue.file = nil
	}
}
