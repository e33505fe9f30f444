package rtest_test

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/rtest"
)

// Whoever checks for leaked goroutines must find none of ours once the leases
// are given back: the guard against signals, the renewals and the watchers end
// with them.
func TestNoGoroutineStays(t *testing.T) {
	t.Setenv("RTEST_URL", "mem:")
	t.Setenv("RTEST_NAMESPACE", t.Name())
	t.Setenv("RTEST_EVENTS", t.TempDir())
	t.Run("lease", func(t *testing.T) {
		rtest.Acquire(t, rtest.R("a"))
		fake("TestWaiter", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Wait(1)) })
		for !strings.Contains(stacks(), "rtest.listen(") {
			yield() // until the guard against signals stands
		}
	})
	for strings.Contains(stacks(), "/rtest.") || strings.Contains(stacks(), "/lockcore.") || strings.Contains(stacks(), "/eventlog.") {
		yield() // they end soon, or the test run ends here
	}
}

// The same after tests have waited for each other, in a process and across two:
// what a store needs for its waiters, it keeps for them only.
func TestNoGoroutineStaysAfterContention(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, l *lab) {
		run := func() *child { return l.launch(t, exec.Command(binary(t, "leaks"), "-test.parallel=4")) }
		for _, c := range []*child{run(), run()} {
			if code, out := c.end(); code != 0 {
				t.Errorf("exit code %d:\n%s", code, out)
			}
		}
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
