package rtest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
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
			again := rtest.Acquire(f, rtest.R("b"), use)
			again.Release()
			again.Release() // by itself: were it to block, the bubble would see it
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

// skip are the policies that must not hide what will be the same tomorrow.
var skip = []rtest.Arg{rtest.OnBusy(rtest.Skip), rtest.OnError(rtest.Skip)}

func TestWaitEndsWithTheTest(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		fake("TestHolder", func(f *fakeTB) {
			rtest.Acquire(f, rtest.R("a"), use)
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Minute, cancel)
			start := time.Now()
			g := &fakeTB{name: "TestWaiter", ctx: ctx}
			g.run(func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), use, skip[0], skip[1]) })
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
					rtest.Acquire(f, rtest.R(keys[1]), use, skip[0], skip[1])
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
