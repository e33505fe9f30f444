package rtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// bubble runs a story on a fake clock, with a locker of its own that must be
// empty at the end.
func bubble(t *testing.T, story func(t *testing.T, use rtest.Option, l *lockcore.Locker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLocker(t)
		story(t, rtest.Using(l), l)
		s, err := l.Snapshot(context.Background())
		if err != nil || len(s.Waiters) > 0 || slices.ContainsFunc(s.Holders, func(h lockcore.Holder) bool { return h.State != "kept" }) {
			t.Errorf("left behind: %+v (%v)", s, err)
		}
	})
}

func TestReleaseInCleanupWhateverHappens(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		cancelled, cancel := context.WithCancel(context.Background())
		for name, body := range map[string]func(f *fakeTB){
			"passed":    func(*fakeTB) {},
			"failed":    func(f *fakeTB) { f.Fatalf("broken") },
			"skipped":   func(f *fakeTB) { f.Skipf("not today") },
			"cancelled": func(f *fakeTB) { f.ctx = cancelled; cancel() }, // as t.Context is before Cleanup
		} {
			f := fake(name, func(f *fakeTB) {
				rtest.Acquire(f, rtest.R("a", "b").Need(2), rtest.R("c"), use)
				if got := holders(t, l); len(got) != 3 {
					t.Errorf("%s: holds %q", name, got)
				}
				body(f)
			})
			if got := holders(t, l); len(got) > 0 || len(f.errors) > 0 {
				t.Errorf("%s: still held: %q; errors: %q", name, got, f.errors)
			}
		}
	})
}

func TestReleaseIsEarlyAndIdempotent(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		f := fake("TestEarly", func(f *fakeTB) {
			lease := rtest.Acquire(f, rtest.R("a"), use)
			if lease.Token() == 0 || lease.Waited() < 0 || lease.Context().Err() != nil {
				t.Errorf("a fresh lease: token %d, waited %s, context %v", lease.Token(), lease.Waited(), lease.Context().Err())
			}
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(lease.Release)
			}
			wg.Wait()
			if got := holders(t, l); len(got) > 0 {
				t.Errorf("still held: %q", got)
			}
			if lease.Context().Err() == nil {
				t.Error("the context must end with the lease")
			}
			rtest.Acquire(f, rtest.R("a"), use) // is free again, for this test too
		})
		if f.failed {
			t.Error(f.fatal, f.errors)
		}
	})
}

func TestWaitersAreServedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		var order []string
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				fake(fmt.Sprint("Test", i), func(f *fakeTB) {
					lease := rtest.Acquire(f, rtest.R("a"), use)
					order = append(order, f.name) // the lease is the mutex
					if want := time.Duration(i)*time.Minute - time.Duration(i)*time.Millisecond; lease.Waited() != want {
						t.Errorf("%s waited %s, want %s", f.name, lease.Waited(), want)
					}
					time.Sleep(time.Minute)
				})
			})
		}
		wg.Wait()
		if got := strings.Join(order, " "); got != "Test0 Test1 Test2 Test3" {
			t.Errorf("served in the order %s", got)
		}
	})
}

func TestBusyFailsOrSkipsWithTheBlocker(t *testing.T) {
	for _, c := range []struct {
		name    string
		env     string
		opts    []rtest.Arg
		skipped bool
		wants   []string
		waited  time.Duration
	}{
		{"fails", "", []rtest.Arg{rtest.Wait(90 * time.Second)}, false, []string{"gave up after 1m30s waiting for 1 of boards [a, b] and c"}, 90 * time.Second},
		{"single attempt", "", []rtest.Arg{rtest.Wait(0)}, false, []string{"busy: wanted 1 of boards [a, b] and c"}, 0},
		{"skips", "", []rtest.Arg{rtest.Wait(time.Second), rtest.OnBusy(rtest.Skip)}, true, []string{"gave up after 1s"}, time.Second},
		{"skips as the environment says", "skip", []rtest.Arg{rtest.Wait(time.Second)}, true, []string{"RTEST_ON_BUSY"}, time.Second},
		{"the option wins", "skip", []rtest.Arg{rtest.Wait(time.Second), rtest.OnBusy(rtest.Fail)}, false, nil, time.Second},
		{"the default wait", "", nil, false, []string{"gave up after 5m0s", "the default limit"}, 5 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("RTEST_ON_BUSY", c.env)
			bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
				fake("TestHolder", func(f *fakeTB) {
					rtest.Acquire(f, rtest.R("c"), use, rtest.Reason("calibration"))
					start := time.Now()
					g := fake("TestWaiter", func(f *fakeTB) {
						rtest.Acquire(f, append(c.opts, rtest.R("a", "b").Named("boards"), rtest.R("c"), use)...)
						t.Error("got what another holds")
					})
					if d := time.Since(start); d != c.waited {
						t.Errorf("waited %s, want %s", d, c.waited)
					}
					words := g.fatal
					if c.skipped {
						words = g.skipped
					}
					mustContain(t, words, append(c.wants, "rtest: ", "1st in line", "c is held by TestHolder (", "reason: calibration")...)
				})
			})
		})
	}
}

func TestNoticesWhileWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		fake("TestHolder", func(f *fakeTB) {
			rtest.Acquire(f, rtest.R("a"), use)
			g := fake("TestWaiter", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), use, rtest.Wait(20*time.Second)) })
			if len(g.logs) != 3 { // after 1 s, 5 s and 15 s
				t.Fatalf("lines: %q", g.logs)
			}
			mustContain(t, g.logs[0], "rtest: waiting 1s for a; 1st in line; a is held by TestHolder", "gives up in 19s")
			mustContain(t, g.logs[2], "waiting 15s for a", "gives up in 5s")
		})
	})
}

func TestWaitEndsBeforeTheDeadline(t *testing.T) {
	for _, c := range []struct {
		timeout time.Duration
		opts    []rtest.Arg
		waited  time.Duration
		words   string
	}{
		{10 * time.Minute, nil, 9*time.Minute + 45*time.Second, "-timeout ends the test binary in 15s"},
		{100 * time.Second, nil, 90 * time.Second, "-timeout ends the test binary in 10s"},
		{time.Second, nil, 500 * time.Millisecond, "-timeout ends the test binary in 500ms"},
		{100 * time.Second, []rtest.Arg{rtest.Wait(time.Hour)}, 90 * time.Second, "-timeout ends the test binary in 10s"},
		{100 * time.Second, []rtest.Arg{rtest.Wait(time.Minute)}, time.Minute, "the limit that rtest.Wait or RTEST_WAIT sets"},
	} {
		bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
			fake("TestHolder", func(f *fakeTB) {
				rtest.Acquire(f, rtest.R("a"), use)
				start := time.Now()
				g := &fakeTB{name: "TestWaiter", deadline: start.Add(c.timeout)}
				g.run(func(f *fakeTB) { rtest.Acquire(f, append(c.opts, rtest.R("a"), use)...) })
				if d := time.Since(start); d != c.waited {
					t.Errorf("-timeout %s: waited %s, want %s", c.timeout, d, c.waited)
				}
				mustContain(t, g.fatal, c.words)
			})
		})
	}
}

func TestWaitEndsWithTheTest(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		fake("TestHolder", func(f *fakeTB) {
			rtest.Acquire(f, rtest.R("a"), use)
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Minute, cancel)
			start := time.Now()
			g := &fakeTB{name: "TestWaiter", ctx: ctx}
			g.run(func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), use) })
			if d := time.Since(start); d != time.Minute {
				t.Errorf("waited %s", d)
			}
			mustContain(t, g.fatal, "context canceled", "held by TestHolder")
			late := &fakeTB{name: "TestLate", ctx: ctx}
			late.run(func(f *fakeTB) { rtest.Acquire(f, rtest.R("b"), use) })
			mustContain(t, late.fatal, "after the end of the test")
		})
	})
}

func TestHeldAlready(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		boards := rtest.R("a", "b", "c").Named("boards")
		fake("TestOuter", func(f *fakeTB) {
			rtest.Acquire(f, boards.Need(2), rtest.R("s").Shared(), rtest.R("seat").Seats(2), use)
			fine := fake("TestOuter", func(f *fakeTB) {
				rtest.Acquire(f, boards, use)                   // the third one
				rtest.Acquire(f, rtest.R("s").Shared(), use)    // shared with itself
				rtest.Acquire(f, rtest.R("seat").Seats(2), use) // the other seat
			})
			if fine.failed {
				t.Errorf("was refused what is to be had: %s", fine.fatal)
			}
			for _, c := range []struct {
				req  rtest.Arg
				want string
			}{
				{boards.Need(2), "cannot get \""},
				{rtest.R("s"), `cannot get "s": this test already holds it, acquired at acquire_test.go:`},
				{rtest.R("seat").Seats(2).Need(2), `cannot get "seat"`},
				{rtest.R("seat"), `cannot get "seat"`},
			} {
				start := time.Now()
				g := fake("TestOuter", func(f *fakeTB) { rtest.Acquire(f, c.req, use) })
				mustContain(t, g.fatal, c.want, "Release the first")
				if d := time.Since(start); d != 0 {
					t.Errorf("took %s to say it", d)
				}
			}
		})
	})
}

func TestHeldByAParentTest(t *testing.T) {
	locker := newLocker(t)
	rtest.Acquire(t, rtest.R("a"), rtest.Using(locker))
	t.Run("sub", func(t *testing.T) {
		t.Run("subsub", func(t *testing.T) {
			rtest.Acquire(t, rtest.R("b"), rtest.Using(locker))
			s, err := locker.Snapshot(context.Background())
			if err != nil || len(s.Holders) != 2 || len(s.Holders[1].Parents) != 1 || s.Holders[1].Parents[0] != s.Holders[0].ID {
				t.Errorf("the parent's lease must be known to the store as held meanwhile: %+v", s.Holders)
			}
		})
	})
}

func TestHoldOnFail(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		hold := rtest.HoldOnFail(10 * time.Minute)
		fake("TestPasses", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), use, hold) })
		if got := holders(t, l); len(got) > 0 {
			t.Errorf("a passing test keeps %q", got)
		}
		g := fake("TestFails", func(f *fakeTB) {
			rtest.Acquire(f, rtest.R("a"), use, hold)
			f.Errorf("the board is on fire")
		})
		mustContain(t, strings.Join(g.logs, "\n"), "a stays taken for 10m0s", "rtest-report free")
		h := fake("TestNext", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), use, rtest.Wait(0)) })
		mustContain(t, h.fatal, "a is kept for TestFails")
		time.Sleep(10 * time.Minute)
		if got := holders(t, l); len(got) > 0 {
			t.Errorf("still kept after its time: %q", got)
		}
	})
}

// shiftyStore loses leases, or does not answer.
type shiftyStore struct {
	lockcore.Store
	mu    sync.Mutex
	renew error
	ask   error
	mute  bool
}

func (s *shiftyStore) String() string { return "shifty:" }

func (s *shiftyStore) Ask(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	s.mu.Lock()
	err, mute := s.ask, s.mute
	s.mu.Unlock()
	if mute {
		<-ctx.Done()
		return lockcore.Answer{}, ctx.Err()
	}
	if err != nil {
		return lockcore.Answer{}, err
	}
	return s.Store.Ask(ctx, t, wake)
}

func (s *shiftyStore) Withdraw(ctx context.Context, id string) error {
	s.mu.Lock()
	mute := s.mute
	s.mu.Unlock()
	if mute {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Store.Withdraw(ctx, id)
}

func (s *shiftyStore) Renew(ctx context.Context, grants []*lockcore.Grant) ([]error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renew != nil {
		errs := make([]error, len(grants))
		for i := range errs {
			errs[i] = s.renew
		}
		return errs, nil
	}
	return s.Store.Renew(ctx, grants)
}

func TestLostLeaseFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shiftyStore{Store: memstore.New(nil), renew: fmt.Errorf("freed by hand: %w", lockcore.ErrLost)}
		l := lockcore.New(store, nil)
		defer l.Close()
		f := fake("TestLosing", func(f *fakeTB) {
			lease := rtest.Acquire(f, rtest.R("a"), rtest.Using(l), rtest.TTL(9*time.Second))
			start := time.Now()
			<-lease.Context().Done()
			if d := time.Since(start); d != 3*time.Second { // the first renewal
				t.Errorf("was told after %s", d)
			}
			if cause := context.Cause(lease.Context()); !errors.Is(cause, lockcore.ErrLost) {
				t.Errorf("the cause is %v", cause)
			}
			synctest.Wait()
			if len(f.errors) != 1 {
				t.Errorf("errors while the test runs: %q", f.errors)
			}
		})
		if len(f.errors) != 1 {
			t.Fatalf("errors: %q", f.errors)
		}
		mustContain(t, f.errors[0], "rtest: lost a, acquired at acquire_test.go:", "freed by hand", "Somebody else may be using it")
	})
}

func TestLostLeaseIsNoticedAtRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		l := lockcore.New(store, nil)
		defer l.Close()
		f := fake("TestLosing", func(f *fakeTB) {
			rtest.Acquire(f, rtest.R("a"), rtest.Using(l))
			if _, err := store.Free(context.Background(), "a", "freed by hand"); err != nil {
				t.Error(err)
			}
		})
		if len(f.errors) != 1 {
			t.Fatalf("errors: %q", f.errors)
		}
		mustContain(t, f.errors[0], "rtest: lost a, acquired at acquire_test.go:")
	})
}

func TestRenewalEndsWithTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocker(t)
		f := &fakeTB{name: "TestHangs", deadline: time.Now().Add(time.Minute)}
		f.run(func(f *fakeTB) {
			lease := rtest.Acquire(f, rtest.R("a"), rtest.Using(l), rtest.TTL(30*time.Second))
			start := time.Now()
			<-lease.Context().Done()
			if d := time.Since(start); d < time.Minute || d > 2*time.Minute {
				t.Errorf("lost after %s, want soon after the deadline", d)
			}
		})
		mustContain(t, strings.Join(f.errors, "\n"), "leases are not renewed once -timeout is over")
	})
}

func TestUnreachableStore(t *testing.T) {
	for _, c := range []struct {
		name    string
		store   *shiftyStore
		opts    []rtest.Arg
		skipped bool
		want    string
		within  time.Duration
	}{
		{"refused", &shiftyStore{ask: errors.New("connection refused")}, nil, false, "cannot ask shifty: for a: connection refused", 0},
		{"refused, skip", &shiftyStore{ask: errors.New("connection refused")}, []rtest.Arg{rtest.OnError(rtest.Skip)}, true, "connection refused (skipped as RTEST_ON_ERROR", 0},
		{"refused, busy would skip", &shiftyStore{ask: errors.New("connection refused")}, []rtest.Arg{rtest.OnBusy(rtest.Skip)}, false, "connection refused", 0},
		{"silent", &shiftyStore{mute: true}, nil, false, "the store did not answer within 20s when asked for a", 20 * time.Second},
		{"silent, short wait", &shiftyStore{mute: true}, []rtest.Arg{rtest.Wait(2 * time.Second), rtest.OnBusy(rtest.Skip)}, false, "the store did not answer within 2s", 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.store.Store = memstore.New(nil)
				l := lockcore.New(c.store, nil)
				start := time.Now()
				f := fake("TestDown", func(f *fakeTB) { rtest.Acquire(f, append(c.opts, rtest.R("a"), rtest.Using(l))...) })
				if d := time.Since(start); d != c.within {
					t.Errorf("took %s", d)
				}
				words := f.fatal
				if c.skipped {
					words = f.skipped
				}
				mustContain(t, words, "rtest: ", c.want)
				l.Close()
			})
		})
	}
}

// A typing mistake in RTEST_URL must not turn into tests that are skipped for
// ever; a store that is down may.
func TestMistakesInTheStoreURL(t *testing.T) {
	t.Setenv("RTEST_ON_ERROR", "skip")
	for url, want := range map[string]string{
		"redsi://host":           `RTEST_URL: storeurl: no store has the scheme "redsi"`,
		"mem:?lock_dely=1s":      `does not know the parameter "lock_dely"`,
		"rediss://u:hush@host:x": "RTEST_URL: storeurl: ",
	} {
		t.Setenv("RTEST_URL", url)
		f := fake("TestTypo", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a")) })
		mustContain(t, f.fatal, "rtest: ", want)
		if strings.Contains(f.fatal, "hush") {
			t.Errorf("a password is shown: %s", f.fatal)
		}
	}
	t.Setenv("RTEST_URL", "file:///proc/nowhere")
	f := fake("TestDown", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a")) })
	mustContain(t, f.skipped, "rtest: RTEST_URL: ", "/proc/nowhere", "RTEST_ON_ERROR")
}

func TestNamespacesAreApart(t *testing.T) {
	t.Setenv("RTEST_URL", "mem:")
	t.Setenv("RTEST_NAMESPACE", "one")
	fake("TestOne", func(f *fakeTB) {
		rtest.Acquire(f, rtest.R("a"))
		busy := fake("TestSame", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Wait(0)) })
		mustContain(t, busy.fatal, "a is held by TestOne")
		t.Setenv("RTEST_NAMESPACE", "two")
		free := fake("TestTwo", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Wait(0)) })
		if free.failed {
			t.Error(free.fatal)
		}
	})
}

func TestDeadlockIsSaidAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		var wg sync.WaitGroup
		ends := make([]*fakeTB, 2)
		start := time.Now()
		for i, keys := range [][2]string{{"a", "b"}, {"b", "a"}} {
			wg.Go(func() {
				ends[i] = fake(fmt.Sprint("Test", i), func(f *fakeTB) {
					rtest.Acquire(f, rtest.R(keys[0]), use)
					time.Sleep(time.Second)
					rtest.Acquire(f, rtest.R(keys[1]), use)
				})
			})
		}
		wg.Wait()
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("it took %s", d)
		}
		words := ends[0].fatal + ends[1].fatal
		if (ends[0].fatal == "") == (ends[1].fatal == "") {
			t.Errorf("exactly one must give way: %q", words)
		}
		mustContain(t, words, "deadlock", "Test0", "Test1")
	})
}

func TestDiscoveryGoesOnWhileWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		start := time.Now()
		pool := rtest.Discover(func(context.Context) ([]board, error) {
			boards := []board{{"a", 1}}
			if time.Since(start) > time.Minute {
				boards = append(boards, board{"b", 2})
			}
			return boards, nil
		}).Key(func(b board) string { return b.Name })
		fake("TestHolder", func(f *fakeTB) {
			rtest.Acquire(f, pool, use)
			g := fake("TestWaiter", func(f *fakeTB) {
				if got := pool.One(rtest.Acquire(f, pool, use)); got != (board{"b", 2}) {
					t.Errorf("got %v", got)
				}
				if d := time.Since(start); d < time.Minute || d > 70*time.Second {
					t.Errorf("the new board was taken after %s", d)
				}
			})
			if g.failed {
				t.Error(g.fatal)
			}
		})
	})
}

func TestShrinkingDiscovery(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		start := time.Now()
		pool := rtest.Discover(func(context.Context) ([]string, error) {
			if time.Since(start) > 10*time.Second {
				return []string{"b"}, nil // a was taken out of the lab
			}
			return []string{"a", "b"}, nil
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			fake("TestA", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), use); time.Sleep(30 * time.Second) })
		})
		wg.Go(func() {
			fake("TestB", func(f *fakeTB) { rtest.Acquire(f, rtest.R("b"), use); time.Sleep(time.Minute) })
		})
		time.Sleep(time.Second)
		fake("TestWaiter", func(f *fakeTB) {
			if got := pool.One(rtest.Acquire(f, pool, use)); got != "b" {
				t.Errorf("got %s, which is not in the pool any more", got)
			}
		})
		wg.Wait()
	})
}

func TestMistakesInArguments(t *testing.T) {
	locker := newLocker(t)
	for _, c := range []struct {
		arg  rtest.Arg
		want string
	}{
		{nil, "argument 2 of Acquire is nil"},
		{rtest.Option{}, "an Option without content"},
		{rtest.Wait(-time.Second), "Wait(-1s)"},
		{rtest.TTL(0), "TTL(0s)"},
		{rtest.Expect(-1), "Expect(-1ns)"},
		{rtest.HoldOnFail(-1), "HoldOnFail(-1ns)"},
		{rtest.Using(nil), "Using(nil)"},
		{rtest.OnBusy(7), "OnBusy(7)"},
		{rtest.OnError(-1), "OnError(-1)"},
	} {
		f := fake("TestMistake", func(f *fakeTB) { rtest.Acquire(f, rtest.Using(locker), c.arg) })
		mustContain(t, f.fatal, "rtest: ", c.want)
	}
	f := fake("TestTwiceTheKey", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.R("a"), rtest.Using(locker)) })
	mustContain(t, f.fatal, "cannot be had together")
}

func TestMistakesInTheEnvironment(t *testing.T) {
	locker := newLocker(t)
	for _, c := range []struct{ name, value, want string }{
		{"RTEST_WAIT", "30", `RTEST_WAIT is "30"; want a duration such as 90s`},
		{"RTEST_WAIT", "-1s", `RTEST_WAIT is "-1s"`},
		{"RTEST_TTL", "0s", `RTEST_TTL is "0s"`},
		{"RTEST_ON_BUSY", "ignore", `RTEST_ON_BUSY is "ignore"; want fail or skip`},
		{"RTEST_ON_ERROR", "Skp", `RTEST_ON_ERROR is "Skp"`},
		{"RTEST_ATTRS", "some", `RTEST_ATTRS is "some"; want off, min or all`},
		{"RTEST_SIGNALS", "no", `RTEST_SIGNALS is "no"; want on or off`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(c.name, c.value)
			f := fake("TestEnv", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Using(locker)) })
			mustContain(t, f.fatal, "rtest: the environment variable ", c.want)
		})
	}
	t.Setenv("RTEST_WAIT", "0")
	t.Setenv("RTEST_ON_BUSY", " SKIP ")
	fake("TestHolder", func(f *fakeTB) {
		rtest.Acquire(f, rtest.R("a"), rtest.Using(locker))
		g := fake("TestOther", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Using(locker)) })
		mustContain(t, g.skipped, "busy: wanted a")
	})
}

// The locker of the process is used from inside a bubble: neither its leases nor
// its goroutines may live by the bubble's clock.
func TestProcessLockerInsideABubble(t *testing.T) {
	t.Setenv("RTEST_URL", "mem:")
	t.Setenv("RTEST_NAMESPACE", t.Name())
	outside := rtest.Acquire(t, rtest.R("outside"))
	synctest.Test(t, func(t *testing.T) {
		l := rtest.Acquire(t, rtest.R("a"))
		time.Sleep(24 * time.Hour)
		if err := l.Context().Err(); err != nil {
			t.Errorf("the lease died of the bubble's time: %v", context.Cause(l.Context()))
		}
	})
	if err := outside.Context().Err(); err != nil {
		t.Errorf("a lease outside died of it: %v", err)
	}
	synctest.Test(t, func(t *testing.T) { rtest.Acquire(t, rtest.R("a"), rtest.Wait(0)) }) // was given back
}
