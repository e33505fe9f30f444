//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/whatif"
)

// A fleet is a night of several jobs that share a lab over Redis: jobs that start late,
// tests within a lease of their suite or below a lock, tests that give up, boards that
// cannot be prepared.
type fleet struct {
	seed   uint64
	boards int
	jobs   int
	keep   string // a directory to keep the events in, or ""
}

func drawFleet(seed uint64) fleet {
	rnd := rand.New(rand.NewPCG(seed, 7))
	return fleet{seed: seed, boards: 3 + rnd.IntN(3), jobs: 3 + rnd.IntN(8)}
}

// night runs it, with so many boards, and returns where its events are.
func (f fleet) night(t *testing.T, bin string, boards int, name string) string {
	t.Helper()
	dir := t.TempDir()
	if f.keep != "" {
		dir = filepath.Join(f.keep, fmt.Sprintf("fleet-%d-%s", f.seed, name))
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	server := redistest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	rnd := rand.New(rand.NewPCG(f.seed, 8))
	var wg sync.WaitGroup
	turns := rnd.Perm(f.jobs)
	for job := range f.jobs {
		// Jobs that start within the time that a process needs to start, would come in an
		// order of their own each time.
		late, below := time.Duration(turns[job])*9*time.Second/time.Duration(f.jobs), rnd.IntN(4) == 0
		args := []string{bin, "-test.run=TestJob", "-test.parallel=3"}
		env := append(os.Environ(), "RTEST_URL=redis://"+server.Addr, "RTEST_EVENTS="+dir, "RTEST_RUN="+fmt.Sprint("job-", job+1),
			"FLEETLAB_SEED="+fmt.Sprint(f.seed*100+uint64(job)), "FLEETLAB_BOARDS="+fmt.Sprint(boards), "FLEETLAB_TESTS="+fmt.Sprint(6+rnd.IntN(12)))
		if below {
			args = []string{"rtest-report", "lock", "--name", fmt.Sprint("nightly ", job+1), "--need", "2"}
			for i := range boards {
				args = append(args, fmt.Sprint("board-", i+1))
			}
			args = append(args, "--", bin, "-test.run=TestBelow", "-test.parallel=3")
			env = append(env, "FLEETLAB_BELOW=1")
		}
		wg.Go(func() {
			select {
			case <-time.After(late):
			case <-ctx.Done():
			}
			c := exec.CommandContext(ctx, args[0], args[1:]...)
			c.Env = env
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("job %d of night %d: %v\n%s", job+1, f.seed, err, out)
			}
		})
	}
	wg.Wait()
	return dir
}

// estimateOf is what whatif says of a night.
func estimateOf(dir string, w whatif.WhatIf) (*whatif.Estimates, error) {
	var reader eventlog.Reader
	return whatif.Estimate(reader.Events(dir), w)
}

// TestWhatIfForetellsFleets has nights happen three times: twice as they are, and once
// with a board more or less. It holds the third one against what whatif says of the
// first, and prints how far the second one is from the first, which no forecast can
// undercut. Nights of seconds on a busy machine are luck in part: it asks for nine of
// ten, and only in campaigns.
func TestWhatIfForetellsFleets(t *testing.T) {
	nights, _ := strconv.Atoi(os.Getenv("WHATIF_NIGHTS"))
	if nights == 0 {
		t.Skip("WHATIF_NIGHTS=10 plays ten nights of several jobs three times, over Redis, in about ten minutes")
	}
	seed, _ := strconv.ParseUint(os.Getenv("WHATIF_SEED"), 10, 64)
	bin := fleetlab(t)
	reproduced, foretold, luck := 0, 0, 0
	for i := range nights {
		f := drawFleet(seed + uint64(i))
		f.keep = os.Getenv("WHATIF_KEEP")
		change, w := 1, whatif.WhatIf{Add: []string{"boards=1"}}
		if i%2 == 1 && f.boards > 3 {
			change, w = -1, whatif.WhatIf{Remove: []string{"boards=1"}}
		}
		first, again, changed := f.night(t, bin, f.boards, "first"), f.night(t, bin, f.boards, "again"), f.night(t, bin, f.boards+change, "changed")
		was, same, now := makespanOf(t, first), makespanOf(t, again), makespanOf(t, changed)
		noise := apart(same, was)
		if noise > 0.1 {
			luck++
		}
		e, err := estimateOf(first, w)
		if errors.Is(err, whatif.ErrNoEstimate) {
			t.Logf("night %d, %d jobs, %d boards: took %s, the second time %s (%.1f%%); %v", f.seed, f.jobs, f.boards, seconds(was), seconds(same), 100*noise, err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		is, will := e.Replayed.Makespan, e.OthersChanged.Makespan
		a, b := apart(is.Median, e.Recorded.Makespan.Median), apart(will.Median, now)
		if a <= 0.02 {
			reproduced++
		}
		if b <= 0.1 {
			foretold++
		}
		t.Logf("night %d, %d jobs, %d boards: took %s, the second time %s (%.1f%%); replayed %s (%.1f%%); with %+d board foretold %s (%s-%s), took %s (%.1f%%); waits %s, replayed %s, foretold %s",
			f.seed, f.jobs, f.boards, seconds(was), seconds(same), 100*noise, seconds(is.Median), 100*a, change, seconds(will.Median), seconds(will.Min), seconds(will.Max), seconds(now), 100*b,
			seconds(e.Recorded.Waited.Median), seconds(e.Replayed.Waited.Median), seconds(e.OthersChanged.Waited.Median))
	}
	t.Logf("of %d nights %d reproduced within 2%%, %d foretold within 10%%; %d took more than 10%% more or less the second time", nights, reproduced, foretold, luck)
	if 10*reproduced < 9*nights || 10*foretold < 9*nights {
		t.Errorf("of %d nights %d reproduced within 2%%, %d foretold within 10%%, want nine of ten", nights, reproduced, foretold)
	}
}

// fleetlab builds the jobs.
func fleetlab(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "fleetlab.test")
	if out, err := exec.Command("go", "test", "-c", "-o", bin, "./testdata/fleetlab").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// apart is how far a figure is from another, as a part of that.
func apart(a, b time.Duration) float64 { return math.Abs(float64(a-b)) / float64(b) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// makespanOf is from the first request of a night to the last event that ends a hold.
func makespanOf(t *testing.T, dir string) time.Duration {
	t.Helper()
	var reader eventlog.Reader
	var from, to time.Time
	for e, err := range reader.Events(dir) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Ev {
		case eventlog.Request:
			if from.IsZero() {
				from = e.At
			}
		case eventlog.Release, eventlog.Lost:
			to = e.At
		}
	}
	return to.Sub(from)
}
