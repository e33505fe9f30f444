package whatif

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestWhatIfReplaysWhoGaveUp has a pair keep board b2 aside until it gives up: without
// that in the replay, Late would have had b2 at once.
func TestWhatIfReplaysWhoGaveUp(t *testing.T) {
	schedule := `
0s   Soak@s asks b1 b2 pool=boards
0s   Soak@s gets b1
1s   Pair@p asks 2 of b1 b2 pool=boards
2s   Late@l asks b1 b2 pool=boards
9s   Pair@p quits cause=timeout
9s   Late@l gets b2
10s  After@p asks x
10s  After@p gets x
29s  Late@l releases
30s  Soak@s releases
31s  After@p releases
32s  Odd@o asks b1 pool=boards
32s  Odd@o quits failed cause=store
33s  H asks b1 pool=boards
`
	e := estimate(t, schedule, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, []int{1, 1, 1}, []int{e.GaveUp, e.Unended, e.LeftOut})
	assert.Equal(t, 31*time.Second, e.Replayed.Makespan.Median)
	assert.Equal(t, 15*time.Second, e.Replayed.Waited.Median, "Pair 8 s, Late 7 s")
	// Pair never held in the run. With three boards it is served, and held as long as
	// others hold boards, until 31 s.
	assert.Equal(t, 28*time.Second, e.Changed.Waited.Median, "Late waits from 2 s on for Soak")
	assert.Contains(t, text(t, e), "1 request gave up waiting, and in a replay after as long")
	assert.Contains(t, text(t, e), "Left out: 1 request refused for another reason than a long wait.")
}

// TestWhatIfGivesAnEndToHoldsWithoutOne has a process that was killed hold a board
// until its lease was over, when the next test got it.
func TestWhatIfGivesAnEndToHoldsWithoutOne(t *testing.T) {
	e := estimate(t, `
0s   Dead@d asks b1 pool=boards
0s   Dead@d gets b1
1s   Next@n asks b1 pool=boards
30s  Next@n gets b1
40s  Next@n releases
`, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, 1, e.Unended)
	assert.Equal(t, 29*time.Second, e.Replayed.Waited.Median)
	assert.Equal(t, 30*time.Second, e.Changed.Makespan.Median)
}
