package rtest

import (
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
)

// slowAfter is when a benchmark's Acquire counts as waiting. Stopping the
// benchmark's clock itself stops the world, so it is not done for less.
const slowAfter = time.Millisecond

// benchmark keeps a wait out of a benchmark's time.
type benchmark struct {
	b     *testing.B // nil: the test is no benchmark, or its clock is stopped
	timer *time.Timer
	slow  <-chan time.Time // nil: never
}

func benchmarkOf(t TB) *benchmark {
	b, ok := t.(*testing.B)
	if !ok || !gotest.ClockRuns(b) {
		return &benchmark{}
	}
	timer := time.NewTimer(slowAfter)
	return &benchmark{b: b, timer: timer, slow: timer.C}
}

func (w *benchmark) pause() {
	w.b.StopTimer()
	w.slow = nil
}

// resume starts the clock again if it was stopped here.
func (w *benchmark) resume() {
	if w.b == nil {
		return
	}
	w.timer.Stop()
	if w.slow == nil {
		w.b.StartTimer()
	}
}
