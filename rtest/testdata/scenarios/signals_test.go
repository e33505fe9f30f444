//go:build unix

package scenarios

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// use is what a test does with a resource. Two that use the same one at the same time
// are found out by the judge in $JUDGE.
func use(l *rtest.Lease) (done func()) {
	var ends []func()
	for _, key := range l.Keys() {
		end, err := judge.Take(filepath.Join(os.Getenv("JUDGE"), key), false)
		if err != nil {
			fmt.Fprintln(os.Stderr, "OVERLAP", key, err)
			continue
		}
		ends = append(ends, end)
	}
	ready(l)
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

// TestJudged waits for the board and has it for a moment.
func TestJudged(t *testing.T) { use(rtest.Acquire(t, first))() }

// TestJudgedHang has the board until the process ends.
func TestJudgedHang(t *testing.T) {
	use(rtest.Acquire(t, first))
	select {}
}

// TestGoesOn has a test that holds, and one that handles the signals: those that
// LISTEN names, or all there are.
func TestGoesOn(t *testing.T) {
	t.Run("group", func(t *testing.T) {
		over := make(chan struct{})
		t.Run("holder", func(t *testing.T) {
			t.Parallel()
			l := rtest.Acquire(t, first, rtest.TTL(3*time.Second))
			done := use(l)
			<-over
			if err := l.Context().Err(); err != nil {
				t.Error("the lease has ended:", err)
			}
			done()
		})
		t.Run("handler", func(t *testing.T) {
			t.Parallel()
			ch := make(chan os.Signal, 10)
			if os.Getenv("LISTEN") == "all" {
				signal.Notify(ch)
			} else {
				signal.Notify(ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			}
			defer signal.Stop(ch)
			fmt.Fprintln(os.Stderr, "LISTENING")
			var all sync.WaitGroup
			all.Go(func() {
				n := 0
				for s := range ch {
					if s != syscall.SIGURG { // Go's own, for preemption
						n++
						fmt.Fprintln(os.Stderr, "HEARD", n, s)
					}
				}
			})
			io.Copy(io.Discard, os.Stdin)
			signal.Stop(ch)
			close(ch)
			all.Wait()
			rtest.Acquire(t, rtest.R("board-2"))
			close(over)
		})
	})
}

// TestManyParked has one test that holds, one that waits for it, and many that
// have not begun yet. The one that waits gives its slot to the next when it ends.
func TestManyParked(t *testing.T) {
	var begun atomic.Int32
	t.Run("group", func(t *testing.T) {
		for range 20 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				board := fmt.Sprintf("board-%d", max(2, begun.Add(1)))
				ready(rtest.Acquire(t, rtest.R(board)))
				select {}
			})
		}
	})
}
