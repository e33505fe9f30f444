package rtest

import (
	"runtime"
	"sync"
	"time"
)

// A testing/synctest bubble has a clock of its own, that stands at first in the
// year 2000, and ends only when every goroutine started in it has. A lease on a
// real store must neither live by that clock nor leave a goroutine there. So
// whatever touches the locker of the process runs outside: the test's goroutine
// hands it to a servant and waits, which to the bubble looks like I/O.
//
// Nothing can start a goroutine outside from inside, except the runtime: cleanup
// functions are documented to run outside of every bubble. The alternative, a
// goroutine that stands by from the start of the process, would fail everybody's
// leak checks for the sake of few.

// inBubble reports whether the calling goroutine lives on a bubble's clock. A
// machine whose clock is that wrong only takes the detour needlessly.
func inBubble() bool { return time.Now().Year() < 2020 }

// A servant runs functions outside the bubble, one at a time. A nil servant
// runs them where it is called.
type servant struct {
	mu    sync.Mutex
	calls chan func()
	done  chan struct{}
}

// lobby is where servants wait to be hired. A channel made outside can be used
// inside.
var lobby = make(chan *servant)

// hire gets a servant if one is needed.
func hire() *servant {
	if !inBubble() {
		return nil
	}
	bait()
	for {
		runtime.GC()
		for range 1000 {
			select {
			case s := <-lobby:
				return s
			default:
				runtime.Gosched()
			}
		}
	}
}

// bait leaves garbage behind whose cleanup starts a servant. It has pointers, so
// that it is not batched with other small objects.
//
//go:noinline
func bait() {
	garbage := &struct{ p [4]*int }{}
	garbage.p[0] = new(int)
	runtime.AddCleanup(garbage, func(struct{}) { go serve() }, struct{}{})
}

func serve() {
	s := &servant{calls: make(chan func()), done: make(chan struct{})}
	lobby <- s
	for f := range s.calls {
		f()
		s.done <- struct{}{}
	}
}

// do runs f and returns when it has.
func (s *servant) do(f func()) {
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

// dismiss ends the servant.
func (s *servant) dismiss() {
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
