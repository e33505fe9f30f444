// Package fleetlab is one job of a fleet that shares boards, a chamber and a site, for
// half a minute. What it does is drawn from FLEETLAB_SEED, so that a second night, with
// as many boards as FLEETLAB_BOARDS says, has the same work to do.
package fleetlab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/rtest"
)

func number(name string) int {
	n, _ := strconv.Atoi(os.Getenv(name))
	return n
}

var seed = uint64(number("FLEETLAB_SEED"))

func boards() rtest.Requirement[string] {
	var names []string
	for i := range max(2, number("FLEETLAB_BOARDS")) {
		names = append(names, fmt.Sprint("board-", i+1))
	}
	return rtest.R(names...).Named("boards")
}

var (
	chamber = rtest.R("chamber")
	site    = rtest.R("site").Seats(3)
)

// TestMain has every third job take a seat of the site around all of its tests.
func TestMain(m *testing.M) {
	if seed%3 == 0 && os.Getenv("FLEETLAB_BELOW") == "" {
		os.Exit(rtest.Main(m, site))
	}
	os.Exit(m.Run())
}

// A piece is what one test does.
type piece struct {
	before, hold, nested time.Duration
	need                 int
	kind                 int
}

func pieces(n int) []piece {
	rnd := rand.New(rand.NewPCG(seed, 1))
	ms := func(least, most int) time.Duration {
		return time.Duration(least+rnd.IntN(most-least)) * time.Millisecond
	}
	var l []piece
	for range n {
		l = append(l, piece{ms(30, 450), ms(300, 1800), ms(150, 600), 1 + rnd.IntN(5)/4, rnd.IntN(12)})
	}
	return l
}

// failures is how often Prepare still fails in this job.
var failures atomic.Int32

func TestJob(t *testing.T) {
	if seed%4 == 1 {
		failures.Store(1)
	}
	for i, p := range pieces(max(4, number("FLEETLAB_TESTS"))) {
		t.Run(fmt.Sprintf("job%d_%d", seed%100, i), func(t *testing.T) {
			t.Parallel()
			time.Sleep(p.before) // what needs no board
			switch p.kind {
			case 0, 1: // the chamber within the board
				rtest.Acquire(t, boards())
				time.Sleep(p.nested)
				rtest.Acquire(t, chamber)
				time.Sleep(p.nested)
			case 2: // it does not wait for long
				rtest.Acquire(t, boards().Need(p.need), rtest.Wait(p.nested*2), rtest.OnBusy(rtest.Skip))
				time.Sleep(p.hold)
			case 3: // something may be wrong with the board
				rtest.Acquire(t, boards().Prepare(func(_ context.Context, board string, _ rtest.Ending) error {
					if failures.Add(-1) >= 0 {
						return errors.New("no answer on the console of " + board)
					}
					return nil
				}), rtest.Quarantine(3*time.Second))
				time.Sleep(p.hold)
			case 4: // both at once
				rtest.Acquire(t, boards(), chamber)
				time.Sleep(p.nested)
			default:
				rtest.Acquire(t, boards().Need(p.need))
				time.Sleep(p.hold)
			}
		})
	}
}

// TestBelow runs below a lock, whose boards it uses one at a time.
func TestBelow(t *testing.T) {
	if os.Getenv("FLEETLAB_BELOW") == "" {
		t.Skip("it is for a lock around it")
	}
	held := rtest.R(strings.Fields(os.Getenv("RTEST_KEYS"))...).Named("boards")
	for i, p := range pieces(6) {
		t.Run(fmt.Sprintf("below%d_%d", seed%100, i), func(t *testing.T) {
			t.Parallel()
			time.Sleep(p.before)
			rtest.Acquire(t, held)
			time.Sleep(p.nested)
		})
	}
}
