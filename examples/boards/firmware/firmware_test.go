// Package firmware flashes single boards. go test runs it in a process of its
// own, beside that of package pairing.
package firmware

import (
	"fmt"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/examples/boards/lab"
	"github.com/resourcelocker/resourcelocker/rtest"
)

func TestFlash(t *testing.T) {
	for i := range 8 {
		t.Run(fmt.Sprint("image ", i), func(t *testing.T) {
			t.Parallel()
			l := rtest.Acquire(t, lab.Boards)
			b := lab.Boards.One(l)
			lab.Use(t, b)
			if err := b.Work(l.Context(), 200*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestBootloader needs a board that takes generation 4.
func TestBootloader(t *testing.T) {
	t.Parallel()
	b := rtest.Get(t, lab.Boards.Where(func(b lab.Board) bool { return b.FW >= 4 }))[0]
	lab.Use(t, b)
	if b.FW < 4 {
		t.Errorf("got %s, whose bootloader takes generation %d", b.Name, b.FW)
	}
}

// BenchmarkTransfer holds one board while it measures. Waiting for it does not
// count.
func BenchmarkTransfer(b *testing.B) {
	board := rtest.Get(b, lab.Boards)[0]
	lab.Use(b, board)
	for b.Loop() {
		_ = board.Port
	}
}
