// Package pairing tests radio profiles between two boards, in the RF chamber.
package pairing

import (
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/examples/boards/lab"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// pair is any two boards.
var pair = lab.Boards.Need(2).Named("pair")

func TestProfiles(t *testing.T) {
	for _, profile := range []string{"audio", "hands free", "keyboard", "low energy"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			l := rtest.Acquire(t, pair, lab.Chamber, rtest.Expect(600*time.Millisecond))
			boards := pair.From(l)
			lab.Use(t, boards...)
			lab.UseChamber(t)
			for _, b := range boards {
				if err := b.Work(l.Context(), 250*time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestMesh needs every board at once. It is served although others come and go
// all the time.
func TestMesh(t *testing.T) {
	t.Parallel()
	all := lab.Boards.Need(5).Named("mesh")
	l := rtest.Acquire(t, all, rtest.Reason("mesh of five"))
	lab.Use(t, all.From(l)...)
	if err := all.From(l)[0].Work(l.Context(), 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
}
