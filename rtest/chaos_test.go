package rtest_test

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// Two "shells" run the tests of examples/boards, both packages at once and
// several times, while somebody kills test binaries with -9. The examples
// themselves look for two holders of one board. RTEST_KILLS=500 makes it a
// campaign.
func TestKillingTestBinariesAtRandom(t *testing.T) {
	if testing.Short() {
		t.Skip("runs test binaries for some seconds; run without -short")
	}
	c := &chaos{t: t, lab: newLab(t), kills: 10}
	if n, err := strconv.Atoi(wantedKills); err == nil {
		c.kills = n
	}
	dir := t.TempDir()
	for _, pkg := range []string{"pairing", "firmware"} {
		bin := filepath.Join(dir, pkg+".test")
		if out, err := exec.Command("go", "test", "-c", "-o", bin, "../examples/boards/"+pkg).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		c.bins = append(c.bins, bin)
	}
	stop := make(chan struct{})
	killer := sync.WaitGroup{}
	killer.Go(func() { c.running.killSome(stop) })
	var shells sync.WaitGroup
	for range 2 {
		shells.Go(func() {
			for !c.enough() {
				c.round(false)
			}
		})
	}
	shells.Wait()
	close(stop)
	killer.Wait()
	c.round(true) // whoever comes after the last of the dead gets everything
	t.Logf("%d test binaries killed, %d came to their end", c.killed, c.survived)
	if got := c.lab.left(t); got != "" {
		t.Errorf("left behind: %s", got)
	}
	if both := doubleGrants(c.lab.recorded(t)); both != "" {
		t.Error(both)
	}
}

// chaos is a lab in which test binaries are killed.
type chaos struct {
	t       *testing.T
	lab     *lab
	bins    []string
	running killable
	kills   int // how many are enough

	mu               sync.Mutex
	killed, survived int
}

func (c *chaos) enough() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killed >= c.kills || c.t.Failed()
}

// round runs all binaries once; mercy saves them from the killer.
func (c *chaos) round(mercy bool) {
	var all sync.WaitGroup
	for _, bin := range c.bins {
		child := c.lab.launch(c.t, exec.Command(bin, "-test.count=5", "-test.timeout=2m"))
		if !mercy {
			c.running.add(child)
		}
		all.Go(func() {
			code, out := child.end()
			c.running.remove(child)
			c.mu.Lock()
			defer c.mu.Unlock()
			switch {
			case strings.Contains(out, "OVERLAP"):
				c.t.Errorf("two holders:\n%s", out)
			case code == -1 && !mercy:
				c.killed++
			case code != 0:
				c.t.Errorf("exit code %d:\n%s", code, out)
			default:
				c.survived++
			}
		})
	}
	all.Wait()
}

// killable are processes that may be killed.
type killable struct {
	mu   sync.Mutex
	list []*child
}

func (k *killable) add(c *child) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(k.list, c)
}

func (k *killable) remove(c *child) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = slices.DeleteFunc(k.list, func(o *child) bool { return o == c })
}

func (k *killable) killSome(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(100+rand.IntN(300)) * time.Millisecond):
		}
		k.mu.Lock()
		if len(k.list) > 0 {
			k.list[rand.IntN(len(k.list))].cmd.Process.Kill()
		}
		k.mu.Unlock()
	}
}

// doubleGrants finds fencing tokens that were given out twice, in the record.
func doubleGrants(events []eventlog.Event) string {
	by := map[uint64]string{}
	for _, e := range events {
		if e.Ev != eventlog.Grant {
			continue
		}
		fence := e.Chosen[0].Fence
		if other := by[fence]; other != "" && other != e.Req {
			return fmt.Sprintf("requests %s and %s have the same fencing token %d", other, e.Req, fence)
		}
		by[fence] = e.Req
	}
	return ""
}

// A killed holder's resource goes to a waiter in another process long before the
// lease would have run out; how long that takes is logged.
func TestKilledHolder(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var took []time.Duration
	for range 10 {
		holder := l.scenario(t, "TestHang")
		holder.await("HOLDING")
		waiter := l.scenario(t, "TestWaiter")
		for !strings.Contains(l.left(t), "TestWaiter waits") {
			yield()
		}
		time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond) // any moment of whatever rhythm there may be
		killed := time.Now()
		holder.cmd.Process.Kill()
		waiter.await("HOLDING")
		took = append(took, time.Since(killed))
		if code, out := waiter.end(); code != 0 {
			t.Errorf("exit code %d:\n%s", code, out)
		}
	}
	slices.Sort(took)
	t.Logf("the waiter had it %s (median), %s (at most) after kill -9", took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	if got := l.left(t); got != "" {
		t.Errorf("left behind: %s", got)
	}
}
