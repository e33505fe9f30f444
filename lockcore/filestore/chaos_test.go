//go:build linux || darwin

package filestore

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
)

const (
	chaosWorkers = 8
	chaosKeys    = 10
	chaosTTL     = time.Second
	// How many grants are enough, and after which time fewer are, unless
	// FILESTORE_GRANTS says.
	shortRun   = 2000
	shortLimit = 15 * time.Second
)

// A chaos is eight processes that take leases of all kinds in one directory, and
// somebody who does to them and to it what days bring.
type chaos struct {
	*testing.T
	dir, space string
	seed       uint64
	rng        *rand.Rand
	workers    []*worker
	started    int
	disk       bool // the directory is a file system of its own
	faults     *campaign.Faults
	grants     atomic.Int64

	garbled [][2]int64 // from when until when the state was

	mu      sync.Mutex
	uses    []judge.Use
	damaged []int64 // when a process was told so
	read    sync.WaitGroup
}

// worker is one of the processes as this test sees it.
type worker struct {
	n       int
	cmd     *exec.Cmd
	in      io.WriteCloser
	stopped bool
	ended   chan struct{}
}

// TestHistory lets processes take leases while they are killed and stopped beyond
// their TTL, while the files by which they are seen to live, the state and the
// whole namespace are deleted, the disk is full, and the state is garbled. Then
// an outside judge looks whether anybody ever had what somebody else had, whether
// all tokens rose and whether everybody got all they asked for. It is short by
// default:
//
//	FILESTORE_GRANTS=100000 go test -timeout 60m -run TestHistory -v ./lockcore/filestore
//
// FILESTORE_SEED replays the choices of an earlier one, as far as the machine's
// scheduler lets it.
//
// What the store does not promise is left out: that .holders is deleted together
// with the state.
func TestHistory(t *testing.T) {
	t.Parallel()
	c := &chaos{T: t, dir: t.TempDir(), seed: campaign.Knob(t, "FILESTORE_SEED", rand.Uint64())}
	want := int64(campaign.Knob(t, "FILESTORE_GRANTS", 0))
	c.rng = rand.New(rand.NewPCG(c.seed, 0))
	t.Logf("FILESTORE_SEED=%d", c.seed)
	c.disk = exec.Command("mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "tmpfs", c.dir).Run() == nil
	if c.disk {
		t.Cleanup(func() {
			if out, err := exec.Command("umount", "-l", c.dir).CombinedOutput(); err != nil {
				t.Errorf("umount: %s", out)
			}
		})
	}
	c.space = filepath.Join(c.dir, "ns-default")
	start := time.Now()
	c.workers = make([]*worker, chaosWorkers)
	for i := range c.workers {
		c.start(i)
	}
	t.Cleanup(func() {
		for _, w := range c.workers {
			w.kill()
		}
	})
	c.run(want)
	c.stopAll()
	c.leftovers()

	bad := judge.Promises{}.Contradictions(c.uses)
	for i, b := range bad {
		if i == 20 {
			t.Errorf("… and %d more", len(bad)-i)
			break
		}
		t.Error(b)
	}
	for _, at := range c.damaged {
		if !slices.ContainsFunc(c.garbled, func(g [2]int64) bool { return g[0] <= at && at <= g[1] }) {
			t.Errorf("at %d a process was told that the state is damaged, which nobody had garbled", at)
		}
	}
	t.Logf("%d grants to %d processes in %s, %d contradictions; own file system: %v; %v", c.grants.Load(), c.started, time.Since(start).Round(time.Millisecond), len(bad), c.disk, c.faults)
}

// start starts a process at place i.
func (c *chaos) start(i int) {
	c.started++
	w := &worker{n: c.started, cmd: exec.Command(os.Args[0]), ended: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), childEnv+"=history")
	w.cmd.Stderr = os.Stderr
	in, err := w.cmd.StdinPipe()
	if err != nil {
		c.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		c.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		c.Fatal(err)
	}
	w.in = in
	if err := json.NewEncoder(in).Encode(job{c.dir, chaosKeys, chaosTTL, c.seed, w.n}); err != nil {
		c.Fatal(err)
	}
	c.workers[i] = w
	c.read.Go(func() {
		defer close(w.ended)
		c.collect(out)
	})
}

// collect takes in what a process writes. One that was killed may leave half a
// note at the end.
func (c *chaos) collect(out io.Reader) {
	uses, err := campaign.Read(out, func(n campaign.Note) {
		if n.Damaged != 0 {
			c.mu.Lock()
			c.damaged = append(c.damaged, n.Damaged)
			c.mu.Unlock()
		}
		if n.Use != nil && n.Use.Got != nil {
			c.grants.Add(1)
		}
	})
	if err != nil {
		c.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses = append(c.uses, uses...)
}

func (w *worker) kill() {
	_ = w.cmd.Process.Kill() // it may be gone already
	<-w.ended
	_ = w.cmd.Wait() // it was killed, which counts as an error
}

// run does all faults until there are enough grants.
func (c *chaos) run(want int64) {
	pause := 300 * time.Millisecond
	if want > 10_000 {
		pause = time.Second
	}
	last, since := int64(0), time.Now()
	c.faults = &campaign.Faults{All: c.all(), Rand: c.rng, Pause: pause, Done: func(name string, _ int64, _ time.Duration) bool {
		if n := c.grants.Load(); n > last {
			last, since = n, time.Now()
		} else if time.Since(since) > watchdog {
			c.Fatalf("nobody was granted anything for %s; the last fault is %s", watchdog, name)
		}
		return true
	}}
	begun := time.Now()
	c.faults.Run(func() bool {
		if want == 0 {
			return c.grants.Load() >= shortRun || c.grants.Load() > 0 && time.Since(begun) > shortLimit
		}
		return c.grants.Load() >= want
	})
	c.faults.End()
}

// stopAll lets everybody come to an end: most by being told, some by being killed.
func (c *chaos) stopAll() {
	for i, w := range c.workers {
		if i < 2 {
			w.kill()
			continue
		}
		_, _ = fmt.Fprintln(w.in, "stop") // it may have been killed
	}
	for _, w := range c.workers {
		select {
		case <-w.ended:
		case <-time.After(watchdog):
			c.Errorf("process %d does not end", w.n)
			w.kill()
		}
		_ = w.cmd.Wait()
	}
	c.read.Wait()
}

// leftovers waits until every lease has expired, and looks what is left then.
func (c *chaos) leftovers() {
	s, err := Open(c.Context(), c.dir, nil)
	if err != nil {
		c.Fatal(err)
	}
	defer s.Close()
	until(c.T, s, "nobody holds or waits", func(snap lockcore.Snapshot) bool { return len(snap.Holders)+len(snap.Waiters) == 0 })
	if held, err := os.ReadDir(filepath.Join(c.dir, holdersName, "ns-default")); err == nil && len(held) > chaosWorkers {
		c.Errorf("left in %s: %v", holdersName, held)
	}
}
