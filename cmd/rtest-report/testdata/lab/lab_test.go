// Package lab is a suite with a schedule that is known: rtest-report runs it in
// its own tests.
package lab

import (
	"context"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
	"github.com/resourcelocker/resourcelocker/rtest"
)

var boards = rtest.R("board-1", "board-2").Named("boards").Tags(func(string) map[string]string {
	return map[string]string{"kind": "nrf52"}
})

var (
	held    = make(chan struct{}) // closed when TestFirst has the boards
	skipped = make(chan struct{}) // closed when TestSkips is over
)

// TestFirst holds both boards until TestSkips has given up and TestSecond stands
// in line, and 200 ms longer. The three need -parallel 3.
func TestFirst(t *testing.T) {
	t.Parallel()
	rtest.Acquire(t, boards.Need(2))
	close(held)
	store, err := storeurl.Open(t.Context(), "file:")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	<-skipped
	for {
		s, err := store.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Waiters) == 1 {
			break
		}
		select {
		case <-t.Context().Done():
			t.Fatal(context.Cause(t.Context()))
		case <-time.After(5 * time.Millisecond):
		}
	}
	time.Sleep(200 * time.Millisecond)
}

// TestSecond waits for TestFirst and nobody else.
func TestSecond(t *testing.T) {
	t.Parallel()
	<-held
	rtest.Acquire(t, boards)
}

// TestSkips gives up while TestFirst holds the boards.
func TestSkips(t *testing.T) {
	t.Parallel()
	<-held
	t.Cleanup(func() { close(skipped) })
	rtest.Acquire(t, boards, rtest.Wait(150*time.Millisecond), rtest.OnBusy(rtest.Skip))
}
