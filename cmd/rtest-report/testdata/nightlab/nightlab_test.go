// Package nightlab is a suite that contends for boards, as many as
// NIGHTLAB_BOARDS says, for a couple of seconds: what whatif says of a run with
// two boards can be held against a run with three.
package nightlab

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/rtest"
)

// TestNight needs -parallel 6.
func TestNight(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("NIGHTLAB_BOARDS"))
	var names []string
	for i := range max(2, n) {
		names = append(names, fmt.Sprint("board-", i+1))
	}
	boards := rtest.R(names...).Named("boards")
	for i := range 30 {
		t.Run(fmt.Sprint("job ", i), func(t *testing.T) {
			t.Parallel()
			time.Sleep(time.Duration(10+i%4*10) * time.Millisecond) // what needs no board
			rtest.Acquire(t, boards.Need(1+i%7/6))
			time.Sleep(time.Duration(60+i%5*20) * time.Millisecond) // what does
		})
	}
}
