// Package leaks looks for goroutines that are left when its tests are over, as
// go.uber.org/goleak does: it gives them a second to end.
package leaks

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/rtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	left := others()
	for end := time.Now().Add(time.Second); len(left) > 0 && time.Now().Before(end); left = others() {
		time.Sleep(10 * time.Millisecond)
	}
	for _, g := range left {
		fmt.Println("LEFT", g)
		code = 1
	}
	os.Exit(code)
}

// others are the goroutines but for this one and those that goleak leaves out.
func others() (list []string) {
	buf := make([]byte, 1<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	for _, g := range all[1:] { // the first is this one
		if !strings.Contains(g, "os/signal.loop") && !strings.Contains(g, "os/signal.signal_recv") && !strings.Contains(g, "runtime.ensureSigM") {
			list = append(list, g)
		}
	}
	return list
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
