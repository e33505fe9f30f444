//go:build unix

package ginkgolock_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// labs are the stores that suites are run on: on one machine the death of a
// process is seen at once, on a server its leases run out.
var labs = map[string]func(*testing.T) *lab{"file": newLab, "redis": newRedisLab}

// serverTTL is how long the dead hold on a server: long enough for a process
// that a busy machine keeps waiting not to be taken for dead.
const serverTTL = "RTEST_TTL=5s"

// Two shells run suites at once, and of one of them somebody kills processes, or
// the ginkgo command, with -9. The suites themselves look for two holders of a
// key. GINKGOLOCK_ROUNDS=50 makes it a campaign.
func TestKillingAtRandom(t *testing.T) {
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("GINKGOLOCK_ROUNDS")); err == nil {
		rounds = n
	}
	for name, newLab := range labs {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			var harmed, spared atomic.Int32
			stop := make(chan struct{})
			var shell sync.WaitGroup
			shell.Go(func() { // nobody kills here
				for {
					c := l.start("kinds", 2, serverTTL, "--randomize-all")
					if code := c.wait(); code != 0 {
						t.Errorf("exit code %d:\n%s", code, c.out)
					}
					spared.Add(1)
					select {
					case <-stop:
						return
					default:
					}
				}
			})
			for harmed.Load() < int32(rounds) {
				c := l.start("kinds", 4, serverTTL, "PIDS=1", "--randomize-all")
				if l.killOne(c) {
					harmed.Add(1)
				}
				c.wait()
			}
			close(stop)
			shell.Wait()
			t.Logf("of %d suites a process was killed, %d came to their end", harmed.Load(), spared.Load())
			l.run("kinds", 4, serverTTL).ok() // needs everything that there is
			assert.NotContains(t, l.said(), "overlap")
			l.until("nothing is left", func() bool {
				s := l.snapshot()
				return len(s.Holders)+len(s.Waiters) == 0
			})
		})
	}
}

// killOne kills the ginkgo command or one of its processes at any moment of the
// run. It reports whether there was still one to kill.
func (l *lab) killOne(c *child) bool {
	group := c.cmd.Process.Pid
	time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
	pids := []int{group}
	for line := range strings.Lines(l.said()) {
		var of, pid int
		if n, _ := fmt.Sscanf(line, "pid %d %d", &of, &pid); n == 2 && of == group {
			pids = append(pids, pid)
		}
	}
	select {
	case <-c.done:
		return false
	default:
		return syscall.Kill(pids[rand.IntN(len(pids))], syscall.SIGKILL) == nil
	}
}

// On a server, what a killed process held is the next one's when its lease has
// run out.
func TestKilledProcessOnAServer(t *testing.T) {
	l := newRedisLab(t)
	c := l.start("held", 2, serverTTL)
	l.until("it holds", func() bool { return strings.Count(l.said(), "holding") == 1 })
	l.waiters(1)
	pid, err := strconv.Atoi(strings.Fields(l.said())[1])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	l.until("the other holds it", func() bool { return strings.Count(l.said(), "holding") == 2 })
	l.touch("go-on")
	assert.NotZero(t, c.wait())
	assert.NotContains(t, l.said(), "overlap")
	l.empty()
}

// The ginkgo command is killed, so that nobody gives back the lease of all
// processes: the orphans end their specs and what they hold for these, and the
// rest with themselves or when it has run out.
func TestKilledCommandOfASuiteWithALease(t *testing.T) {
	for name, newLab := range labs {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			c := l.start("shared suite", 3, serverTTL)
			l.until("all run", func() bool { return strings.Count(l.said(), "running") == 3 })
			require.NoError(t, syscall.Kill(c.cmd.Process.Pid, syscall.SIGKILL))
			require.Len(t, l.snapshot().Holders, 4, "the orphans still use it")
			l.touch("go-on")
			l.until("all end", func() bool { return strings.Count(l.said(), "finished") == 3 })
			l.until("nothing is left", func() bool { return len(l.snapshot().Holders) == 0 })
		})
	}
}

func TestTwoRunsOnAServer(t *testing.T) {
	l := newRedisLab(t)
	a, b := l.start("kinds", 4), l.start("kinds", 1, "--randomize-all")
	a.ok()
	b.ok()
	assert.NotContains(t, l.said(), "overlap")
	assert.Equal(t, 24, l.events("release"))
	l.empty()
}
