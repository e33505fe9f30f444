package quorumstore

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A gathering is one question put to several servers in parallel.
//
// Nobody waits for a server that is slow or gone: the asker goes on as soon as
// what came in is enough, and what comes later goes to another function, which
// cleans up after it.
type gathering[T any] struct {
	hearing[T]
	store  *Store
	ctx    context.Context // ends at the time limit
	cancel context.CancelFunc
	enough chan struct{} // closed when the asker may go on
	all    chan struct{} // closed when every answer is dealt with

	mu      sync.Mutex
	over    bool // the asker has gone on
	waiting map[int]bool
	open    int // answers that are not dealt with
}

// hearing says what to do with the answers to a question.
type hearing[T any] struct {
	to    []int         // servers to ask
	limit time.Duration // for each server, if it was in good health last
	ask   func(ctx context.Context, n *node) (T, error)
	// take notes an answer and reports whether that is enough. One call runs at
	// a time, and none once the asker has gone on.
	take func(i int, answer T, err error) bool
	// late gets what comes when the asker has gone on. It may be nil.
	late func(i int, answer T, err error)
}

// notSent is the error of a server that was left out.
type notSent struct{ error }

func (e notSent) Unwrap() error { return e.error }

// gather puts the question. The servers are asked on contexts of their own: an
// asker that gives up still has to know what became of it. Those that failed
// just now are left out, unless there are too few others to decide anything.
func gather[T any](s *Store, h hearing[T]) *gathering[T] {
	g := &gathering[T]{hearing: h, store: s, enough: make(chan struct{}), all: make(chan struct{}), waiting: make(map[int]bool)}
	now := time.Now()
	avoided := make(map[int]error)
	for _, i := range h.to {
		if err := s.nodes[i].avoid(now); err != nil {
			avoided[i] = err
		}
	}
	if len(s.nodes)-len(avoided) < majority(len(s.nodes)) {
		clear(avoided)
	}
	for _, i := range h.to {
		if avoided[i] == nil {
			g.waiting[i] = true
		}
	}
	g.open = len(g.waiting)
	var none T
	for i, err := range avoided {
		if h.take(i, none, notSent{err}) && !g.over {
			g.over = true
			close(g.enough)
		}
	}
	if g.open == 0 {
		close(g.all)
		if !g.over {
			close(g.enough)
		}
		g.ctx, g.cancel = context.Background(), func() {}
		return g
	}
	for i := range g.waiting {
		if s.nodes[i].cold() {
			// A vote does not wait for it unless it is needed. If it is, a time limit
			// that is too short for a connection would keep it away for ever.
			g.limit = max(g.limit, patience)
		}
	}
	g.ctx, g.cancel = context.WithTimeout(context.WithValue(context.Background(), limitKey{}, g.limit), g.limit)
	for _, i := range h.to {
		if avoided[i] == nil {
			s.spawn(func() { g.put(i) })
		}
	}
	return g
}

// put asks one server.
func (g *gathering[T]) put(i int) {
	answer, err := g.ask(g.ctx, g.store.nodes[i])
	if g.arrive(i, answer, err) && g.late != nil {
		g.late(i, answer, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.open == 0 {
		g.cancel()
		close(g.all)
	}
}

// arrive notes an answer, or reports that it is late.
func (g *gathering[T]) arrive(i int, answer T, err error) (late bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return true
	}
	delete(g.waiting, i)
	if g.take(i, answer, err) || len(g.waiting) == 0 {
		g.over = true
		close(g.enough)
	}
	return false
}

// wait returns when there is enough, or with the error of the context; from then
// on every answer is late.
func (g *gathering[T]) wait(ctx context.Context) error {
	select {
	case <-g.enough:
		return nil
	default:
	}
	var err error
	select {
	case <-g.enough:
		return nil
	case <-g.ctx.Done():
		// Clients of others need not heed the time limit of a context.
		err = nil
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return nil
	}
	g.over = true
	close(g.enough)
	if err != nil {
		return err
	}
	var none T
	for i := range g.waiting {
		late := unanswered{g.limit}
		g.store.nodes[i].note(late, time.Now())
		g.take(i, none, late)
	}
	return nil
}

// linger waits for those that are still to answer, but not long.
func (g *gathering[T]) linger(d time.Duration) {
	select {
	case <-g.all:
		return
	default:
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-g.all:
	case <-timer.C:
	}
}

// sent reports whether a question may have reached a server, given how asking
// failed.
func sent(err error) bool {
	var n notSent
	return !errors.As(err, &n)
}
