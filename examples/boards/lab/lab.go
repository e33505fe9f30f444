// Package lab describes the boards that the tests of several packages share. It
// is all the set-up there is: no server, no configuration, no order of tests.
package lab

import (
	"context"
	"fmt"
	"time"

	"github.com/resourcelocker/resourcelocker/examples/internal/overlap"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// Board is a development board on the rack.
type Board struct {
	Name string
	Port string // of its console
	FW   int    // firmware generation that its bootloader can take
}

// ResourceKey names the board on every machine that reaches the rack.
func (b Board) ResourceKey() string { return b.Name }

// Boards are all boards. Tests derive from it what they need.
var Boards = rtest.R(
	Board{"board-1", "/dev/ttyUSB0", 3},
	Board{"board-2", "/dev/ttyUSB1", 3},
	Board{"board-3", "/dev/ttyUSB2", 3},
	Board{"board-4", "/dev/ttyUSB3", 4},
	Board{"board-5", "/dev/ttyUSB4", 4},
).Named("boards").Tags(func(b Board) map[string]string {
	return map[string]string{"kind": "board", "fw": fmt.Sprint(b.FW)}
})

// Chamber is the one RF chamber.
var Chamber = rtest.R("rf-chamber")

// Use proves that nobody else uses the boards, as long as the test does.
func Use(t rtest.TB, boards ...Board) {
	t.Helper()
	for _, b := range boards {
		overlap.Use(t, b.Name)
	}
}

// UseChamber does the same for the chamber.
func UseChamber(t rtest.TB) {
	t.Helper()
	overlap.Use(t, "rf-chamber")
}

// Work stands for what takes time on a board. It stops when the lease does: a
// board that may be somebody else's by now must not be touched any more.
func (b Board) Work(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", b.Name, context.Cause(ctx))
	}
}
