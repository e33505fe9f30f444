package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

func TestAheadKeepsTheSequence(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int{0, 1, 127, 128, 129, 5000} {
		ended := false
		events := func(yield func(eventlog.Event, error) bool) {
			defer func() { ended = true }()
			for i := range n {
				if !yield(eventlog.Event{Req: fmt.Sprint(i)}, nil) {
					return
				}
			}
			yield(eventlog.Event{}, broken)
		}
		i := 0
		for e, err := range ahead(events) {
			switch {
			case i < n && (err != nil || e.Req != fmt.Sprint(i)):
				t.Fatalf("of %d, number %d is %q, %v", n, i, e.Req, err)
			case i == n && err != broken, i > n:
				t.Fatalf("of %d, the end is %q, %v", n, e.Req, err)
			}
			i++
		}
		if i != n+1 || !ended {
			t.Errorf("of %d came %d, ended %t", n, i, ended)
		}
		ended = false
		for range ahead(events) {
			break
		}
		if !ended { // else its reader would still be read from
			t.Errorf("of %d, it goes on after the consumer stopped", n)
		}
	}
}
