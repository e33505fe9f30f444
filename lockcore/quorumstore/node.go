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

// script puts a script together from files, at its first use: every test binary
// links this package, and few have several servers.
func script(files ...string) func() *redis.Script {
	return sync.OnceValue(func() *redis.Script { return assemble(files) })
}

func assemble(files []string) *redis.Script {
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
	reserveScript  = script("common", "reserve")
	extendScript   = script("common", "extend")
	giveBackScript = script("common", "give_back")
	disableScript  = script("common", "disable")
	enableScript   = script("common", "enable")
)

// A node is one of the servers.
type node struct {
	index      int
	name       string // host:port
	client     redis.UniversalClient
	keys       []string // of the scripts
	channel    string
	subscribed bool // this process is subscribed to it; guarded by Store.mu

	mu        sync.Mutex
	took      time.Duration // by the last call that succeeded; 0: none did
	bad       error         // why the last call failed; nil: it did not
	retry     time.Time     // while bad: when a call may try again
	skipUntil time.Time     // until then waiters do not ask it first
	pending   map[string]pendingRelease
	sending   bool          // a goroutine sends them
	recovered chan struct{} // it answers again: what is pending can be sent
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

// mayLead reports whether waiters may ask the server first.
func (n *node) mayLead(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bad == nil && !now.Before(n.skipUntil)
}

// How long waiters do not take a server as the lead.
const (
	skipRestarted   = 500 * time.Millisecond // one that gave what most others refused: it has restarted, and lost its data
	skipStaleHolder = 5 * time.Second        // one with a stale holder, which most others do not have: its client died in the midst of a vote
)

// skip has waiters pass over the server until then.
func (n *node) skip(until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.skipUntil = until
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
		case n.recovered <- struct{}{}:
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
