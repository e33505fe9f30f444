package rtest

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"
)

// guard gives leases back when the process is told to end. Package testing has
// no hook for that: on ^C no Cleanup function runs.
//
// It stands only while there are leases or waiting calls, so that the default
// action, and everybody's leak checks, are as usual at other times.
var guard struct {
	mu    sync.Mutex
	count int
	stop  chan struct{} // of the goroutine that stands; nil if none does
}

// guardEnter counts a lease or a waiting call; wanted is false where another
// framework, or the user, deals with signals.
func guardEnter(wanted bool) {
	guard.mu.Lock()
	defer guard.mu.Unlock()
	guard.count++
	if guard.stop != nil || !wanted || inBubble() {
		return // a bubble must not be left waiting for a signal
	}
	sigs := guardedSignals()
	if len(sigs) == 0 {
		return
	}
	ch, stop := make(chan os.Signal, 2), make(chan struct{})
	guard.stop = stop
	signal.Notify(ch, sigs...)
	go stand(ch, stop)
}

func guardLeave() {
	guard.mu.Lock()
	defer guard.mu.Unlock()
	if guard.count--; guard.count == 0 && guard.stop != nil {
		close(guard.stop)
		guard.stop = nil
	}
}

// guardedSignals leaves out what the process ignores, as under nohup, and the
// interrupts of a fuzzing run: they are how fuzzing is ended, in order.
func guardedSignals() []os.Signal {
	var out []os.Signal
	for _, s := range endSignals {
		if signal.Ignored(s) || s == os.Interrupt && (fuzzing() || fuzzWorker()) {
			continue
		}
		out = append(out, s)
	}
	return out
}

func stand(ch chan os.Signal, stop chan struct{}) {
	var s os.Signal
	select {
	case <-stop:
		signal.Stop(ch)
		select {
		case s = <-ch: // it came while the last lease was given back
		default:
			return
		}
	case s = <-ch:
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		abandon(s)
	}()
	select {
	case <-done:
	case <-ch: // a second one: the user does not want to wait
	case <-time.After(abandonTimeout):
	}
	// Not signal.Reset: if the user's code listens too, it has had the signal, and
	// decides.
	signal.Stop(ch)
	raise(s)
}

const (
	// abandonTimeout bounds what comes between a signal and the end.
	abandonTimeout = 3 * time.Second
	// dyingTime is how long the resources stay taken after they are given back,
	// since until its end the process may still touch them.
	dyingTime = 50 * time.Millisecond
)

// abandon gives up the waiting calls and gives back the leases of tests that
// package testing runs. Other frameworks end their specs in order when they are
// interrupted, and need the resources until then.
func abandon(s os.Signal) {
	reg.mu.Lock()
	var leases []*Lease
	for l := range reg.leases {
		if l.test.driven && l.inner != nil {
			leases = append(leases, l)
		}
	}
	for c := range reg.calls {
		if c.test.driven {
			c.cancel(errSignal)
		}
	}
	reg.mu.Unlock()
	var wg sync.WaitGroup
	var keys []string
	for _, l := range leases {
		keys = append(keys, l.keys...)
		wg.Go(func() {
			l.unwatch()
			err := l.inner.Keep(context.Background(), dyingTime)
			l.file(time.Since(l.granted), dyingTime, err)
			l.log.flush()
		})
	}
	wg.Wait()
	awaitCalls()
	if len(keys) > 0 {
		fmt.Fprintf(os.Stderr, "rtest: %s: gave back %s\n", s, list(keys, keysShown))
	}
}

// awaitCalls returns when no call waits in line any more, or after 2 s: a ticket
// left behind would keep its place until it is found out.
func awaitCalls() {
	waits := func() bool {
		reg.mu.Lock()
		defer reg.mu.Unlock()
		for c := range reg.calls {
			if c.test.driven {
				return true
			}
		}
		return false
	}
	for range 400 {
		if !waits() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
