package sched

import (
	"math/rand/v2"
	"testing"
)

// TestStride: every thing is come to once, whatever was drawn.
func TestStride(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		for range 20 {
			at, stride := Stride(n, rnd.IntN)
			seen := make(map[int]bool)
			for range n {
				seen[at] = true
				at = (at + stride) % n
			}
			if len(seen) != n {
				t.Fatalf("of %d, stride %d comes to %d", n, stride, len(seen))
			}
		}
	}
}
