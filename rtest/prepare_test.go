package rtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// A board is flashed before a test, unless the last one left it in order, and
// switched off after it. One that cannot be flashed is out of service for a while.
func ExampleRequirement_Prepare() {
	locker := lockcore.New(memstore.New(nil), nil)
	defer locker.Close()
	boards := rtest.R("board-1", "board-2").Named("boards").InOrder().
		Prepare(func(ctx context.Context, board string, last rtest.Ending) error {
			if board == "board-1" {
				return errors.New("no answer on the serial line")
			}
			fmt.Println("flash", board, last == rtest.Released, last != rtest.TestFailed, last != rtest.Died, last != rtest.Unknown)
			return nil
		}).
		Restore(func(ctx context.Context, board string) error {
			fmt.Println("switch off", board)
			return nil
		})
	fake("TestBoot", func(t *fakeTB) {
		fmt.Println("boot", rtest.Get(t, boards, rtest.Quarantine(time.Hour), rtest.Using(locker)))
	})
	// Output:
	// flash board-2 true true true true
	// boot [board-2]
	// switch off board-2
}

// TestAWedgedBoardCostsOnePrepare: of forty tests on three boards, of which one
// cannot be prepared, none fails, and its Prepare is called once.
func TestAWedgedBoardCostsOnePrepare(t *testing.T) {
	l := newLocker(t)
	var mu sync.Mutex
	calls := make(map[string]int)
	boards := rtest.R("b1", "b2", "b3").InOrder().Prepare(func(_ context.Context, b string, _ rtest.Ending) error {
		mu.Lock()
		defer mu.Unlock()
		if calls[b]++; b == "b1" {
			return errors.New("wedged")
		}
		return nil
	})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			f := fake(fmt.Sprint("Test", i), func(f *fakeTB) {
				if got := rtest.Get(f, boards, rtest.Using(l)); got[0] == "b1" {
					t.Error("a test got the board that could not be prepared")
				}
			})
			if f.failed || f.skipped != "" {
				t.Errorf("Test%d: %s%s", i, f.fatal, f.skipped)
			}
		})
	}
	wg.Wait()
	if calls["b1"] != 1 || calls["b2"]+calls["b3"] != 40 {
		t.Errorf("Prepare was called %v times", calls)
	}
	s, err := l.Snapshot(t.Context())
	if err != nil || len(s.Holders) != 1 || s.Holders[0].State != "disabled" || !strings.Contains(s.Holders[0].Reason, "Prepare failed: wedged") {
		t.Errorf("afterwards the store has %+v, %v", s.Holders, err)
	}
}

// TestPrepareFailsOnEveryBoard: the words name the error of each, and nothing loops.
func TestPrepareFailsOnEveryBoard(t *testing.T) {
	for _, quarantine := range []time.Duration{0, time.Hour} {
		l := newLocker(t)
		n := 0
		var mu sync.Mutex
		bad := rtest.R("b1", "b2", "b3").Named("boards").Need(2).Prepare(func(_ context.Context, b string, _ rtest.Ending) error {
			mu.Lock()
			defer mu.Unlock()
			n++
			return fmt.Errorf("%s is dead", b)
		})
		f := fake("TestX", func(f *fakeTB) { rtest.Acquire(f, bad, rtest.Using(l), rtest.Quarantine(quarantine)) })
		mustContain(t, f.fatal, "rtest: too few are left of 2 of boards", " is dead; Prepare of ", " failed: ")
		if n != 2 {
			t.Errorf("quarantine %s: Prepare was called %d times, want once for each of the two", quarantine, n)
		}
		s, err := l.Snapshot(t.Context())
		if want := map[bool]int{true: 0, false: 2}[quarantine == 0]; err != nil || len(s.Holders) != want {
			t.Errorf("quarantine %s: afterwards the store has %+v, %v", quarantine, s.Holders, err)
		}
		f = fake("TestSkips", func(f *fakeTB) {
			rtest.Acquire(f, bad, rtest.Using(l), rtest.OnBusy(rtest.Skip))
		})
		mustContain(t, f.skipped, "b1", "b2")
	}
}

// TestPrepareThatGoesWrong: by a panic, by FailNow, by not returning.
func TestPrepareThatGoesWrong(t *testing.T) {
	for name, c := range map[string]struct {
		f     func(ctx context.Context, t *fakeTB) error
		words string
	}{
		"panics": {func(context.Context, *fakeTB) error { panic("boom") }, "Prepare of bad failed: it panicked: boom"},
		"exits":  {func(_ context.Context, t *fakeTB) error { t.Skipf("no board"); return nil }, "Prepare of bad failed: it ended its goroutine, as FailNow does, and returned nothing"},
	} {
		l := newLocker(t)
		f := fake("TestX", func(f *fakeTB) {
			r := rtest.R("bad", "good").InOrder().Prepare(func(ctx context.Context, b string, _ rtest.Ending) error {
				if b == "bad" {
					return c.f(ctx, &fakeTB{})
				}
				return nil
			})
			if got := rtest.Get(f, r, rtest.Using(l)); got[0] != "good" {
				t.Errorf("%s: got %v", name, got)
			}
		})
		if f.failed {
			t.Errorf("%s: %s", name, f.fatal)
		}
		mustContain(t, strings.Join(f.logs, "\n"), c.words+"; it is out of service for 10m0s or longer")
	}
}

// TestPrepareThatHangs beyond the end of its context counts as failed, and what it
// may still do to the board is nobody else's trouble.
func TestPrepareThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		over := make(chan struct{})
		defer close(over)
		f := fake("TestX", func(f *fakeTB) {
			r := rtest.R("hangs", "good").InOrder().Prepare(func(_ context.Context, b string, _ rtest.Ending) error {
				if b == "hangs" {
					<-over
				}
				return nil
			})
			start := time.Now()
			if got := rtest.Get(f, r, use, rtest.Wait(time.Hour)); got[0] != "good" {
				t.Errorf("got %v", got)
			}
			if d := time.Since(start); d < 5*time.Minute || d > 6*time.Minute {
				t.Errorf("it took %s", d)
			}
		})
		if _, err := l.Enable(t.Context(), "hangs"); err != nil {
			t.Error(err)
		}
		mustContain(t, strings.Join(f.logs, "\n"), "Prepare of hangs failed: it had not returned 1s after its context was over (it was given 5m0s)")
	})
}

// TestLastEndingIsTold to Prepare: how the test before ended.
func TestLastEndingIsTold(t *testing.T) {
	l := newLocker(t)
	var last rtest.Ending
	board := rtest.R("board").Prepare(func(_ context.Context, _ string, e rtest.Ending) error { last = e; return nil })
	for _, c := range []struct {
		body func(f *fakeTB, l *rtest.Lease)
		next rtest.Ending
	}{
		{func(*fakeTB, *rtest.Lease) {}, rtest.Released},
		{func(f *fakeTB, _ *rtest.Lease) { f.Errorf("no") }, rtest.TestFailed},
		{func(*fakeTB, *rtest.Lease) {}, rtest.Released},
		{func(f *fakeTB, l *rtest.Lease) { f.Errorf("no"); l.Release() }, rtest.TestFailed},
		{func(f *fakeTB, _ *rtest.Lease) { panicIn(f) }, rtest.TestFailed},
	} {
		fake("TestX", func(f *fakeTB) { c.body(f, rtest.Acquire(f, board, rtest.Using(l))) })
		fake("TestNext", func(f *fakeTB) { rtest.Acquire(f, board, rtest.Using(l)) })
		if last != c.next {
			t.Errorf("the next test was told %q, want %q", last, c.next)
		}
	}
}

// panicIn leaves the body of a fake test as a panic does.
func panicIn(f *fakeTB) { f.mu.Lock(); f.failed = true; f.mu.Unlock() }

// TestRestoreFails: the board goes out of service, the test does not fail; what is
// kept for somebody to look at is not restored.
func TestRestoreFails(t *testing.T) {
	l := newLocker(t)
	n := 0
	board := rtest.R("board").Restore(func(ctx context.Context, b string) error { n++; return errors.New("no power switch") })
	fake("TestKept", func(f *fakeTB) {
		rtest.Acquire(f, board, rtest.Using(l), rtest.HoldOnFail(time.Nanosecond))
		f.Errorf("no")
	})
	if n != 0 {
		t.Error("what is kept for somebody to look at was restored")
	}
	f := fake("TestX", func(f *fakeTB) { rtest.Acquire(f, board, rtest.Using(l), rtest.Quarantine(time.Hour)) })
	if n != 1 || f.failed {
		t.Errorf("Restore was called %d times, and the test failed: %v", n, f.errors)
	}
	mustContain(t, strings.Join(f.logs, "\n"), "Restore of board failed: no power switch", "out of service for 1h0m0s or longer")
	f = fake("TestNext", func(f *fakeTB) { rtest.Acquire(f, board, rtest.Using(l)) })
	mustContain(t, f.fatal, "rtest: out of service: wanted board", "board is out of service, disabled by TestX", "Restore failed: no power switch")
}

// TestOnOutage: by the policy, or waiting all the same.
func TestOnOutage(t *testing.T) {
	l := newLocker(t)
	if _, err := l.Disable(t.Context(), lockcore.Outage{Keys: []string{"board"}, Owner: lockcore.Owner{User: "ann@bench"}, Reason: "smoke"}); err != nil {
		t.Fatal(err)
	}
	f := fake("TestX", func(f *fakeTB) { rtest.Acquire(f, rtest.R("board"), rtest.Using(l), rtest.Wait(time.Hour)) })
	mustContain(t, f.fatal, "board is out of service, disabled by ann@bench since ", "reason: smoke")
	f = fake("TestX", func(f *fakeTB) {
		rtest.Acquire(f, rtest.R("board"), rtest.Using(l), rtest.Wait(time.Hour), rtest.OnBusy(rtest.Skip))
	})
	mustContain(t, f.skipped, "board is out of service")
	t.Setenv("RTEST_ON_OUTAGE", "wait")
	f = fake("TestX", func(f *fakeTB) { rtest.Acquire(f, rtest.R("board"), rtest.Using(l), rtest.Wait(time.Millisecond)) })
	mustContain(t, f.fatal, "gave up after", "board is out of service")
	t.Setenv("RTEST_ON_OUTAGE", "hope")
	f = fake("TestX", func(f *fakeTB) { rtest.Acquire(f, rtest.R("board"), rtest.Using(l)) })
	mustContain(t, f.fatal, `RTEST_ON_OUTAGE is "hope"; want end or wait`)
}

// TestPrepareIsOnRecord: what failed, and how long it took, which is part of
// neither wait nor hold.
func TestPrepareIsOnRecord(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RTEST_EVENTS", dir)
	l := newLocker(t)
	const takes = 30 * time.Millisecond
	board := rtest.R("bad", "good").InOrder().
		Prepare(func(_ context.Context, b string, _ rtest.Ending) error {
			time.Sleep(takes)
			if b == "bad" {
				return errors.New("wedged")
			}
			return nil
		}).
		Restore(func(context.Context, string) error { time.Sleep(takes); return nil })
	fake("TestRecorded", func(f *fakeTB) {
		le := rtest.Acquire(f, board, rtest.Using(l))
		if le.Waited() >= takes {
			t.Errorf("it waited %s, which is what Prepare took", le.Waited())
		}
	})
	events := readEvents(t, dir)
	if got := kinds(events, "TestRecorded"); got != "test.start, request, grant acquired, unfit, release, request, grant acquired, release, test.end" {
		t.Errorf("on record: %s", got)
	}
	for _, e := range events {
		switch e.Ev {
		case eventlog.Unfit:
			if e.Chosen[0].Key != "bad" || e.Error != "wedged" || e.PrepareMS.Duration() < takes {
				t.Errorf("what failed is %+v", e)
			}
		case eventlog.Release:
			if e.PrepareMS.Duration() < takes || e.HeldMS.Duration() >= takes {
				t.Errorf("a hold is on record as %+v", e)
			}
		}
	}
	last := slices.IndexFunc(events, func(e eventlog.Event) bool { return e.Ev == eventlog.TestEnd }) - 1
	fake("TestInVain", func(f *fakeTB) {
		rtest.Acquire(f, rtest.R("wedged").Prepare(func(context.Context, string, rtest.Ending) error {
			time.Sleep(takes)
			return errors.New("wedged")
		}), rtest.Using(l))
	})
	vain := readEvents(t, dir)
	vain = slices.DeleteFunc(vain, func(e eventlog.Event) bool { return e.Ev != eventlog.Withdraw })
	if len(vain) != 1 || vain[0].WaitedMS.Duration() >= takes {
		t.Errorf("what waited in vain is on record as %+v", vain)
	}
	if events[last].RestoreMS.Duration() < takes {
		t.Errorf("the end of the hold is on record as %+v", events[last])
	}
}
