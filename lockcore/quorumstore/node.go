package quorumstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// script puts a script together from files.
func script(files ...string) *redis.Script {
	var src strings.Builder
	for _, f := range files {
		text, err := luaFiles.ReadFile("lua/" + f + ".lua")
		if err != nil {
			panic(err) // a file is missing from the build
		}
		src.Write(text)
	}
	return redis.NewScript(src.String())
}

var (
	takeScript     = script("take_first", "common", "take")
	lookScript     = script("common", "look")
	renewScript    = script("common", "renew")
	releaseScript  = script("release_first", "common", "release")
	freeScript     = script("common", "free")
	snapshotScript = script("common", "snapshot")
)

// A node is one of the servers.
type node struct {
	index   int
	name    string // host:port
	client  redis.UniversalClient
	keys    []string // of the scripts
	channel string
	heard   bool // this process listens to it; guarded by Store.mu

	mu     sync.Mutex
	took   time.Duration // by the last call that succeeded; 0: none did
	bad    error         // why the last call failed; nil: it did not
	retry  time.Time     // while bad: when a call may try again
	odd    time.Time     // until then it does not know what most others know
	debts  map[string]debt
	paying bool          // a goroutine pays them
	back   chan struct{} // it answers again: the debts can be paid
}

// probeEvery is how often a server that failed is tried again by calls that can
// do without it.
const probeEvery = 250 * time.Millisecond

// avoid returns why the server is better left out now, or nil. One call at a
// time is let through to see whether it is back: with all of them waiting for
// it, a server that hangs would tie up a goroutine and a connection for each.
func (n *node) avoid(now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.bad == nil {
		return nil
	}
	if now.Before(n.retry) {
		return n.bad
	}
	n.retry = now.Add(probeEvery)
	return nil
}

// leads reports whether waiters may ask the server first.
func (n *node) leads(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bad == nil && !now.Before(n.odd)
}

// How long waiters pass over a server.
const (
	oddFor   = 500 * time.Millisecond // that gave what most others refused: it has restarted, and forgot what there is
	ghostFor = 5 * time.Second        // that has a holder which most others do not know: a client died in the midst of a vote
)

// stray has waiters pass over the server for a while.
func (n *node) stray(until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.odd = until
}

// note takes in whether a call succeeded that was made at start.
func (n *node) note(err error, start time.Time) {
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		n.retry = now.Add(probeEvery)
		n.bad = err
		return
	}
	n.took = max(1, now.Sub(start))
	if n.bad != nil {
		n.bad = nil
		select {
		case n.back <- struct{}{}:
		default:
		}
	}
}

// health tells how long the last call took, and whether the next one has to open
// a connection and load a script first, as far as is known.
func (n *node) health() (cold bool, took time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bad != nil || n.took == 0, n.took
}

// run runs a script on the server.
func (n *node) run(ctx context.Context, s *redis.Script, args ...any) (any, error) {
	start := time.Now()
	v, err := s.Run(ctx, n.client, n.keys, args...).Result()
	if err != nil && (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)) {
		err = unanswered{time.Since(start).Round(10 * time.Millisecond)}
	}
	n.note(err, start)
	return v, err
}

// fields is run for a script that replies with an array.
func (n *node) fields(ctx context.Context, s *redis.Script, args ...any) (fields, error) {
	v, err := n.run(ctx, s, args...)
	if err != nil {
		return nil, err
	}
	return asFields(v)
}

// unanswered is the error of a server that took too long.
type unanswered struct{ waited time.Duration }

func (e unanswered) Error() string { return fmt.Sprintf("no answer within %s", e.waited) }

// A debt is a release that a server could not be told of.
type debt struct {
	attempt int64
	until   time.Time // the server drops the lease by itself then
}

const (
	debtsKept = 10_000
	payPause  = 100 * time.Millisecond // before the first try to pay, doubled up to payMax
	payMax    = 2 * time.Second
)

// owe remembers a release that did not get through, and sees to it that it is
// made when the server is back: until then the keys would stay taken there.
func (s *Store) owe(n *node, id string, attempt int64, ttl time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.debts == nil {
		n.debts = make(map[string]debt)
	}
	if len(n.debts) >= debtsKept {
		return
	}
	n.debts[id] = debt{max(attempt, n.debts[id].attempt), time.Now().Add(2 * ttl)}
	if !n.paying && s.life.Err() == nil {
		n.paying = true
		s.spawn(func() { s.pay(n) })
	}
}

// pay makes the releases owed to a server, one at a time: they are few, and the
// server has just come back.
func (s *Store) pay(n *node) {
	for pause := payPause; ; {
		select {
		case <-time.After(pause):
		case <-n.back:
		case <-s.life.Done():
			return
		}
		id, d, ok := n.nextDebt()
		for ok {
			ctx, cancel := context.WithTimeout(s.life, s.limit(time.Until(d.until)))
			_, err := n.release(ctx, id, d.attempt, 0, true, nil)
			cancel()
			if err != nil {
				break
			}
			s.ended(n.index, id, d.attempt)
			pause = payPause
			id, d, ok = n.paid(id, d.attempt)
		}
		if !ok {
			return
		}
		pause = min(2*pause, payMax)
	}
}

// nextDebt is one that still matters. With none left, the goroutine's claim to
// be running ends, under the lock that owe takes.
func (n *node) nextDebt() (string, debt, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.anyDebt()
}

func (n *node) anyDebt() (string, debt, bool) {
	now := time.Now()
	for id, d := range n.debts {
		if d.until.After(now) {
			return id, d, true
		}
		delete(n.debts, id)
	}
	n.paying = false
	return "", debt{}, false
}

func (n *node) paid(id string, attempt int64) (string, debt, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.debts[id].attempt <= attempt {
		delete(n.debts, id)
	}
	return n.anyDebt()
}
