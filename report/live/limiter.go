package live

import (
	"sync"
	"time"
)

// A limiter lets each key act so many times a minute.
type limiter struct {
	most float64
	mu   sync.Mutex
	left map[string]*budget
}

type budget struct {
	n    float64
	last time.Time
}

// limitedMost bounds the keys that a limiter knows.
const limitedMost = 10000

func newLimiter(most float64) *limiter { return &limiter{most: most, left: map[string]*budget{}} }

// allow takes one from the budget of a key, which fills up within a minute.
func (l *limiter) allow(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	b := l.left[key]
	if b == nil {
		if len(l.left) >= limitedMost {
			for k, b := range l.left {
				if now.Sub(b.last) > time.Minute { // full again: as if it had never been there
					delete(l.left, k)
				}
			}
			// Nobody new is let in then, rather than everybody: who fills the list with addresses
			// would else be rid of the limit.
			if len(l.left) >= limitedMost {
				return false
			}
		}
		b = &budget{l.most, now}
		l.left[key] = b
	}
	b.n = min(l.most, b.n+l.most*now.Sub(b.last).Minutes())
	b.last = now
	if b.n < 1 {
		return false
	}
	b.n--
	return true
}
