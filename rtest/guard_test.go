package rtest_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// Tests of what nobody sees as long as it works.

// A test that takes and gives back in a loop must not keep every lease until its
// end.
func TestALeaseThatIsGivenBackCanBeCollected(t *testing.T) {
	locker := newLocker(t)
	fake("TestLoop", func(f *fakeTB) {
		var leases []weak.Pointer[rtest.Lease]
		for range 10 {
			l := rtest.Acquire(f, rtest.R("a"), rtest.Using(locker))
			leases = append(leases, weak.Make(l))
			l.Release()
		}
		// Not of the last, which may still be on the stack. Whatever else refers to a
		// lease for a while lets go of it.
		gone := func(w weak.Pointer[rtest.Lease]) bool { return w.Value() == nil }
		for end := time.Now().Add(time.Minute); !slices.ContainsFunc(leases[:9], gone); yield() {
			if time.Now().After(end) {
				t.Fatal("all leases of the test are still there")
			}
			runtime.GC()
		}
	})
}

// The resources expire, and the test did its work.
func TestAReleaseThatFailsIsNoFailureOfTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lockcore.New(&shiftyStore{Store: memstore.New(nil), free: errors.New("connection reset")}, nil)
		f := fake("TestWorks", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Using(l)) })
		if f.failed {
			t.Error(f.fatal, f.errors)
		}
		mustContain(t, strings.Join(f.logs, "\n"), "rtest: ", "cannot give back", "it will expire within 30s", "connection reset")
		l.Close()
	})
}

// slowTB takes its time to be told of an error.
type slowTB struct {
	*fakeTB
	telling, told chan struct{}
}

func (s *slowTB) Errorf(format string, args ...any) {
	close(s.telling)
	<-s.told
	s.fakeTB.Errorf(format, args...)
}

// t.Errorf after the end of a test panics, so a test does not end while it is
// being told that its lease is lost.
func TestTheEndAwaitsTheWordOfALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shiftyStore{Store: memstore.New(nil), renew: fmt.Errorf("freed by hand: %w", lockcore.ErrLost)}
		l := lockcore.New(store, nil)
		defer l.Close()
		s := &slowTB{&fakeTB{name: "TestLosing"}, make(chan struct{}), make(chan struct{})}
		lease := rtest.Acquire(s, rtest.R("a"), rtest.Using(l))
		<-s.telling
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.clean()
		}()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("the test is over while it is being told")
		default:
		}
		close(s.told)
		<-ended
		if len(s.errors) != 1 || lease.Context().Err() == nil {
			t.Errorf("errors: %q", s.errors)
		}
	})
}

// Whoever closes a locker of his own gives back, and has lost nothing.
func TestAClosedLockerIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lockcore.New(memstore.New(nil), nil)
		f := fake("TestCloses", func(f *fakeTB) {
			rtest.Acquire(f, rtest.R("a"), rtest.Using(l))
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		})
		if f.failed {
			t.Error(f.fatal, f.errors)
		}
	})
}

// What a test has lost, it does not hold: it may ask again. That it lost
// something remains its outcome.
func TestALostResourceCanBeAskedForAgain(t *testing.T) {
	bubble(t, func(t *testing.T, _ rtest.Option, _ *lockcore.Locker) {
		store := &shiftyStore{Store: memstore.New(nil), renew: lockcore.ErrLost}
		l := lockcore.New(store, nil)
		defer l.Close()
		f := fake("TestAgain", func(f *fakeTB) {
			lease := rtest.Acquire(f, rtest.R("a", "b").Need(2), rtest.Using(l), rtest.TTL(9*time.Second))
			<-lease.Context().Done()
			synctest.Wait()
			time.Sleep(time.Minute) // in the store it expires
			rtest.Acquire(f, rtest.R("a"), rtest.Using(l)).Release()
		})
		if f.fatal != "" || len(f.errors) != 1 {
			t.Errorf("errors: %s %q", f.fatal, f.errors)
		}
		if got := f.attrs["rtest.outcome"]; got != "lost" {
			t.Errorf("outcome %q, want the worst of the two", got)
		}
	})
}

// A name that begins like another is no subtest of it, and in other frameworks a
// slash means nothing.
func TestOnlyASubtestIsWithinATest(t *testing.T) {
	use := rtest.Using(newLocker(t))
	hasty := []rtest.Arg{rtest.R("x"), use, rtest.Wait(0), rtest.OnBusy(rtest.Skip)}
	t.Run("a", func(a *testing.T) {
		rtest.Acquire(a, rtest.R("x"), use)
		t.Run("ab", func(t *testing.T) { // beside it; if it fails, it was taken for a part
			rtest.Acquire(t, hasty...)
			t.Error("got what another test holds")
		})
	})
	fake("TestSlash", func(f *fakeTB) {
		rtest.Acquire(f, rtest.R("x"), use)
		g := fake("TestSlash/part", func(f *fakeTB) { rtest.Acquire(f, hasty...) })
		mustContain(t, g.skipped, "busy: wanted x", "held by TestSlash (")
	})
}

// The same key in another store, or namespace, is another resource.
func TestTheSameKeyInAnotherNamespace(t *testing.T) {
	t.Setenv("RTEST_URL", "mem:")
	f := fake("TestBoth", func(f *fakeTB) {
		for _, namespace := range []string{"left", "right"} {
			t.Setenv("RTEST_NAMESPACE", t.Name()+namespace)
			rtest.Acquire(f, rtest.R("a"), rtest.Wait(0))
		}
	})
	if f.failed {
		t.Error(f.fatal)
	}
}

// eagerTB wants its attributes as soon as there are any, and keeps them all.
type eagerTB struct {
	*fakeTB
	mu    sync.Mutex
	lines []string
}

func (e *eagerTB) Location() (string, int) { return "eager_test.go", 1 }
func (e *eagerTB) Attr(key, value string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, key)
}

// A test that acquires in a loop must not fill its log with what was said.
func TestAttributesAreSaidOnce(t *testing.T) {
	locker := newLocker(t)
	e := &eagerTB{fakeTB: &fakeTB{name: "TestLoop"}}
	for range 5 {
		rtest.Acquire(e, rtest.R("a"), rtest.Using(locker)).Release()
	}
	e.clean()
	said := map[string]int{}
	for _, key := range e.lines {
		said[key]++
	}
	if said["rtest.req"] != 5 || said["rtest.resources"] != 1 || said["rtest.outcome"] != 1 {
		t.Errorf("how often each was said: %v", said)
	}
}

// Addresses of sinks may have passwords in them. What is wrong with them, or
// with their servers, is said without, once, and no test fails for it.
func TestSinksKeepTheirPasswords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  string
		want string
	}{
		{"RTEST_REPORT=redis://user:hush@127.0.0.1:1/x/y", "rtest: RTEST_REPORT: nothing is counted: want an address such as"},
		{"RTEST_REPORT=redis://user:hush@127.0.0.1:1/0", "rtest: RTEST_REPORT: "},
		{"RTEST_EVENTS=redis://user:hush@127.0.0.1:port", "rtest: RTEST_EVENTS: no events are written: "},
		{"RTEST_EVENTS=redis://user:hush@127.0.0.1:1/0", "rtest: RTEST_EVENTS: no events are written: redisstream: "},
	} {
		cmd := scenario(t, "TestTagged", "-test.count=3")
		cmd.Env = []string{"RTEST_EVENTS", c.env}
		child := newLab(t).launch(t, cmd)
		child.await(c.want)
		child.stdin.Close()
		code, out := child.end()
		if code != 0 || strings.Contains(out, "hush") || strings.Count(out, c.want) != 1 {
			t.Errorf("%s: exit code %d, want %q once, and no password:\n%s", c.env, code, c.want, out)
		}
	}
}
