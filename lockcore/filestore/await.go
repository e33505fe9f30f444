package filestore

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"time"
)

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
	s.queue.inside = s.waitForTurn(ctx)
	if err := s.lockAsFirst(ctx, f); err != nil {
		s.endTurn()
		return err
	}
	return nil
}

// unlock drops the lock of the state. Only then it wakes the next in the queue, who has
// it to itself but for the one step more that this process may make meanwhile.
func (s *Store) unlock(f file) {
	f.unlock()
	s.endTurn()
}

func (s *Store) endTurn() {
	if s.queue.inside {
		s.queue.inside = false
		s.leaveQueue()
		s.queue.more = time.Now().Add(oneMoreFor)
	}
}

// lockAsFirst tries again and again to lock the state.
func (s *Store) lockAsFirst(ctx context.Context, f file) error {
	var gen uint64
	var start time.Time
	for wait := firstPause; ; {
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
			pause(wait/2 + mathrand.N(wait))
			wait = min(wait+wait/2, lastPause)
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
