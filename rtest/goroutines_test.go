package rtest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// Goroutines of one test that ask at the same time.

// askTwice has two goroutines of a test ask while somebody else has the board,
// and returns what the test is told.
func askTwice(t *testing.T, one, other rtest.Arg) (words []string) {
	t.Helper()
	locker := newLocker(t)
	board := lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "a"}}}
	rival, err := locker.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{board}})
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeTB{name: "TestTwice"}
	var both sync.WaitGroup
	ask := func(arg rtest.Arg) {
		both.Go(func() {
			defer func() {
				f.mu.Lock()
				defer f.mu.Unlock()
				if f.fatal != "" {
					words = append(words, f.fatal)
					f.fatal = ""
				}
			}()
			rtest.Acquire(f, arg, rtest.Using(locker))
		})
	}
	ask(one)
	synctest.Wait()
	ask(other)
	synctest.Wait()
	if err := rival.Release(context.Background()); err != nil {
		t.Error(err)
	}
	both.Wait()
	f.clean()
	return words
}

func TestTwoGoroutinesOfATestWaitForThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		words := askTwice(t, rtest.R("a"), rtest.R("a"))
		if len(words) != 1 || time.Since(start) != 0 {
			t.Fatalf("after %s: %q", time.Since(start), words)
		}
		mustContain(t, words[0], `rtest: cannot get "a": another goroutine of this test asks for it already, at goroutines_test.go:`, "Take everything in one Acquire")
	})
}

// Which of two boards the first goroutine gets is known only when it gets it.
func TestTwoGoroutinesOfATestAndTwoBoards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		words := askTwice(t, rtest.R("a", "b").Need(2), rtest.R("b"))
		if len(words) != 1 || time.Since(start) != 0 {
			t.Fatalf("after %s: %q", time.Since(start), words)
		}
		words = askTwice(t, rtest.R("a"), rtest.R("a", "b").InOrder())
		if len(words) != 0 {
			t.Errorf("one for each: %q", words)
		}
		for _, way := range []func(rtest.Requirement[string]) rtest.Arg{
			func(r rtest.Requirement[string]) rtest.Arg { return r.Shared() },
			func(r rtest.Requirement[string]) rtest.Arg { return r.Seats(2) },
		} {
			if words = askTwice(t, way(rtest.R("a")), way(rtest.R("a"))); len(words) != 0 {
				t.Errorf("both can have it: %q", words)
			}
		}
	})
}

// encloser is a container: what else the process acquires is nested in it.
type encloser struct{ *fakeTB }

func (encloser) Encloses() bool { return false }

// A test that waits beside the one that it is part of finds out when that one
// gets the board. The other way round there is nothing to say: a part gives back
// before the whole ends.
func TestAPartThatWaitsBesideTheWhole(t *testing.T) {
	for _, wholeFirst := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			locker := newLocker(t)
			start := time.Now()
			board := lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "a"}}}
			rival, err := locker.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{board}})
			if err != nil {
				t.Fatal(err)
			}
			whole, part := encloser{&fakeTB{name: "TestWhole"}}, &fakeTB{name: "TestPart"}
			var both sync.WaitGroup
			asks := []func(){
				func() { rtest.Acquire(whole, rtest.R("a"), rtest.Using(locker)) },
				func() { part.run(func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Using(locker)) }) },
			}
			if !wholeFirst {
				asks[0], asks[1] = asks[1], asks[0]
			}
			for _, ask := range asks {
				both.Go(ask)
				synctest.Wait()
			}
			if err := rival.Release(context.Background()); err != nil {
				t.Error(err)
			}
			both.Wait()
			whole.clean()
			if whole.failed || part.failed != wholeFirst || time.Since(start) != 0 {
				t.Errorf("the whole first: %v; after %s the part: %q; the whole: %q", wholeFirst, time.Since(start), part.fatal, whole.fatal)
			}
			if wholeFirst {
				mustContain(t, part.fatal, `rtest: cannot get "a": TestWhole, which this test is part of, already holds it, acquired at goroutines_test.go:`)
			}
		})
	}
}

// A process that was told to end acquires nothing.
func TestARefusedCallEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := newLocker(t)
		holder := &fakeTB{name: "TestHolder"}
		rtest.Acquire(holder, rtest.R("a"), rtest.Using(locker))
		waiter := &fakeTB{name: "TestWaiter"}
		var waits sync.WaitGroup
		waits.Go(func() {
			waiter.run(func(f *fakeTB) {
				rtest.Acquire(f, rtest.R("a"), rtest.Using(locker), rtest.OnBusy(rtest.Skip), rtest.OnError(rtest.Skip))
			})
		})
		synctest.Wait()
		idle, accept := rtest.Refuse(errors.New("told to end"))
		<-idle
		waits.Wait()
		mustContain(t, waiter.fatal, "told to end")
		late := fake("TestLate", func(f *fakeTB) {
			rtest.Acquire(f, rtest.R("b"), rtest.Using(locker), rtest.OnBusy(rtest.Skip), rtest.OnError(rtest.Skip))
		})
		mustContain(t, late.fatal, "rtest: told to end")
		accept()
		holder.clean()
		if f := fake("TestAgain", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Using(locker)) }); f.failed {
			t.Error(f.fatal)
		}
	})
}
