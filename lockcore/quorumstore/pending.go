package quorumstore

import (
	"context"
	"time"
)

// A pendingRelease is a release that did not get through to a server.
type pendingRelease struct {
	releaseRequest
	until time.Time // the lease expires there
}

const (
	pendingKept   = 10_000
	retryPause    = 100 * time.Millisecond // before the first try to send one, doubled up to retryPauseMax
	retryPauseMax = 2 * time.Second
)

// releaseLater remembers a release that did not get through to a server, and has it
// sent again until it does. Until then the keys stay taken there. Of several releases of
// a lease that of the last attempt counts, and of this one that which says how it was
// used.
func (s *Store) releaseLater(n *node, r releaseRequest, ttl time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pending == nil {
		n.pending = make(map[string]pendingRelease)
	}
	if len(n.pending) >= pendingKept {
		return
	}
	if p := n.pending[r.id]; p.attempt > r.attempt || p.attempt == r.attempt && p.ending != noUse {
		r = p.releaseRequest
	}
	r.refuse = refuseAlways
	n.pending[r.id] = pendingRelease{r, time.Now().Add(2 * ttl)}
	if !n.sending && s.life.Err() == nil {
		n.sending = true
		s.spawn(func() { s.sendPending(n) })
	}
}

// sendPending sends a server its pending releases, one at a time: there are few of
// them, and the server has just come back.
func (s *Store) sendPending(n *node) {
	for pause := retryPause; ; {
		select {
		case <-time.After(pause):
		case <-n.recovered:
		case <-s.life.Done():
			return
		}
		id, d, ok := n.nextPending()
		for ok {
			ctx, cancel := context.WithTimeout(s.life, s.limit(time.Until(d.until)))
			_, err := n.release(ctx, d.releaseRequest)
			cancel()
			if err != nil {
				break
			}
			s.ended(n.index, id, d.attempt)
			pause = retryPause
			id, d, ok = n.released(id, d.attempt)
		}
		if !ok {
			return
		}
		pause = min(2*pause, retryPauseMax)
	}
}

// nextPending is a pending release that still matters. When there is none, it clears
// node.sending: under the same lock as releaseLater, which starts a goroutine only
// when none is sending.
func (n *node) nextPending() (string, pendingRelease, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.anyPending()
}

func (n *node) anyPending() (string, pendingRelease, bool) {
	now := time.Now()
	for id, d := range n.pending {
		if d.until.After(now) {
			return id, d, true
		}
		delete(n.pending, id)
	}
	n.sending = false
	return "", pendingRelease{}, false
}

func (n *node) released(id string, attempt int64) (string, pendingRelease, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pending[id].attempt <= attempt {
		delete(n.pending, id)
	}
	return n.anyPending()
}
