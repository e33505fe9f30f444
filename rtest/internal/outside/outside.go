// Package outside runs functions outside of a testing/synctest bubble.
//
// A bubble has a clock of its own, that stands at first in the year 2000, and ends
// only when every goroutine started in it has. A lease on a real store must
// neither live by that clock nor leave a goroutine there. So whatever touches the
// locker of the process runs outside: the test's goroutine hands it to a [Runner]
// and waits, which to the bubble looks like I/O.
//
// Nothing can start a goroutine outside from inside, except the runtime: cleanup
// functions are documented to run outside of every bubble. The alternative, a
// goroutine that stands by from the start of the process, would fail everybody's
// leak checks for the sake of few.
package outside

import (
	"runtime"
	"sync"
	"time"
)

// InBubble reports whether the calling goroutine lives on a bubble's clock. A
// machine whose clock is that wrong only takes the detour needlessly.
func InBubble() bool { return time.Now().Year() < 2020 }

// A Runner runs functions on a goroutine outside the bubble, one at a time. A nil
// Runner runs them where it is called. Its methods are safe for concurrent use.
type Runner struct {
	mu    sync.Mutex
	calls chan func()
	done  chan struct{}
}

// started are runners that wait for whoever needs one. A channel made outside can
// be used inside.
var started = make(chan *Runner)

// Start returns a Runner if the calling goroutine is in a bubble, else nil.
func Start() *Runner {
	if !InBubble() {
		return nil
	}
	dropGarbage()
	for {
		runtime.GC()
		for range 1000 {
			select {
			case s := <-started:
				return s
			default:
				runtime.Gosched()
			}
		}
	}
}

// dropGarbage leaves garbage behind whose cleanup function starts a runner. It has
// pointers, so that it is not batched with other small objects.
//
//go:noinline
func dropGarbage() {
	garbage := &struct{ p [4]*int }{}
	garbage.p[0] = new(int)
	runtime.AddCleanup(garbage, func(struct{}) { go serve() }, struct{}{})
}

func serve() {
	s := &Runner{calls: make(chan func()), done: make(chan struct{})}
	started <- s
	for f := range s.calls {
		f()
		s.done <- struct{}{}
	}
}

// Do runs f and returns when it has.
func (s *Runner) Do(f func()) {
	if s == nil {
		f()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		f()
		return
	}
	s.calls <- f
	<-s.done
}

// Close ends the goroutine. Do then runs functions where it is called.
func (s *Runner) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls != nil {
		close(s.calls)
		s.calls = nil
	}
}
