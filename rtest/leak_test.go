package rtest_test

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// Whoever checks for leaked goroutines must find none of ours once the leases
// are given back: the guard against signals, the renewals and the watchers end
// with them.
func TestNoGoroutineStays(t *testing.T) {
	t.Setenv("RTEST_URL", "mem:")
	t.Setenv("RTEST_NAMESPACE", t.Name())
	t.Setenv("RTEST_EVENTS", t.TempDir())
	others := goleak.IgnoreCurrent()
	t.Run("lease", func(t *testing.T) {
		rtest.Acquire(t, rtest.R("a"))
		fake("TestWaiter", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Wait(1)) })
		for !strings.Contains(stacks(), "rtest.listen(") {
			yield() // until the guard against signals stands
		}
	})
	for goleak.Find(others) != nil {
		yield() // they end soon, or the test run ends here
	}
}

// The same after tests have waited for each other, in a process and across two:
// what a store needs for its waiters, it keeps for them only.
func TestNoGoroutineStaysAfterContention(t *testing.T) {
	t.Parallel()
	contend := func(t *testing.T, l *lab) {
		run := func() *child { return l.launch(t, exec.Command(binary(t, "leaks"), "-test.parallel=4")) }
		for _, c := range []*child{run(), run()} {
			if code, out := c.end(); code != 0 {
				t.Errorf("exit code %d:\n%s", code, out)
			}
		}
	}
	onEachStore(t, contend)
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		contend(t, newLabAt(t, redistest.StartSentinel(t, 1).URL()))
	})
	t.Run("redlock", func(t *testing.T) {
		t.Parallel()
		var addrs []string
		for _, s := range redistest.StartN(t, 3) {
			addrs = append(addrs, s.Addr)
		}
		contend(t, newLabAt(t, "redlock://"+strings.Join(addrs, ",")))
	})
}

// stacks lists all goroutines but those that wait for parallel tests.
func stacks() string {
	buf := make([]byte, 1<<20)
	var out []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if !strings.Contains(g, "testing.(*T).Parallel") && !strings.Contains(g, "rtest_test.stacks") {
			out = append(out, g)
		}
	}
	return strings.Join(out, "\n\n")
}
