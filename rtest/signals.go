package rtest

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
	"github.com/resourcelocker/resourcelocker/rtest/internal/listeners"
	"github.com/resourcelocker/resourcelocker/rtest/internal/outside"
)

// Package testing runs no Cleanup function when a signal ends the process. So
// signals are listened to here, in order to give leases back first.
//
// A signal that tells the process to end does not always end it: the program
// under test may handle SIGTERM, and Ginkgo handles ^C. Such a process lives on,
// and its tests go on with their resources. So nothing is given back before it
// is certain that the process ends:
//
//	nobody else listens   the default action would have ended the process: rtest
//	                      gives everything back and ends it
//	others listen         nothing happens here: the leases stay and are renewed
//	it cannot be known    the default action is left to do its work: when it ends
//	                      the process, the store notices, as after kill -9

// guard listens while there are leases or waiting calls. At other times the
// default action, and everybody's leak checks, are as usual.
var guard struct {
	mu    sync.Mutex
	count int
	stop  chan struct{} // of the goroutine that listens; nil if none does
}

// guardEnter counts a lease or a waiting call; wanted is false where another
// framework, or the user, deals with signals.
func guardEnter(wanted bool) {
	guard.mu.Lock()
	defer guard.mu.Unlock()
	guard.count++
	if guard.stop != nil || !wanted || outside.InBubble() {
		return // a bubble must not be left waiting for a signal
	}
	sigs := guardedSignals()
	if len(sigs) == 0 {
		return
	}
	ch, stop := make(chan os.Signal, 2), make(chan struct{})
	guard.stop = stop
	signal.Notify(ch, sigs...)
	go listen(ch, sigs, stop)
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
		if signal.Ignored(s) || s == os.Interrupt && (gotest.Fuzzing() || gotest.FuzzWorker()) {
			continue
		}
		out = append(out, s)
	}
	return out
}

// listen handles the signals until stop is closed.
func listen(ch chan os.Signal, sigs []os.Signal, stop <-chan struct{}) {
	for {
		select {
		case s := <-ch:
			handle(s, ch, sigs)
		case <-stop:
			signal.Stop(ch)
			select {
			case s := <-ch: // it came while the last lease was given back
				handle(s, ch, sigs)
				signal.Stop(ch)
			default:
			}
			return
		}
	}
}

// handle returns only if the process goes on.
func handle(s os.Signal, ch chan os.Signal, sigs []os.Signal) {
	signal.Stop(ch)
	who := listeners.Of(s)
	if who == listeners.Unknown {
		raise(s)
		time.Sleep(dyingTime)
	}
	signal.Notify(ch, sigs...)
	if who == listeners.None {
		endProcess(s, ch)
	}
}

const (
	// endLimit bounds what comes between a signal and the end.
	endLimit = 3 * time.Second
	// withdrawLimit is the part of it that waiting calls have to leave the line: a
	// ticket left behind would keep its place until the store finds it out.
	withdrawLimit = 2 * time.Second
	// dyingTime is how long the resources stay taken on a server after they are given
	// back, because until its end the process may still touch them, and a server does
	// not see that end. (A file store does: there the end is what gives them back.)
	// Half of it is what giving back may take; then the process ends, whatever the
	// store has answered. The other half is for the signal to do its work, on a machine
	// that may have a hundred processes to serve.
	dyingTime = 500 * time.Millisecond
)

// endProcess gives everything back and ends the process by the signal. A second
// signal ends it at once.
func endProcess(s os.Signal, again <-chan os.Signal) {
	back := make(chan struct{})
	go func() {
		defer close(back)
		stopCalls(s)
		releaseAll(s)
	}()
	select {
	case <-back:
	case <-again:
	case <-time.After(endLimit):
	}
	// From here on nobody may survive the signal, as the resources are others' soon.
	// A listener that was registered meanwhile is one that this signal never went to.
	signal.Reset(s)
	raise(s)
	time.Sleep(time.Second)
	os.Exit(1)
}

// endingError ends calls in a process that is about to end.
type endingError struct{ signal os.Signal }

func (e endingError) Error() string {
	return fmt.Sprintf("the process was told to end (%s), so nothing is acquired any more", e.signal)
}

// holdings are what the process holds and waits for. It is set by the part of this
// package that knows, which knows this one.
var holdings interface {
	// refuse ends all calls, and those that come later, with the error. The channel
	// is closed when no call is left.
	refuse(why error) (idle <-chan struct{})
	// releaseAll gives everything back for a process that is about to end, and returns
	// the keys. A store that does not see the end keeps them taken for most. It returns
	// at the limit at the latest, with those given back so far.
	releaseAll(most, limit time.Duration) []string
}

// stopCalls refuses new calls, ends those that wait, and returns when they have
// left the line.
func stopCalls(s os.Signal) {
	select {
	case <-holdings.refuse(endingError{s}):
	case <-time.After(withdrawLimit):
	}
}

// releaseAll gives back what the process holds, and says so.
func releaseAll(s os.Signal) {
	if keys := holdings.releaseAll(dyingTime, dyingTime/2); len(keys) > 0 {
		fmt.Fprintf(os.Stderr, "rtest: %s: gave back %s\n", s, list(keys, keysShown))
	}
}
