//go:build unix

package listeners

import (
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
)

// Package os/signal does not tell who else listens to a signal. But the first
// listener of a signal, and only the first, makes the runtime change which
// signals the program takes; signal.Notify then waits for a goroutine of the
// runtime, and the profile of blocking shows where it waited. So a Notify that
// waited there is proof that it was the first.
//
//	signal.Stop(ours); signal.Notify(probe)   waited: nobody else listens
//	                                          did not: somebody else does
//
// The second conclusion is drawn only if the proof works in this version of Go:
// it is tried with a signal that hardly anybody uses.

// spareSignal is the one to try with.
const spareSignal = syscall.SIGXCPU

// Of says whether anybody listens to the signal. The caller must not listen to it
// meanwhile. A program that listens to all signals leaves it unknown.
func Of(s os.Signal) Answer {
	switch {
	case firstListener(s):
		return None
	case firstListener(spareSignal):
		return Some
	}
	return Unknown
}

// firstListener reports whether a listener to the signal would be the first. It
// can miss that, when the runtime answers before anybody waits, so it tries some
// times.
func firstListener(s os.Signal) bool {
	before := waitsOfNotify()
	runtime.SetBlockProfileRate(1)
	defer runtime.SetBlockProfileRate(blockProfileRate())
	ch := make(chan os.Signal, 1)
	for range 10 {
		notifyProbe(ch, s)
		signal.Stop(ch)
	}
	return waitsOfNotify() > before
}

// notifyProbe has a name of its own in the profile.
//
//go:noinline
func notifyProbe(ch chan<- os.Signal, s os.Signal) { signal.Notify(ch, s) }

// waitsOfNotify counts how often notifyProbe waited for the runtime.
func waitsOfNotify() (n int64) {
	var records []runtime.BlockProfileRecord
	for size, ok := runtime.BlockProfile(nil); !ok; {
		records = make([]runtime.BlockProfileRecord, size+50)
		if size, ok = runtime.BlockProfile(records); ok {
			records = records[:size]
		}
	}
	for _, r := range records {
		var enables, ours bool
		frames := runtime.CallersFrames(r.Stack())
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			enables = enables || strings.HasPrefix(f.Function, "os/signal.signal_enable")
			ours = ours || strings.HasSuffix(f.Function, "/listeners.notifyProbe")
		}
		if enables && ours {
			n += r.Count
		}
	}
	return n
}

// blockProfileRate is what go test was told to profile. A rate that the program
// sets itself cannot be read.
func blockProfileRate() int {
	if gotest.Flag("blockprofile") == "" {
		return 0
	}
	n, _ := strconv.Atoi(gotest.Flag("blockprofilerate"))
	return n
}
