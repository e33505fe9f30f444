package filestore

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// line is who waits in this process.
type line struct {
	mu       sync.Mutex
	waiting  map[uint64]*waiter // by the hash of the ticket
	watching bool               // the goroutine runs
	closed   bool
}

type waiter struct {
	wake  func(*lockcore.Grant)
	until time.Time // forgotten then, unless it asks again
}

// missed is how many polls a waiter may miss before it is forgotten, as in the
// scheduler.
const missed = 3

// join notes whom to wake.
func (l *line) join(t *lockcore.Ticket, wake func(*lockcore.Grant)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[ticketHash(t.ID)] = &waiter{wake, time.Now().Add(missed * sched.Poll(t.TTL))}
}

func (l *line) has(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting[ticketHash(id)] != nil
}

func (l *line) leave(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiting, ticketHash(id))
}

// wake tells a waiter that its turn has come. It stays in line until it asks,
// since the news may be premature.
func (l *line) wake(hash uint64) {
	l.mu.Lock()
	w := l.waiting[hash]
	l.mu.Unlock()
	if w != nil && w.wake != nil {
		w.wake(nil) // outside the lock: it is somebody else's code
	}
}

// wakeAll tells all waiters to ask again.
func (l *line) wakeAll() {
	l.mu.Lock()
	var all []*waiter
	for _, w := range l.waiting {
		all = append(all, w)
	}
	l.mu.Unlock()
	for _, w := range all {
		if w.wake != nil {
			w.wake(nil)
		}
	}
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	clear(l.waiting)
}

// idle forgets who does not ask any more, and reports whether nobody is left:
// then the watch ends. Both happen under one lock, so that a waiter that joins
// at this moment starts another watch.
func (l *line) idle(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for hash, w := range l.waiting {
		if now.After(w.until) {
			delete(l.waiting, hash)
		}
	}
	if len(l.waiting) == 0 {
		l.watching = false
	}
	return len(l.waiting) == 0
}

func (l *line) occupied() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) > 0
}

// listen opens the receiver of the process when somebody begins to wait. The
// goroutine sleeps in the poller. It ends soon after the last waiter has left: a
// process that only holds leaves no goroutine behind.
func (s *Store) listen() {
	if s.receiver != nil {
		return
	}
	e, err := listen(s.loc.at(), s.id)
	if err != nil {
		return // the watch still tells of grants, only later; the next waiter tries again
	}
	s.receiver = e
	s.work.Go(func() {
		buf := make([]byte, 512*wakeSize)
		for {
			n, err := e.Read(buf)
			if err != nil {
				return
			}
			for b := buf[:n]; len(b) >= wakeSize; b = b[wakeSize:] {
				if hash := binary.LittleEndian.Uint64(b); hash != turnCall {
					s.line.wake(hash)
					continue
				}
				select {
				case s.queue.turn <- struct{}{}:
				default: // it has not even heard the last one
				}
			}
		}
	})
}

// keepReceiver opens the receiver anew if somebody has deleted the file by which others
// find it. Until then a wake-up costs the time until somebody looks.
func (s *Store) keepReceiver() {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.life.Done():
		return
	}
	if !s.closed && s.receiver != nil && !s.receiver.reachable() {
		s.stopReceiving()
		s.listen()
	}
}

// stopIdleReceiver closes the receiver if nobody waits any more. A request that
// joins the line opens it in the same turn.
func (s *Store) stopIdleReceiver() {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.life.Done():
		return
	}
	if !s.line.occupied() {
		s.stopReceiving()
	}
}

// stopReceiving closes the receiver, and removes the files by which others find it:
// the next one makes its own, and until then nobody believes to have woken anybody.
func (s *Store) stopReceiving() {
	if s.receiver != nil {
		_ = s.receiver.Close()
		s.receiver = nil
		for _, suffix := range []string{fifoSuffix, portSuffix} {
			_ = s.loc.at().procs.remove(s.id + suffix) // one is not there
		}
	}
}

// tell wakes who was granted something: those of this process directly, those of
// each other one with one call.
func (s *Store) tell(granted []sched.Granted) {
	for len(granted) > 0 {
		proc := granted[0].Proc
		var wakeUps []byte
		granted = slices.DeleteFunc(granted, func(g sched.Granted) bool {
			switch {
			case g.Proc != proc:
				return false
			case proc == s.id:
				s.line.wake(ticketHash(g.ID))
			default:
				wakeUps = appendWakeUp(wakeUps, g.ID)
			}
			return true
		})
		if len(wakeUps) > 0 {
			call(s.loc.at(), proc, wakeUps)
		}
	}
}

const (
	// watchEvery is how often a process that waits thinks of looking for dead ones.
	watchEvery = 80 * time.Millisecond
	// lookFresh is how recent a look may be, of whichever process, to be enough.
	// Together: somebody looks at least every 120 ms, and however many processes
	// wait, not much more often.
	lookFresh = 40 * time.Millisecond
)

// startWatch looks after the waiters of this process while there are any. A
// blocking lock on the file of each holder would tell of a death at once, but
// cannot be given up, and takes a thread for each; looking every so often costs
// a few microseconds, and only while somebody waits.
func (s *Store) startWatch() {
	if s.line.occupied() {
		s.watch()
	}
}

// watch starts the goroutine. Without waiters it closes the receiver and ends.
func (s *Store) watch() {
	s.line.mu.Lock()
	defer s.line.mu.Unlock()
	if s.line.watching || s.line.closed {
		return
	}
	s.line.watching = true
	s.work.Go(func() {
		timer := time.NewTimer(watchEvery)
		defer timer.Stop()
		for {
			select {
			case <-timer.C:
			case <-s.life.Done():
				return
			}
			if !s.queue.inUse() && s.line.idle(time.Now()) {
				s.stopIdleReceiver()
				return
			}
			if s.line.occupied() {
				s.keepReceiver()
				if s.claimLook(s.ticks()) {
					s.look()
				}
			}
			timer.Reset(watchEvery)
		}
	})
}

// claimLook reports whether it is time to look again, and if so says to the others
// that somebody does. Two may do so at once, which costs nothing but the look.
func (s *Store) claimLook(now int64) bool {
	at := s.loc.at()
	f, _, err := at.openIn(at.space, stateName, forChange)
	if err != nil {
		return true // look will meet the same error, and the next ask report it
	}
	defer f.close()
	var b [8]byte
	if n, err := f.readAt(b[:], lookAt); err == nil && n == len(b) {
		if age := now - int64(binary.LittleEndian.Uint64(b[:])); age >= 0 && age < int64(lookFresh) {
			return false
		}
	}
	binary.LittleEndian.PutUint64(b[:], uint64(now))
	_ = f.writeAt(b[:], lookAt) // then others look too
	return true
}

// look reaps the dead, and calls again whoever was granted something and has not
// been heard of: its waker may have died before it called.
func (s *Store) look() {
	var procs []string
	var unconfirmed []sched.Granted
	err := s.view(s.life, func(st *sched.State) { procs, unconfirmed = st.Procs(), st.Unconfirmed() })
	if err != nil {
		return // those who ask are told
	}
	if dead := s.deadOf(procs); len(dead) > 0 {
		_ = s.step(s.life, func(st *sched.State, now int64) { s.reap(st, now, dead) })
	}
	s.tell(unconfirmed)
}
