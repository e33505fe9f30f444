package whatif

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// makespans replays a schedule as it was and with a change.
func makespans(t *testing.T, schedule string, w WhatIf) (before, after time.Duration) {
	t.Helper()
	e := estimate(t, schedule, w)
	assert.Equal(t, e.Recorded.Makespan, e.Replayed.Makespan, "nothing is different")
	assert.Equal(t, e.Recorded.Waited, e.Replayed.Waited, "nothing is different")
	return e.Replayed.Makespan.Median, e.Changed.Makespan.Median
}

// TestLanesTakeTurns has two slots and four tests. With a board for each, the slot
// of A is free first, and takes C and D, while B goes on: tied to the slots that
// they had, D would come behind B.
func TestLanesTakeTurns(t *testing.T) {
	before, after := makespans(t, `
0s   A@p asks b1 pool=boards
0s   A@p gets b1
0s   B@p asks b1 pool=boards
10s  A@p releases
10s  B@p gets b1
12s  C@p asks b1 pool=boards
50s  B@p releases
50s  C@p gets b1
55s  C@p releases
52s  D@p asks b1 pool=boards
55s  D@p gets b1
75s  D@p releases
`, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, 75*time.Second, before)
	assert.Equal(t, 40*time.Second, after, "C from 12s to 17s, D from 19s to 39s, B from 0s to 40s")
}

// TestLanesBeginBehindTestsInSeries has a test without t.Parallel wait, and two
// parallel ones begin when it is over, one of them in a new slot.
func TestLanesBeginBehindTestsInSeries(t *testing.T) {
	before, after := makespans(t, `
0s   Other@q asks b1 pool=boards
0s   Other@q gets b1
1s   Serial@p asks b1 pool=boards
10s  Other@q releases
10s  Serial@p gets b1
20s  Serial@p releases
21s  P1@p asks x
21s  P1@p gets x
23s  P2@p asks y
23s  P2@p gets y
25s  P1@p releases
30s  P2@p releases
`, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, 30*time.Second, before)
	assert.Equal(t, 21*time.Second, after, "all of it nine seconds earlier")
}

// TestLanesEndWithTheirGroup has the subtests of one test run side by side, then
// those of another: the second group begins when the slower one of the first is
// over, whichever that is.
func TestLanesEndWithTheirGroup(t *testing.T) {
	_, after := makespans(t, `
0s   Other@q asks b1 b2 pool=boards
0s   Other@q gets b2
0s   G/a@p asks b1 b2 pool=boards
0s   G/a@p gets b1
0s   G/b@p asks x
0s   G/b@p gets x
5s   Other@q releases
8s   G/b@p releases
10s  G/a@p releases
11s  H/a@p asks y
11s  H/a@p gets y
20s  H/a@p releases
`, WhatIf{Remove: []string{"b2"}})
	assert.Equal(t, 25*time.Second, after, "G/a is over at 15s")
}

// TestLanesWithinALease replays a test that waits for more while it holds
// something: the rack is held as long as the wait for a board makes it.
func TestLanesWithinALease(t *testing.T) {
	before, after := makespans(t, `
0s   Other@q asks b1 pool=boards
0s   Other@q gets b1
1s   Test@p asks rack
1s   Test@p gets rack
2s   Test@p asks b1 pool=boards in=Test
3s   Next@r asks rack
30s  Other@q releases
30s  Test@p gets b1
35s  Test@p releases
36s  Test@p releases nth=1
36s  Next@r gets rack
40s  Next@r releases
`, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, 40*time.Second, before)
	assert.Equal(t, 30*time.Second, after, "Test has its board from 2s to 7s, Next the rack from 8s to 12s, Other its board until 30s")
}

// TestLanesEndTogether has both leases of a test end with it, the outer one a moment
// earlier as its answer came first: it is held while the inner one waits all the same.
func TestLanesEndTogether(t *testing.T) {
	before, after := makespans(t, `
0s      Other@q asks b1 pool=boards
0s      Other@q gets b1
1s      Test@p asks rack
1s      Test@p gets rack
2s      Test@p asks b1 pool=boards in=Test
10s     Other@q releases
10s     Test@p gets b1
20s     Test@p releases nth=1
20.005s Test@p releases
`, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, 20005*time.Millisecond, before)
	assert.Equal(t, 12005*time.Millisecond, after)
}

// TestLanesWithinALeaseOfTheSuite has a lease around all tests of a process, two
// of which run at a time.
func TestLanesWithinALeaseOfTheSuite(t *testing.T) {
	before, after := makespans(t, `
0s   main@p asks site
0s   main@p gets site
0s   late@q asks site
1s   A@p asks b1 pool=boards in=main
1s   A@p gets b1
1s   B@p asks b1 pool=boards in=main
11s  A@p releases
11s  B@p gets b1
12s  C@p asks b1 pool=boards in=main
21s  B@p releases
21s  C@p gets b1
31s  C@p releases
33s  main@p releases
33s  late@q gets site
40s  late@q releases
`, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, 40*time.Second, before)
	assert.Equal(t, 31*time.Second, after, "C is over at 22s, the suite at 24s")
}

// TestLanesKnowCircles removes the board that kept two tests, each of which asks
// for a second one while it holds the first, from waiting for each other.
func TestLanesKnowCircles(t *testing.T) {
	schedule := `
0s   A@p asks b1 b2 b3 pool=boards
0s   A@p gets b1
0s   B@q asks b1 b2 b3 pool=boards
0s   B@q gets b2
1s   A@p asks b1 b2 b3 pool=boards in=A
1s   A@p gets b3
1s   B@q asks b1 b2 b3 pool=boards in=B
5s   A@p releases
5s   B@q gets b3
6s   A@p releases nth=1
9s   B@q releases
10s  B@q releases nth=1
`
	e := estimate(t, schedule, WhatIf{})
	assert.Equal(t, e.Recorded.Makespan.Median, e.Replayed.Makespan.Median)
	assert.Equal(t, 2, e.Lanes, "what is held around others is no lane beside theirs")
	err := estimateError(t, schedule, WhatIf{Remove: []string{"b3"}})
	assert.ErrorIs(t, err, ErrNoEstimate)
	assert.ErrorIs(t, err, lockcore.ErrDeadlock)
	assert.ErrorContains(t, err, "without b3, tests that ask for more while they hold something would wait for each other for ever")
}

// TestLanesOfManyTests checks that what a thousand random tests did replays as it
// was: on three slots, with groups, nested requests and leases kept.
func TestLanesOfManyTests(t *testing.T) {
	for seed := range uint64(20) {
		e := estimate(t, randomSuite(seed, 50), WhatIf{})
		assert.Equal(t, e.Recorded.Makespan, e.Replayed.Makespan, "seed %d", seed)
		assert.Zero(t, e.Replayed.Waited.Max, "seed %d", seed)
	}
}

// randomSuite is a schedule without contention of which a replay must not move
// anything: tests on three slots, some of which ask twice, within the first lease
// or after it, and some whose lease is kept.
func randomSuite(seed uint64, tests int) string {
	rnd := rand.New(rand.NewPCG(seed, 1))
	type moment struct {
		at   int // tenths of a second
		text string
	}
	var all []moment
	say := func(at int, format string, args ...any) { all = append(all, moment{at, fmt.Sprintf(format, args...)}) }
	var slots [3]int
	for i := range tests {
		slot := slices.Index(slots[:], slices.Min(slots[:]))
		group := i / 7
		if i%7 == 0 { // the next group begins when the last one is over
			slots = [3]int{slices.Max(slots[:]), slices.Max(slots[:]), slices.Max(slots[:])}
		}
		name := fmt.Sprintf("G%d/t%d", group, i)
		at := slots[slot] + rnd.IntN(20)
		hold := 1 + rnd.IntN(30)
		say(at, "%s@p asks k%d", name, i)
		say(at, "%s@p gets k%d", name, i)
		switch rnd.IntN(4) {
		case 0:
			in, out := at+rnd.IntN(hold), at+hold
			say(in, "%s@p asks n%d in=%s", name, i, name)
			say(in, "%s@p gets n%d", name, i)
			say(in+rnd.IntN(out-in), "%s@p releases", name)
			say(out, "%s@p releases nth=1", name)
		case 1:
			say(at+hold, "%s@p releases kept=%ds", name, rnd.IntN(5))
		case 2:
			say(at+hold, "%s@p releases", name)
			at += hold + rnd.IntN(10)
			say(at, "%s@p asks k%d", name, i)
			say(at, "%s@p gets k%d", name, i)
			say(at+hold, "%s@p releases", name)
		default:
			say(at+hold, "%s@p releases", name)
		}
		slots[slot] = at + hold
	}
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	var b strings.Builder
	for _, m := range all {
		fmt.Fprintf(&b, "%d.%ds %s\n", m.at/10, m.at%10, m.text)
	}
	return b.String()
}

// TestLanesKnowWhoStoodInLineFirst has B ask a moment before C, and C reach the
// store first: with B before C, D would come 20 s later.
func TestLanesKnowWhoStoodInLineFirst(t *testing.T) {
	e := estimate(t, `
0s     A@a asks b1 pool=boards
0s     A@a gets b1
1s     B@b asks b1 pool=boards
1.004s C@c asks b1 pool=boards
10s    A@a releases
10s    C@c gets b1
12s    C@c releases
12s    B@b gets b1
32s    B@b releases
33s    D@c asks b1 pool=boards
33s    D@c gets b1
40s    D@c releases
`, WhatIf{})
	assert.Equal(t, 40*time.Second, e.Replayed.Makespan.Median)
	assert.Equal(t, e.Recorded.Waited.Median, 9*time.Second+8996*time.Millisecond+2*time.Second)
	assert.InDelta(t, e.Recorded.Waited.Median, e.Replayed.Waited.Median, float64(10*time.Millisecond))
}
