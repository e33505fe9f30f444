// Package scenarios holds tests that end badly, each in its own way. They are
// run one at a time, by the tests of package rtest, in processes of their own.
package scenarios

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

var (
	boards = rtest.R("board-1", "board-2", "board-3").Named("boards").InOrder()
	first  = rtest.R("board-1")
)

// ready tells the parent process that the lease is there.
func ready(l *rtest.Lease) { fmt.Fprintln(os.Stderr, "HOLDING", l.Keys()) }

func TestPass(t *testing.T)    { ready(rtest.Acquire(t, boards.Need(2))) }
func TestPanic(t *testing.T)   { ready(rtest.Acquire(t, first)); panic("on purpose") }
func TestFailNow(t *testing.T) { ready(rtest.Acquire(t, first)); t.FailNow() }
func TestGoexit(t *testing.T)  { ready(rtest.Acquire(t, first)); runtime.Goexit() }
func TestExit(t *testing.T)    { ready(rtest.Acquire(t, first)); os.Exit(3) }
func TestHang(t *testing.T)    { ready(rtest.Acquire(t, first)); select {} }
func TestNilPointer(t *testing.T) {
	ready(rtest.Acquire(t, first))
	var p *int
	*p = 1
}

func TestFailNowInGoroutine(t *testing.T) {
	ready(rtest.Acquire(t, first))
	var wg sync.WaitGroup
	wg.Go(t.FailNow)
	wg.Wait()
}

func TestPanicInSubtest(t *testing.T) {
	ready(rtest.Acquire(t, first))
	t.Run("sub", func(t *testing.T) {
		rtest.Acquire(t, rtest.R("board-2"))
		panic("on purpose")
	})
}

func TestPanicKept(t *testing.T) {
	ready(rtest.Acquire(t, first, rtest.HoldOnFail(time.Hour)))
	panic("on purpose")
}

func TestGoexitKept(t *testing.T) {
	ready(rtest.Acquire(t, first, rtest.HoldOnFail(time.Hour)))
	runtime.Goexit()
}

func TestSkipNotKept(t *testing.T) {
	ready(rtest.Acquire(t, first, rtest.HoldOnFail(time.Hour)))
	t.Skip("on purpose")
}

func TestFailKept(t *testing.T) {
	ready(rtest.Acquire(t, first, rtest.HoldOnFail(time.Hour)))
	t.Error("on purpose")
}

// TestHangTwice has a waiting call beside the lease.
func TestHangTwice(t *testing.T) {
	t.Run("group", func(t *testing.T) {
		for range 2 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				ready(rtest.Acquire(t, first))
				select {}
			})
		}
	})
}

// other is a test of another framework, whose business signals are.
type other struct{ *testing.T }

func TestOtherFramework(t *testing.T) {
	rtest.Acquire(other{t}, rtest.R("board-2"))
	ready(rtest.Acquire(t, first))
	select {}
}

// TestOwnSignals deals with TERM itself and goes on.
func TestOwnSignals(t *testing.T) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGTERM)
	defer signal.Stop(ch)
	l := rtest.Acquire(t, first)
	ready(l)
	<-ch
	if err := l.Context().Err(); err != nil {
		t.Error("the lease was given back:", err)
	}
}

// TestTagged has something to count for RTEST_REPORT, and leaves it time.
func TestTagged(t *testing.T) {
	l := rtest.Acquire(t, first.Tags(func(string) map[string]string { return map[string]string{"kind": "board"} }))
	l.Release()
	io.Copy(io.Discard, os.Stdin)
}

func TestUntilEOF(t *testing.T) {
	ready(rtest.Acquire(t, first))
	io.Copy(io.Discard, os.Stdin)
}

func TestShortLease(t *testing.T) {
	l := rtest.Acquire(t, first, rtest.TTL(5*time.Second))
	ready(l)
	<-l.Context().Done()
	fmt.Fprintln(os.Stderr, "LOST")
}

// The order of Acquire and t.Parallel.

func TestParkedA(t *testing.T) {
	rtest.Acquire(t, first)
	t.Parallel()
}

func TestParkedB(t *testing.T) { rtest.Acquire(t, first) }

func TestParkedAfterRelease(t *testing.T) {
	rtest.Acquire(t, first).Release()
	t.Parallel()
}

func TestParallelFirst(t *testing.T) {
	t.Parallel()
	rtest.Acquire(t, first)
	t.Run("group", func(t *testing.T) {
		for range 3 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				rtest.Acquire(t, boards.Where(func(s string) bool { return s != "board-1" }))
			})
		}
	})
}

func TestSerialWithParallelSubtests(t *testing.T) {
	rtest.Acquire(t, first)
	for range 3 {
		t.Run("", func(t *testing.T) { t.Parallel() })
	}
}

// TestSlots: one test holds and needs a slot for its subtest; others have all
// slots and wait for what it holds. Which of them gets a slot first is chance, so
// that one is the holder.

var (
	slotsBegun atomic.Int32
	slotsHeld  = make(chan struct{})
)

func slots(t *testing.T) {
	t.Parallel()
	if slotsBegun.Add(1) > 1 {
		<-slotsHeld
		rtest.Acquire(t, first)
		return
	}
	rtest.Acquire(t, first)
	close(slotsHeld)
	t.Run("sub", func(t *testing.T) { t.Parallel() })
}

func TestSlots1(t *testing.T) { slots(t) }
func TestSlots2(t *testing.T) { slots(t) }
func TestSlots3(t *testing.T) { slots(t) }

// TestNotSlots looks alike, but the holder has a slot and goes on.

var notSlotsHeld, notSlotsWaiting = make(chan struct{}), make(chan struct{})

func TestNotSlotsHolder(t *testing.T) {
	t.Parallel()
	rtest.Acquire(t, first)
	close(notSlotsHeld)
	<-notSlotsWaiting
	time.Sleep(1500 * time.Millisecond) // beyond the first line about the wait
}

func TestNotSlotsWaiter(t *testing.T) {
	t.Parallel()
	<-notSlotsHeld
	close(notSlotsWaiting)
	rtest.Acquire(t, first)
}

func TestWaiter(t *testing.T) {
	l := rtest.Acquire(t, first)
	ready(l)
}

func BenchmarkBoard(b *testing.B) {
	l := rtest.Acquire(b, first)
	for b.Loop() {
		_ = l.Keys()
	}
}

// BenchmarkWait has Acquire wait until the benchmark's clock stands, which it
// would for ever if it did not stop the clock.
func BenchmarkWait(b *testing.B) {
	for range b.N {
		holding := make(chan struct{})
		go func() {
			le, err := locker.Acquire(b.Context(), lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-1"}}}}})
			if err != nil {
				panic(err)
			}
			close(holding)
			for before := b.Elapsed(); ; {
				time.Sleep(10 * time.Millisecond)
				now := b.Elapsed()
				if now == before {
					break
				}
				before = now
			}
			le.Release(b.Context())
		}()
		<-holding
		rtest.Acquire(b, first, rtest.Using(locker)).Release()
		if before := b.Elapsed(); b.Elapsed() == before && b.Elapsed() == before {
			b.Error("the clock was not started again")
		}
	}
}

// BenchmarkStopped has stopped its clock, which an Acquire that waits must not
// start.
func BenchmarkStopped(b *testing.B) {
	b.StopTimer()
	for range b.N {
		le, err := locker.Acquire(b.Context(), lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-2"}}}}})
		if err != nil {
			b.Fatal(err)
		}
		time.AfterFunc(50*time.Millisecond, func() { le.Release(context.Background()) })
		before := b.Elapsed()
		rtest.Acquire(b, rtest.R("board-2"), rtest.Using(locker)).Release()
		if after := b.Elapsed(); after != before {
			b.Errorf("the clock went on from %s to %s", before, after)
		}
	}
}

// A goroutine that outlives its test asks for something.

var late, lateOver = make(chan struct{}), make(chan struct{})

func TestLateAsks(t *testing.T) {
	go func() {
		defer close(lateOver)
		<-late
		rtest.Acquire(t, first)
	}()
}

func TestLateIsOver(t *testing.T) {
	close(late)
	<-lateOver
	fmt.Fprintln(os.Stderr, "ENDED")
}

var locker = lockcore.New(memstore.New(nil), nil)

var awkward = []string{"with space", `with "quotes" and 'more'`, "with/slash", "../../up", "ünïcödé 板", "new\nline", "tab\t", "a,b;c", "%s%d%!", "\x1b[31mred", "-flag", "a*2:shared"}

func TestAwkward(t *testing.T) {
	for _, name := range awkward {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := rtest.R(name).Named(name)
			if got := pool.One(rtest.Acquire(t, pool, rtest.Reason(name))); got != name {
				t.Errorf("got %q", got)
			}
		})
	}
}
