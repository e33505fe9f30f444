package whatif

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// TestGarbageHasAnEstimateOrNone replays events that no sane process writes.
func TestGarbageHasAnEstimateOrNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := reporttest.Garbage(t)
		if _, err := FoldAndCompare(reporttest.Sequence(events), report.Options{}, 5); err != nil {
			t.Fatal(err)
		}
		if _, err := Estimate(reporttest.Sequence(events), WhatIf{Seeds: 1}); err != nil && !errors.Is(err, ErrNoEstimate) {
			t.Error(err)
		}
	})
}
