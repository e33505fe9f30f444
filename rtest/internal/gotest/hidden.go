package gotest

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// ParallelOf reads whether t.Parallel was called for the test, and which test's
// slot it runs in: its own or that of an ancestor; nil for a serial test. known
// is false when this version of Go does not show it.
// It must be called on the goroutine of the test itself.
func ParallelOf(t *testing.T) (self bool, slot any, known bool) {
	common := reflect.ValueOf(t).Elem().FieldByName("common")
	for depth := 0; common.IsValid(); depth++ {
		parallel, parent := common.FieldByName("isParallel"), common.FieldByName("parent")
		if parallel.Kind() != reflect.Bool || parent.Kind() != reflect.Pointer {
			return false, nil, false
		}
		if depth == 0 {
			self = parallel.Bool()
		}
		if parallel.Bool() {
			return self, common.UnsafeAddr(), true
		}
		if parent.IsNil() {
			return self, nil, true
		}
		common = parent.Elem()
	}
	return false, nil, false
}

// ClockRuns reports whether the time of a benchmark is measured now. It finds out
// by looking until it moves: package testing does not tell,
// and starting a clock that the user stopped would spoil his result.
func ClockRuns(b *testing.B) bool {
	before := b.Elapsed()
	for range 100 {
		if b.Elapsed() != before {
			return true
		}
	}
	return false
}

// Unwinding reports whether the calling Cleanup function runs because the test
// panics, or because it left by runtime.Goexit: t.Failed() is still false then. The
// frame that shows it is a few up, below those of package testing.
func Unwinding() (panics, exits bool) {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		switch f.Function {
		case "runtime.gopanic":
			return true, false
		case "runtime.Goexit":
			return false, true
		}
		if !more {
			return false, false
		}
	}
}

// IsLate recognises, by what it panics with, that package testing refuses a call
// after the end of a test.
func IsLate(panicked any) bool {
	s, ok := panicked.(string)
	return ok && strings.Contains(s, " in goroutine after ") && strings.Contains(s, " has completed")
}
