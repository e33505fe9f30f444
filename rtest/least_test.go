package rtest_test

import (
	"slices"
	"testing"

	"github.com/resourcelocker/resourcelocker/rtest"
)

// TestLeastRecentlyUsedTakesTurns has eight tests use four boards one after the other:
// each board twice, in the same order.
func TestLeastRecentlyUsedTakesTurns(t *testing.T) {
	locker := newLocker(t)
	var order []string
	for range 8 {
		fake("TestTurn", func(f *fakeTB) {
			order = append(order, rtest.Get(f, rtest.R("b1", "b2", "b3", "b4").LeastRecentlyUsed(), rtest.Using(locker))...)
		})
	}
	if first := slices.Compact(slices.Sorted(slices.Values(order[:4]))); len(first) != 4 || !slices.Equal(order[:4], order[4:]) {
		t.Errorf("the boards were used in the order %v", order)
	}
}
