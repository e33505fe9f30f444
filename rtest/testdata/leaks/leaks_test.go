// Package leaks looks for goroutines that are left when its tests are over.
package leaks

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/resourcelocker/resourcelocker/rtest"
)

// TestMain is goleak.VerifyTestMain with more patience, for a machine that has much
// else to do.
func TestMain(m *testing.M) {
	code := m.Run()
	left := goleak.Find()
	for range 50 {
		if left == nil {
			break
		}
		left = goleak.Find() // each time it waits for about half a second
	}
	if left != nil {
		fmt.Println("LEFT", left)
		code = 1
	}
	os.Exit(code)
}

// TestContention has tests that wait for each other, here and in other processes.
func TestContention(t *testing.T) {
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			rtest.Acquire(t, rtest.R("board-1"))
			time.Sleep(10 * time.Millisecond) // long enough to be waited for
		})
	}
}
