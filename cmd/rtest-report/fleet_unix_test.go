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
func (f fleet) night(t *testing.T, bin string, boards int) string {
	t.Helper()
	dir := t.TempDir()
	if f.keep != "" {
		dir = filepath.Join(f.keep, fmt.Sprintf("fleet-%d-%d", f.seed, boards))
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	server := redistest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	rnd := rand.New(rand.NewPCG(f.seed, 8))
	var wg sync.WaitGroup
	for job := range f.jobs {
		late, below := time.Duration(rnd.IntN(3000))*time.Millisecond, rnd.IntN(4) == 0
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

// TestWhatIfForetellsFleets has nights happen twice, the second time with a board more
// or less, and holds the second one against what whatif says of the first. It prints
// all figures. Nights of seconds on a busy machine are luck in part: it asks for nine
// of ten, and only in campaigns.
func TestWhatIfForetellsFleets(t *testing.T) {
	nights, _ := strconv.Atoi(os.Getenv("WHATIF_NIGHTS"))
	if nights == 0 {
		t.Skip("WHATIF_NIGHTS=10 plays ten nights of several jobs twice, over Redis, in about four minutes")
	}
	seed, _ := strconv.ParseUint(os.Getenv("WHATIF_SEED"), 10, 64)
	bin := filepath.Join(t.TempDir(), "fleetlab.test")
	if out, err := exec.Command("go", "test", "-c", "-o", bin, "./testdata/fleetlab").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	reproduced, foretold, of := 0, 0, 0
	for i := range nights {
		f := drawFleet(seed + uint64(i))
		f.keep = os.Getenv("WHATIF_KEEP")
		change, w := 1, whatif.WhatIf{Add: []string{"boards=1"}}
		if i%2 == 1 && f.boards > 3 {
			change, w = -1, whatif.WhatIf{Remove: []string{"boards=1"}}
		}
		first, second := f.night(t, bin, f.boards), f.night(t, bin, f.boards+change)
		e, err := estimateOf(first, w)
		if err != nil {
			if !errors.Is(err, whatif.ErrNoEstimate) {
				t.Fatal(err)
			}
			t.Logf("night %d, %d jobs, %d boards: %v", f.seed, f.jobs, f.boards, err)
			of++
			continue
		}
		again, err := estimateOf(second, whatif.WhatIf{})
		var now time.Duration
		if err == nil {
			now = again.Recorded.Makespan.Median
		} else {
			now = makespanOf(t, second)
			t.Logf("night %d, the second time: %v", f.seed, err)
		}
		was, is, will := e.Recorded.Makespan.Median, e.Replayed.Makespan.Median, e.Changed.Makespan.Median
		a, b := math.Abs(float64(is-was))/float64(was), math.Abs(float64(will-now))/float64(now)
		if a <= 0.02 {
			reproduced++
		}
		if b <= 0.1 {
			foretold++
		}
		of++
		t.Logf("night %d, %d jobs, %d boards: took %v, replayed %v (%.1f%%); with %+d board foretold %v (%v-%v), took %v (%.1f%%); waits %v, replayed %v; foretold %v",
			f.seed, f.jobs, f.boards, was.Round(time.Millisecond), is.Round(time.Millisecond), 100*a, change, will.Round(time.Millisecond),
			e.Changed.Makespan.Min.Round(time.Millisecond), e.Changed.Makespan.Max.Round(time.Millisecond), now.Round(time.Millisecond), 100*b,
			e.Recorded.Waited.Median.Round(time.Millisecond), e.Replayed.Waited.Median.Round(time.Millisecond), e.Changed.Waited.Median.Round(time.Millisecond))
	}
	t.Logf("of %d nights %d reproduced within 2%%, %d foretold within 10%%", of, reproduced, foretold)
	if 10*reproduced < 9*of || 10*foretold < 9*of {
		t.Errorf("of %d nights %d reproduced within 2%%, %d foretold within 10%%, want nine of ten", of, reproduced, foretold)
	}
}

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
