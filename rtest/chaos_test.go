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
// themselves look for two holders of one board.
func TestKillingTestBinariesAtRandom(t *testing.T) {
	if testing.Short() {
		t.Skip("runs test binaries for some seconds; run without -short")
	}
	dir := t.TempDir()
	var bins []string
	for _, pkg := range []string{"pairing", "firmware"} {
		bin := filepath.Join(dir, pkg+".test")
		if out, err := exec.Command("go", "test", "-c", "-o", bin, "../examples/boards/"+pkg).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		bins = append(bins, bin)
	}
	l := newLab(t)
	var running killable
	kills := 10 // RTEST_KILLS=500 makes it a campaign
	if n, err := strconv.Atoi(wantedKills); err == nil {
		kills = n
	}
	var killed, survived int
	var mu sync.Mutex
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return killed >= kills || t.Failed()
	}
	round := func(mercy bool) {
		var both sync.WaitGroup
		for _, bin := range bins {
			c := l.launch(t, exec.Command(bin, "-test.count=5", "-test.timeout=2m"))
			if !mercy {
				running.add(c)
			}
			both.Go(func() {
				code, out := c.end()
				running.remove(c)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case strings.Contains(out, "OVERLAP"):
					t.Errorf("two holders:\n%s", out)
				case code == -1 && !mercy:
					killed++
				case code != 0:
					t.Errorf("exit code %d:\n%s", code, out)
				default:
					survived++
				}
			})
		}
		both.Wait()
	}
	stop := make(chan struct{})
	killer := sync.WaitGroup{}
	killer.Go(func() { running.killSome(stop) })
	var shells sync.WaitGroup
	for range 2 {
		shells.Go(func() {
			for !enough() {
				round(false)
			}
		})
	}
	shells.Wait()
	close(stop)
	killer.Wait()
	round(true) // whoever comes after the last of the dead gets everything
	t.Logf("%d test binaries killed, %d came to their end", killed, survived)
	if got := l.left(t); got != "" {
		t.Errorf("left behind: %s", got)
	}
	if both := doubleGrants(l.recorded(t)); both != "" {
		t.Error(both)
	}
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
