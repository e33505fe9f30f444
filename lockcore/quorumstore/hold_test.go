package quorumstore

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// A holdup delays one call to one server for as long as a test likes, and heeds
// no time limit meanwhile: what a network or a busy machine may do to a call at
// the worst moment, but at a moment that the test chooses. A proxy that is mute
// for a while does the same to whichever calls are under way just then.
type delayedCall struct {
	match  func(args []any) bool // which call
	answer bool                  // hold up the answer, and not the question

	mu    sync.Mutex
	taken bool          // the call is there; others pass
	stuck chan struct{} // closed when the call is held up: with answer, when the server has dealt with it
	free  chan struct{} // closed when it may go on
	done  chan struct{} // closed when the server has dealt with it
	lift  func()
	lost  error // what the caller gets instead of the answer
}

// lose lets the call go on, but what the server says does not arrive.
func (h *delayedCall) lose() {
	h.lost = errors.New("connection reset by a test")
	h.lift()
}

// holdQuestion holds up the next call of a script to a server before it is sent.
func holdQuestion(t testing.TB, n *node, script *redis.Script) *delayedCall {
	return hold(t, n, runs(t, n, script), false)
}

// holdAnswer holds up the answer to the next call of a script.
func holdAnswer(t testing.TB, n *node, script *redis.Script) *delayedCall {
	return hold(t, n, runs(t, n, script), true)
}

// runs recognises calls of a script. It has the server learn the script first: to one
// that does not know it the client sends two calls, and the one that is held up and
// dealt with would only be the one that was in vain.
func runs(t testing.TB, n *node, script *redis.Script) func([]any) bool {
	t.Helper()
	if err := script.Load(watched(t), n.client).Err(); err != nil {
		t.Fatal(err)
	}
	return func(args []any) bool { return len(args) > 1 && args[0] == "evalsha" && args[1] == script.Hash() }
}

func hold(t testing.TB, n *node, match func(args []any) bool, answer bool) *delayedCall {
	h := &delayedCall{match: match, answer: answer, stuck: make(chan struct{}), free: make(chan struct{}), done: make(chan struct{})}
	h.lift = sync.OnceFunc(func() { close(h.free) })
	t.Cleanup(h.lift) // before the store is closed, which waits for its calls
	n.client.AddHook(h)
	return h
}

// claims reports whether this is the call to hold up.
func (h *delayedCall) claims(cmd redis.Cmder) bool {
	if !h.match(cmd.Args()) {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken {
		return false
	}
	h.taken = true
	return true
}

// ProcessHook implements [redis.Hook].
func (h *delayedCall) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !h.claims(cmd) {
			return next(ctx, cmd)
		}
		ctx = context.WithoutCancel(ctx)
		if !h.answer {
			close(h.stuck)
			<-h.free
		}
		err := next(ctx, cmd)
		close(h.done)
		if h.answer {
			close(h.stuck)
			<-h.free
			if h.lost != nil {
				return h.lost
			}
		}
		return err
	}
}

// DialHook implements [redis.Hook].
func (h *delayedCall) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook implements [redis.Hook].
func (h *delayedCall) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
