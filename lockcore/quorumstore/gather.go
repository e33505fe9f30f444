package quorumstore

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A gathering is one question put to several servers in parallel.
//
// The asker goes on as soon as the answers are enough. An answer that comes later goes
// to question.late, which cleans up. Servers that failed last time are asked only when
// the others do not settle the matter at once: else every request would tie up a
// goroutine and a connection for each server that hangs.
type gathering[T any] struct {
	question[T]
	store   *Store
	goOn    chan struct{} // closed when the asker may go on
	all     chan struct{} // closed when every answer is dealt with
	started time.Time

	mu      sync.Mutex
	timers  []*time.Timer
	hurried bool
	over    bool          // the asker has gone on
	waiting []*wave       // by server: that of those that have not answered, else nil
	missing int           // how many of them there are
	reserve [][]int       // servers that were not asked yet, in the order of asking
	bad     map[int]error // why some of them are there
	last    *wave
	open    int // answers that are not dealt with
}

// A wave is the servers that were asked together.
type wave struct {
	ctx    context.Context // ends at their time limit
	cancel context.CancelFunc
	limit  time.Duration
	left   int // answers that are not dealt with
}

// A question is what to ask, and what to do with the answers.
type question[T any] struct {
	to    []int         // servers to ask
	lead  int           // the one to ask before the others, plus 1; 0: none
	limit time.Duration // for each server, if it was in good health last
	ask   func(ctx context.Context, n *node) (T, error)
	// take notes an answer and says what all of them amount to. One call runs at a
	// time, and none when the asker has gone on. For a server in reserve it is called
	// with an error first, and again if the server is asked after all.
	take func(i int, answer T, err error) progress
	// late is called with the answers that come when the asker has gone on. It may be
	// nil.
	late func(i int, answer T, err error)
}

// progress is what an asker makes of the answers so far.
type progress uint8

const (
	open   progress = iota // it needs more
	nearly                 // these will do, but it waits a moment for the rest
	enough                 // it goes on
)

// lastAnswersWait is how much longer than expected a gathering waits for the last
// answers when it has nearly enough. With them a lease is on all servers and not just
// on a majority, and there is nothing to clean up. It is short, as the servers may be
// down.
const lastAnswersWait = 2 * time.Millisecond

// notSent is the error of a server that was not asked.
type notSent struct{ error }

// sent reports whether a question may have reached a server, given how asking
// failed.
func sent(err error) bool {
	var n notSent
	return !errors.As(err, &n)
}

// reserveAfter is how much longer than last time the servers that were asked may take
// before those in reserve are asked too.
const reserveAfter = 50 * time.Millisecond

// gather asks the servers. Each call has a context of its own: when the asker gives
// up, its answer is still needed, to undo what the server did.
func gather[T any](s *Store, h question[T]) *gathering[T] {
	g := &gathering[T]{question: h, store: s, goOn: make(chan struct{}), all: make(chan struct{}), started: time.Now(), waiting: make([]*wave, len(s.nodes))}
	g.order()
	g.mu.Lock()
	defer g.mu.Unlock()
	var none T
	for i, err := range g.bad {
		h.take(i, none, notSent{err})
	}
	g.callReserve()
	if g.missing == 0 { // there is no server to ask
		g.finish()
		close(g.all)
	}
	return g
}

// order decides the order of asking: the lead server, then those in good health, then
// the others.
func (g *gathering[T]) order() {
	good := make([]int, 0, len(g.to))
	var bad []int
	for _, i := range g.to {
		switch err := g.store.nodes[i].avoid(g.started); {
		case err != nil:
			if g.bad == nil {
				g.bad = make(map[int]error)
			}
			g.bad[i] = err
			bad = append(bad, i)
		case i == g.lead-1:
			g.reserve = append(g.reserve, []int{i})
		default:
			good = append(good, i)
		}
	}
	if len(good) > 0 {
		g.reserve = append(g.reserve, good)
	}
	if len(bad) > 0 {
		g.reserve = append(g.reserve, bad)
	}
}

// after has f called with the mutex held, unless the asker has gone on by then.
// The mutex is held.
func (g *gathering[T]) after(d time.Duration, f func()) {
	g.timers = append(g.timers, time.AfterFunc(d, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if !g.over {
			f()
		}
	}))
}

// callReserve asks the next servers in reserve, if the asker has not gone on. The
// mutex is held.
func (g *gathering[T]) callReserve() {
	if g.over || len(g.reserve) == 0 {
		return
	}
	to := g.reserve[0]
	g.reserve = g.reserve[1:]
	limit, usual := g.limit, time.Duration(0)
	for _, i := range to {
		cold, took := g.store.nodes[i].health()
		if cold {
			// A limit that is too short for opening a connection would keep this server
			// away for ever.
			limit = max(limit, slowLimit)
		}
		usual = max(usual, took)
	}
	w := &wave{limit: limit, left: len(to)}
	w.ctx, w.cancel = context.WithTimeout(context.Background(), limit)
	g.last = w
	g.open += len(to)
	g.missing += len(to)
	for _, i := range to {
		g.waiting[i] = w
	}
	for _, i := range to {
		g.store.spawn(func() { g.put(i, w) })
	}
	if len(g.reserve) > 0 {
		g.after(reserveAfter+2*usual, g.callReserve)
	}
}

// finish lets the asker go on. The mutex is held.
func (g *gathering[T]) finish() {
	g.over = true
	close(g.goOn)
	for _, t := range g.timers {
		t.Stop()
	}
	if spared := g.reserve; len(spared) > 0 && g.late != nil {
		g.reserve = nil
		g.store.spawn(func() {
			var none T
			for _, w := range spared {
				for _, i := range w {
					g.late(i, none, notSent{g.bad[i]})
				}
			}
		})
	}
}

// put asks one server.
func (g *gathering[T]) put(i int, w *wave) {
	answer, err := g.ask(w.ctx, g.store.nodes[i])
	if g.arrive(i, answer, err) && g.late != nil {
		g.late(i, answer, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.left--; w.left == 0 {
		w.cancel()
	}
	if g.open--; g.open == 0 {
		close(g.all)
	}
}

// arrive notes an answer, or reports that it is late.
func (g *gathering[T]) arrive(i int, answer T, err error) (late bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over || g.waiting[i] == nil {
		return true
	}
	g.note(i, answer, err)
	return false
}

// note takes an answer and decides how to go on. The mutex is held.
func (g *gathering[T]) note(i int, answer T, err error) {
	g.waiting[i] = nil
	g.missing--
	p := g.take(i, answer, err)
	if p == open && (err != nil || g.missing == 0) {
		g.callReserve()
	}
	switch {
	case p == enough, g.missing == 0:
		g.finish()
	case p == nearly && !g.hurried:
		g.hurried = true
		g.after(2*max(time.Since(g.started), g.usual())+lastAnswersWait, g.finish)
	}
}

// usual is how long the slowest of the servers that have not answered took last time:
// some servers may be farther away than others. The mutex is held.
func (g *gathering[T]) usual() (d time.Duration) {
	for i, w := range g.waiting {
		if w != nil {
			_, took := g.store.nodes[i].health()
			d = max(d, took)
		}
	}
	return d
}

// wait returns when the answers are enough, or with the error of the context. Every
// answer after that is late.
func (g *gathering[T]) wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		w := g.last
		over := g.over
		g.mu.Unlock()
		if over {
			return nil
		}
		select {
		case <-g.goOn:
			return nil
		case <-w.ctx.Done():
			g.expire(w)
		case <-ctx.Done():
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.over {
				return nil
			}
			g.finish()
			return ctx.Err()
		}
	}
}

// expire gives up on servers whose time is over. The client may not: one that the
// caller of [New] made need not heed the deadline of a context.
func (g *gathering[T]) expire(w *wave) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var none T
	for i, of := range g.waiting {
		if of != nil && of.ctx.Err() != nil && !g.over {
			g.store.nodes[i].note(unanswered{of.limit}, g.started)
			g.note(i, none, unanswered{of.limit})
		}
	}
	if g.last == w && !g.over {
		g.finish()
	}
}

// linger waits for the answers that are still to come, but not longer than d.
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
