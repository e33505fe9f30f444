package rtest

import (
	"flag"
	"reflect"
	"sync/atomic"
	"testing"
	"time"
)

// Package testing tells the moment at which -timeout ends the test binary to a
// *testing.T only, and not inside a testing/synctest bubble. A wait that goes on
// beyond that moment ends in a panic, which tells nobody who was in the way. So
// where the value does not know, the flag does: it counts from m.Run, which is
// later than the start of the process.

// processStart is not later than m.Run.
var processStart = time.Now()

// binaryDeadline is the moment as a test of this process knew it, in nanoseconds
// since 1970: it is the same for all of them.
var binaryDeadline atomic.Int64

// deadlineOf is when the test binary will be stopped by -timeout; zero when it
// will not or the TB does not know. The method is not part of testing.TB, and
// panics inside a testing/synctest bubble.
func deadlineOf(t TB) (deadline time.Time) {
	d, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		if inner, ok := embedded(t); ok {
			return deadlineOf(inner)
		}
		return time.Time{}
	}
	defer func() {
		if recover() != nil {
			deadline = time.Time{}
		}
	}()
	deadline, _ = d.Deadline()
	if _, ok := t.(*testing.T); ok && !deadline.IsZero() {
		binaryDeadline.Store(deadline.UnixNano())
	}
	return deadline
}

// embedded is the TB inside of a struct{ testing.TB }, which hides all methods
// that are not part of the interface.
func embedded(t TB) (TB, bool) {
	v := reflect.ValueOf(t)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil, false
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.Anonymous || !f.IsExported() || f.Type.Kind() != reflect.Interface && f.Type.Kind() != reflect.Pointer || v.Field(i).IsNil() {
			continue
		}
		if inner, ok := v.Field(i).Interface().(TB); ok {
			return inner, true
		}
	}
	return nil, false
}

// waitDeadline is when a wait must be over at the latest, as far as anything is
// known: what the TB says, what another test of this process knew, or the flag.
func waitDeadline(t TB, now time.Time) time.Time {
	deadline := deadlineOf(t)
	if deadline.IsZero() {
		if ns := binaryDeadline.Load(); ns != 0 {
			deadline = time.Unix(0, ns)
		} else {
			deadline = after("test.timeout", now)
		}
	}
	if isGinkgo(t) {
		// Its own limit does not panic, but what Ginkgo interrupts says no more.
		if d := after("ginkgo.timeout", now); !d.IsZero() && (deadline.IsZero() || d.Before(deadline)) {
			deadline = d
		}
	}
	return deadline
}

// after is when the time that a flag says is over, counted from the start of the
// process; zero if there is none. A moment that has passed is no limit: then what
// the flag counts from came much later.
func after(name string, now time.Time) time.Time {
	f := flag.Lookup(name)
	if f == nil {
		return time.Time{}
	}
	d, err := time.ParseDuration(f.Value.String())
	if end := processStart.Add(d); err == nil && d > 0 && end.After(now) {
		return end
	}
	return time.Time{}
}
