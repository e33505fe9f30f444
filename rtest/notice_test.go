package rtest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resourcelocker/resourcelocker/rtest"
)

// The line about a wait names the nearest in the way; the failure names all.
func TestALineAboutAWaitNamesTheNearest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		locker := newLocker(t)
		boards := rtest.R("board-1", "board-2", "board-3").Named("boards").InOrder()
		rtest.Acquire(t, boards.Need(3), rtest.Using(locker))
		f := fake("TestWaiter", func(f *fakeTB) { rtest.Acquire(f, boards.Need(2), rtest.Using(locker), rtest.Wait(2*time.Second)) })
		if len(f.logs) != 1 {
			t.Fatalf("logs %q", f.logs)
		}
		mustContain(t, f.logs[0], "rtest: waiting 1s for 2 of boards; 1st in line; board-1 is held by "+t.Name()+" (", ", and 2 others are in the way (rtest-report ls); gives up in 1s")
		if strings.Contains(f.logs[0], "board-2") {
			t.Error("all of them: ", f.logs[0])
		}
		mustContain(t, f.fatal, "2 of boards [board-1, board-2, board-3]", "board-2 is held by", "board-3 is held by")
	})
}
