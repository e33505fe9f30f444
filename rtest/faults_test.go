package rtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// shiftyStore loses leases, or does not answer.
type shiftyStore struct {
	lockcore.Store
	mu    sync.Mutex
	renew error
	ask   error
	free  error // of Release
	mute  bool
}

func (s *shiftyStore) Release(ctx context.Context, g *lockcore.Grant, keep time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free != nil {
		return s.free
	}
	return s.Store.Release(ctx, g, keep)
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
		// The loss is said once, though each layer knows of it.
		mustContain(t, f.errors[0], "rtest: lost a, acquired at faults_test.go:", ": freed by hand. Somebody else may be using it")
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
		mustContain(t, f.errors[0], "rtest: lost a, acquired at faults_test.go:")
	})
}

func TestRenewalEndsWithTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLocker(t)
		f := &fakeTB{name: "TestHangs", deadline: time.Now().Add(time.Minute)}
		f.run(func(f *fakeTB) {
			lease := rtest.Acquire(f, rtest.R("a"), rtest.Using(l), rtest.TTL(3*time.Second))
			start := time.Now()
			select {
			case <-lease.Context().Done():
			case <-time.After(time.Hour):
				t.Error("it is renewed for ever")
			}
			// A binary that prints its goroutines has 10 s for it, and then there is the TTL.
			if d := time.Since(start); d < 70*time.Second || d > 73*time.Second {
				t.Errorf("lost after %s, want 10 s after the deadline and a TTL at most", d)
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

	t.Setenv("RTEST_URL", "redis://:hush@127.0.0.1:1")
	f = fake("TestDown", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a")) })
	mustContain(t, f.skipped, "rtest: ", "127.0.0.1:1", "connection refused", "RTEST_ON_ERROR")
	if strings.Contains(f.skipped, "hush") {
		t.Errorf("a password is shown: %s", f.skipped)
	}
}

// Of a server that cannot be reached, only our message is written, unless somebody
// looks for the cause. The logger of go-redis is the program's: what the code under
// test logs there is written as ever.
func TestTheRedisClientIsQuiet(t *testing.T) {
	t.Parallel()
	for debug, want := range map[string]bool{"RTEST_DEBUG": false, "RTEST_DEBUG=1": true} {
		l := newLab(t)
		cmd := scenario(t, "TestDialsItself")
		cmd.Env = []string{debug, "RTEST_URL=redis://127.0.0.1:1", "RTEST_EVENTS=redis://127.0.0.1:1", "RTEST_REPORT=redis://127.0.0.1:1"}
		code, out := l.launch(t, cmd).end()
		if code != 1 {
			t.Errorf("exit code %d:\n%s", code, out)
		}
		mustContain(t, out, "rtest: cannot ask for board-1: redis://127.0.0.1:1", "connection refused", "redis: connection pool: failed to dial after 1 attempts: dial tcp 127.0.0.1:2: ")
		if got := strings.Contains(out, "failed to dial after 1 attempts: dial tcp 127.0.0.1:1: "); got != want {
			t.Errorf("%s: lines about our server: %v, want %v:\n%s", debug, got, want, out)
		}
	}
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

func TestMistakesInArguments(t *testing.T) {
	locker := newLocker(t)
	for _, c := range []struct {
		arg  rtest.Arg
		want string
	}{
		{nil, "argument 2 of Acquire is nil: give it a requirement or an option"},
		{(*rtest.Requirement[string])(nil), "argument 2 of Acquire is nil"},
		{(*rtest.Option)(nil), "argument 2 of Acquire is nil"},
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
	f := fake("TestTwiceTheKey", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.R("a"), rtest.Using(locker), skip[0], skip[1]) })
	mustContain(t, f.fatal, "cannot be had together")
}

// A test that asks for nothing, by a list that came out empty, must not pass
// without what it needs; and no policy may make a skip of it.
func TestNothingIsAskedFor(t *testing.T) {
	t.Setenv("RTEST_URL", "redis://127.0.0.1:1") // where nobody is
	t.Setenv("RTEST_ON_ERROR", "skip")
	t.Setenv("RTEST_ON_BUSY", "skip")
	var none []rtest.Arg
	for name, args := range map[string][]rtest.Arg{
		"no arguments":  nil,
		"an empty list": none,
		"only options":  {rtest.Wait(time.Minute), rtest.Reason("to see")},
		"only a locker": {rtest.Using(lockcore.New(untouchable{}, nil))},
	} {
		f := fake("TestNothing", func(f *fakeTB) { rtest.Acquire(f, args...); t.Errorf("%s: the test went on", name) })
		if want := `rtest: Acquire was given no requirement, so there is nothing to acquire: say what is needed, as in rtest.R("board-1"), or leave out the call`; f.fatal != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, f.fatal, want)
		}
	}
}

// untouchable is a store that panics when it is asked for anything.
type untouchable struct{ lockcore.Store }

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
