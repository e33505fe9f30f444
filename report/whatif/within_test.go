package whatif

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// TestWithinALockTestsTakeTurns has two tests below a lock use its board in turns,
// while the lock of somebody else waits for it.
func TestWithinALockTestsTakeTurns(t *testing.T) {
	schedule := `
0s   first@o asks b1 pool=boards
0s   first@o gets b1
1s   lock@l asks b1 pool=boards
10s  first@o releases
10s  lock@l gets b1
11s  A@p asks b1 pool=boards in=lock
11s  A@p gets b1
12s  B@q asks b1 pool=boards in=lock
13s  other@x asks b1 pool=boards
20s  A@p releases
20s  B@q gets b1
30s  B@q releases
32s  lock@l releases
32s  other@x gets b1
40s  other@x releases
`
	e := estimate(t, schedule, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, 40*time.Second, e.Replayed.Makespan.Median)
	assert.Equal(t, e.Recorded.Waited.Median, e.Replayed.Waited.Median)
	// Other has the third board, and the lock the second one, from 1s to 23s: its tests
	// still take turns with it.
	assert.Equal(t, 23*time.Second, e.Changed.Makespan.Median)
	assert.ErrorContains(t, estimateError(t, schedule, WhatIf{Remove: []string{"b9"}}), "there are the pool boards; the resource b1", "and none within the lock")
}

// TestWithinALockMoreIsAskedFor has a test need more than the lock above has.
func TestWithinALockMoreIsAskedFor(t *testing.T) {
	e := estimate(t, `
0s   lock@l asks b1 b2 b3 pool=boards
0s   lock@l gets b1
0s   other@x asks b1 b2 b3 pool=boards
0s   other@x gets b2
1s   Pair@p asks 2 of b1 b2 pool=boards in=lock
10s  other@x releases
10s  Pair@p gets b1 b2
20s  Pair@p releases
21s  lock@l releases
`, WhatIf{})
	assert.Equal(t, e.Recorded.Makespan.Median, e.Replayed.Makespan.Median)
	assert.InDelta(t, e.Recorded.Waited.Median, e.Replayed.Waited.Median, 1)
}

// TestLanesOfATestWithTwoRequestsAtATime has a test ask on two goroutines.
func TestLanesOfATestWithTwoRequestsAtATime(t *testing.T) {
	e := estimate(t, `
0s   Other@o asks b1 pool=boards
0s   Other@o gets b1
0s   Wide@p asks c
0s   Wide@p gets c
1s   Wide@p asks b1 pool=boards
5s   Other@o releases
5s   Wide@p gets b1
7s   Wide@p releases nth=1
9s   Wide@p releases
10s  Next@p asks c
10s  Next@p gets c
12s  Next@p releases
`, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, e.Recorded.Makespan.Median, e.Replayed.Makespan.Median)
	assert.Equal(t, 1, e.Lanes-1, "Other, and Wide with what comes after it")
	assert.Equal(t, 9*time.Second, e.Changed.Makespan.Median, "the new board is held from 1s to 5s, c from 0s to 7s, and again until 9s: the slot is taken to be free at 5s")
}

// TestReplayMakesTheSameChoices has the store give board b2, which only one test can
// use, to another one. In most replays it does so as well, and in some it does not;
// which of these the run was is known.
func TestReplayMakesTheSameChoices(t *testing.T) {
	for got, rest := range map[string]string{
		"b2": "10s A@a releases\n10s B@b gets b2\n40s B@b releases\n",
		"b1": "1s B@b gets b2\n10s A@a releases\n31s B@b releases\n",
	} {
		e := estimate(t, "0s A@a asks b1 b2 pool=boards\n0s A@a gets "+got+"\n1s B@b asks b2 pool=boards\n"+rest, WhatIf{})
		assert.Equal(t, e.Recorded.Makespan.Median, e.Replayed.Makespan.Median, got)
	}
}

// TestReplayNamesWhatItDoesNotExplain has somebody without events hold a board, and
// somebody be served although the board is taken.
func TestReplayNamesWhatItDoesNotExplain(t *testing.T) {
	err := estimateError(t, `
0s   Fine@f asks b1 pool=boards
0s   Fine@f gets b1
5s   Fine@f releases
6s   A@a asks b1 pool=boards
50s  A@a gets b1
60s  A@a releases
61s  B@b asks b1 pool=boards
91s  B@b gets b1
93s  B@b releases
`, WhatIf{})
	assert.ErrorContains(t, err, "The first that it does not explain: A (a), which asked at 12:00:06.000 for boards, was served at 12:00:50.000; by the events b1 was free at 12:00:06.000.")
	err = estimateError(t, `
0s   Soak@s asks 2 of b1 b2 pool=boards
0s   Soak@s gets b1 b2
1s   A@a asks b1 b2 pool=boards
2s   A@a gets b1
30s  A@a releases
40s  Soak@s releases
`, WhatIf{})
	assert.ErrorContains(t, err, "A (a), which asked at 12:00:01.000 for boards, was served at 12:00:02.000; in the replay it waits until 12:00:40.000, since Soak (s) has b1 until 12:00:40.000")
}

// TestLocksEndBehindThoseBelow has somebody get the board of a lock, by the wait that he
// measured, before those below the lock had given it back.
func TestLocksEndBehindThoseBelow(t *testing.T) {
	events := reporttest.Schedule(t, `
0s     lock@l asks b1 pool=boards
0s     lock@l gets b1
1s     A@p asks b1 pool=boards in=lock
1s     A@p gets b1
2s     B@q asks b1 pool=boards in=lock
2s     other@x asks b1 pool=boards
6s     A@p releases
6s     B@q gets b1
10s    B@q releases
10.01s lock@l releases
10.02s other@x gets b1
20s    other@x releases
`)
	events[len(events)-2].WaitedMS = eventlog.MS(7900 * time.Millisecond)
	p, err := readReplay(reporttest.Sequence(events))
	require.NoError(t, err)
	for i := range p.requests {
		if r := &p.requests[i]; r.Test.Name == "lock" {
			assert.Equal(t, 10*time.Second, r.Ended.Sub(p.base))
		}
	}
}
