package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

func TestProgress(t *testing.T) {
	events := func(n int) func(yield func(eventlog.Event, error) bool) {
		return func(yield func(eventlog.Event, error) bool) {
			for range n {
				if !yield(eventlog.Event{}, nil) {
					return
				}
			}
		}
	}
	var clock time.Time
	slow := func() time.Time { clock = clock.Add(600 * time.Millisecond); return clock }
	var b bytes.Buffer
	n := 0
	for range tellProgress(&b, events(5*4096), slow) {
		n++
	}
	if got, want := b.String(), "\rread 8192 events …\rread 16384 events …\r\x1b[K"; got != want || n != 5*4096 {
		t.Errorf("%d events, told %q; want %q", n, got, want)
	}
	b.Reset()
	for range tellProgress(&b, events(5*4096), time.Time{}.UTC) { // no time passes
	}
	if b.Len() > 0 {
		t.Errorf("told %q of what takes no time", b.String())
	}
	for range progress(&b, events(1<<20)) { // a buffer is no terminal
	}
	if b.Len() > 0 {
		t.Errorf("told %q into a pipe", b.String())
	}
}
