package whatif

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// twoLanes is a process with two parallel slots and one board: the slots hold for
// ten seconds twice each, a second after they could.
const twoLanes = `
0s   A@p asks b1 pool=boards
0s   A@p gets b1
0s   B@p asks b1 pool=boards
10s  A@p releases
10s  B@p gets b1
11s  C@p asks b1 pool=boards
20s  B@p releases
20s  C@p gets b1
21s  D@p asks b1 pool=boards
30s  C@p releases
30s  D@p gets b1
40s  D@p releases
`

func estimate(t *testing.T, schedule string, w WhatIf) *Estimates {
	t.Helper()
	e, err := still(reporttest.Schedule(t, schedule), w)
	require.NoError(t, err)
	return e
}

// still is an estimate without other nights, whose figures are exact.
func still(events []eventlog.Event, w WhatIf) (*Estimates, error) {
	p, err := readReplay(reporttest.Sequence(events))
	if err != nil {
		return nil, err
	}
	p.still = true
	return p.estimate(w)
}

func estimateError(t *testing.T, schedule string, w WhatIf) error {
	t.Helper()
	_, err := Estimate(reporttest.Sequence(reporttest.Schedule(t, schedule)), w)
	require.Error(t, err)
	return err
}

func TestWhatIfKnowsTheAnswer(t *testing.T) {
	// With a board each, a slot takes 10 + 1 + 10 seconds and nobody waits.
	e := estimate(t, twoLanes, WhatIf{Add: []string{"boards=1"}, WaitP95: 5 * time.Second})
	assert.Equal(t, 2, e.Lanes, "who begins takes the slot that became free")
	assert.Equal(t, 40*time.Second, e.Replayed.Makespan.Median)
	assert.Equal(t, 28*time.Second, e.Replayed.Waited.Median)
	assert.Equal(t, 21*time.Second, e.Changed.Makespan.Median)
	assert.Zero(t, e.Changed.Waited.Median)
	assert.Equal(t, Advice{Of: "boards", WaitP95: 5 * time.Second, Now: 1, Enough: true, Needed: 2}, *e.Advice)

	// And back again, by key and by number.
	two := `
0s   A@p asks b1 b2 pool=boards
0s   A@p gets b1
0s   B@p asks b1 b2 pool=boards
0s   B@p gets b2
10s  A@p releases
10s  B@p releases
11s  C@p asks b1 b2 pool=boards
11s  C@p gets b1
11s  D@p asks b1 b2 pool=boards
11s  D@p gets b1
21s  C@p releases
21s  D@p releases
`
	for _, remove := range []string{"b1", "boards=1"} {
		e := estimate(t, two, WhatIf{Remove: []string{remove}})
		assert.Equal(t, 21*time.Second, e.Replayed.Makespan.Median)
		assert.Equal(t, 40*time.Second, e.Changed.Makespan.Median, remove)
	}
	e = estimate(t, two, WhatIf{WaitP95: time.Minute})
	assert.Equal(t, 1, e.Advice.Needed, "less would do")
	e = estimate(t, two, WhatIf{Add: []string{"b1=2"}, Remove: []string{"b2"}})
	assert.Equal(t, "b1 +2 (like b1), without b2", e.Changed.Name)
	assert.Equal(t, 21*time.Second, e.Changed.Makespan.Median)
}

// TestWhatIfComparesPolicies has a soak test hold one of two boards, a pair wait
// for both, and short ones come behind: with backfill they would have flowed past.
func TestWhatIfComparesPolicies(t *testing.T) {
	var b strings.Builder
	// Both ran before, so that how long they hold is known.
	b.WriteString("0s Soak@s asks b1 b2 pool=boards\n0s Soak@s gets b1\n")
	for i := range 3 {
		fmt.Fprintf(&b, "%ds Quick@q asks b1 b2 pool=boards\n%ds Quick@q gets b2\n%ds Quick@q releases\n", 10*i, 10*i, 10*i+5)
	}
	b.WriteString(`
600s  Soak@s releases
700s  Soak@s asks b1 b2 pool=boards
700s  Soak@s gets b1
740s  Pair@p asks 2 of b1 b2 pool=boards
741s  Quick@q asks b1 b2 pool=boards
1300s Soak@s releases
1300s Pair@p gets b1 b2
1310s Pair@p releases
1310s Quick@q gets b1
1315s Quick@q releases
1316s Quick@q asks b1 b2 pool=boards
1316s Quick@q gets b1
1400s Quick@q releases
`)
	policy := lockcore.FIFO
	e := estimate(t, b.String(), WhatIf{Policy: &policy})
	assert.Equal(t, lockcore.FIFO, e.Replayed.Policy, "its waits are those of FIFO")
	assert.Nil(t, e.Changed, "it is what happened")
	policy = lockcore.Backfill
	e = estimate(t, b.String(), WhatIf{Policy: &policy})
	assert.Equal(t, 1310*time.Second, e.Changed.Makespan.Median, "the pair alone is last")
	assert.Contains(t, text(t, e), "with backfill: this run would have taken 1m30s less (-6%)")
}

func text(t *testing.T, e *Estimates) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, e.WriteText(&b))
	return b.String()
}

func TestWhatIfRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		schedule string
		w        WhatIf
		words    string
	}{
		"a holder that left no events": {`
0s   A asks b1 pool=boards
50s  A gets b1
60s  A releases`, WhatIf{}, "the run took 1m0s, but its replay takes 10s; more than 2 % apart"},
		"nothing": {"", WhatIf{}, "no request in the events was both served and given back"},
		"an unserved test": {`
0s  A asks b1 b2 pool=boards
0s  A gets b1
1s  A releases
1s  Pair asks 2 of b1 b2 pool=boards
1s  Pair gets b1 b2
9s  Pair releases`, WhatIf{Remove: []string{"b2"}}, "without b2, Pair could never be served"},
		"candidates not listed": {`
0s  A asks hash=aaaa count=2 pool=farm
0s  A gets f1
6s  A releases`, WhatIf{}, "do not list the candidates of farm"},
	} {
		err := estimateError(t, c.schedule, c.w)
		assert.ErrorIs(t, err, ErrNoEstimate, name)
		assert.ErrorContains(t, err, c.words, name)
	}
	// B waits for b1 within A's lease, which is given back first.
	nested := reporttest.Schedule(t, twoLanes)
	nested[2].Parent = nested[0].Req
	_, err := Estimate(reporttest.Sequence(nested), WhatIf{})
	assert.ErrorIs(t, err, ErrNoEstimate)
	assert.ErrorContains(t, err, "B waits for more while it holds something, and gives that back first")
}

func TestWhatIfMistypes(t *testing.T) {
	for _, c := range []struct {
		w     WhatIf
		words string
	}{
		{WhatIf{Add: []string{"bords=1"}}, `no pool, tag or resource of the events is called "bords"; there are the pool boards; the tag kind=nrf52; the resource b1`},
		{WhatIf{Add: []string{"boards"}}, `does not say how many: write boards=1`},
		{WhatIf{Add: []string{"kind=nrf52"}}, `does not say how many: write kind=nrf52=1`},
		{WhatIf{Add: []string{"boards=0"}}, `"0" is no number of resources: write boards=1`},
		{WhatIf{Add: []string{"boards=99999"}}, `more than 10000`},
		{WhatIf{Remove: []string{"boards=1"}}, `there are 1, and one must stay`},
		{WhatIf{Remove: []string{"b7"}}, `is called "b7"`},
	} {
		events := reporttest.Schedule(t, twoLanes)
		events[1].Chosen[0].Tags = map[string]string{"kind": "nrf52"}
		_, err := Estimate(reporttest.Sequence(events), c.w)
		require.Error(t, err, c.w)
		assert.NotErrorIs(t, err, ErrNoEstimate)
		assert.ErrorContains(t, err, c.words)
	}
}

// TestWhatIfAddsATypicalOne adds to a pool in which one board can do more: the new
// one is like the others.
func TestWhatIfAddsATypicalOne(t *testing.T) {
	schedule := `
0s   A@p asks b1 b2 b3 pool=boards
0s   A@p gets b1
0s   B@q asks b1 pool=boards
10s  A@p releases
10s  B@q gets b1
30s  B@q releases
`
	e := estimate(t, schedule, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, "boards +1 (like b2)", e.Changed.Name)
	assert.Equal(t, exactly(30*time.Second), e.Recorded.Makespan)
	e = estimate(t, schedule, WhatIf{Add: []string{"b1=1"}})
	assert.LessOrEqual(t, e.Changed.Makespan.Max, 20*time.Second, "B has one of its own")
	e = estimate(t, schedule, WhatIf{Remove: []string{"boards=1"}})
	assert.Equal(t, "without b3", e.Changed.Name)
}

// TestWhatIfAdvisesOnTheReason has a pair wait for the one chamber, beside boards
// that are free: it is the chamber of which more would help.
func TestWhatIfAdvisesOnTheReason(t *testing.T) {
	e := estimate(t, `
0s   A@p asks chamber pool=chamber
0s   A@p gets chamber
0s   B@q asks b1 b2 pool=boards and chamber pool=chamber
10s  A@p releases
10s  B@q gets b1/0 chamber/1
20s  B@q releases
`, WhatIf{WaitP95: time.Second})
	assert.Equal(t, "chamber", e.Advice.Of)
	assert.Equal(t, 2, e.Advice.Needed)
	e = estimate(t, twoLanes, WhatIf{WaitP95: time.Nanosecond, Add: []string{"boards=1"}})
	assert.True(t, e.Advice.Enough)
	e = estimate(t, `
0s   A@p asks b1 pool=boards and chamber
0s   A@p gets b1/0 chamber/1
0s   B@q asks b1 pool=boards and chamber
10s  A@p releases
10s  B@q gets b1/0 chamber/1
20s  B@q releases
`, WhatIf{WaitP95: time.Second, Add: []string{"boards=1"}})
	assert.False(t, e.Advice.Enough, "the chamber is short too")
	assert.Contains(t, text(t, e), "something else is waited for")
}

// TestWhatIfKeepsWhatIsKept has a board kept for somebody to look at, while its
// test is over and the next one in the lane goes on.
func TestWhatIfKeepsWhatIsKept(t *testing.T) {
	e := estimate(t, `
0s   A@p asks b1 b2 pool=boards
0s   A@p gets b1
10s  A@p releases kept=20s
11s  B@p asks b1 b2 pool=boards
11s  B@p gets b2
21s  B@p releases
22s  C@p asks b1 b2 pool=boards
22s  C@p gets b2
40s  C@p releases
`, WhatIf{Remove: []string{"b2"}})
	assert.Equal(t, 40*time.Second, e.Replayed.Makespan.Median)
	assert.Zero(t, e.Replayed.Waited.Median)
	assert.Equal(t, 59*time.Second, e.Changed.Makespan.Median, "B has the board from 30s to 40s, C from 41s")
}

// TestWhatIfKnowsLongLists takes candidates that are listed once, and tags that
// only grants tell.
func TestWhatIfKnowsLongLists(t *testing.T) {
	events := reporttest.Schedule(t, strings.ReplaceAll(twoLanes, "asks b1", "asks hash=aaaa count=1"))
	list := eventlog.Event{V: 1, Ev: eventlog.Pool, TS: reporttest.T0, At: reporttest.T0, Host: "p", Reqs: []eventlog.Requirement{{Name: "boards", Hash: "aaaa", Count: 1, Candidates: []string{"b1"}}}}
	events[1].Chosen[0].Tags = map[string]string{"kind": "nrf52"}
	for _, name := range []string{"boards=1", "kind=nrf52=1", "b1=1"} {
		e, err := still(append([]eventlog.Event{list}, events...), WhatIf{Add: []string{name}})
		require.NoError(t, err, name)
		assert.Equal(t, 21*time.Second, e.Changed.Makespan.Median, name)
	}
}

// TestWhatIfKnowsPriority has the later one served first, which is so under no
// policy if it has no priority.
func TestWhatIfKnowsPriority(t *testing.T) {
	e := estimate(t, `
0s   A asks b1 pool=boards
0s   A gets b1
1s   B asks b1 pool=boards
2s   C asks b1 pool=boards prio=5
10s  A releases
10s  C gets b1
15s  C releases
15s  B gets b1
55s  B releases
`, WhatIf{})
	assert.Equal(t, e.Recorded.Waited.Median, e.Replayed.Waited.Median)
}

// TestWhatIfTakesTheSlotThatBecameFreeLast has C begin when B is done, although two
// slots have long been free.
func TestWhatIfTakesTheSlotThatBecameFreeLast(t *testing.T) {
	e := estimate(t, `
0s   A@p asks x
0s   A@p gets x
0s   D@p asks b1 pool=boards
0s   D@p gets b1
0s   B@p asks b1 pool=boards
5s   A@p releases
10s  D@p releases
10s  B@p gets b1
20s  B@p releases
21s  C@p asks x
21s  C@p gets x
31s  C@p releases
`, WhatIf{Add: []string{"boards=1"}})
	assert.Equal(t, 21*time.Second, e.Changed.Makespan.Median)
}

// TestWhatIfFollowsPackages has the second package begin when the first is done.
func TestWhatIfFollowsPackages(t *testing.T) {
	events := reporttest.Schedule(t, `
0s   A asks b1 pool=boards
0s   A gets b1
0s   B asks b1 pool=boards
10s  A releases
10s  B gets b1
20s  B releases
21s  C asks b1 pool=boards
21s  C gets b1
25s  C releases
`)
	for i := range events {
		e := &events[i]
		e.Host = "host"
		e.PID = 1 + slices.Index([]string{"A", "B", "C"}, e.Test.Name)
	}
	e, err := still(events, WhatIf{Add: []string{"boards=1"}})
	require.NoError(t, err)
	assert.Equal(t, 15*time.Second, e.Changed.Makespan.Median, "C begins a second after B")
}

func TestWhatIfGolden(t *testing.T) {
	e, err := Estimate(reporttest.Sequence(reporttest.Schedule(t, twoLanes)), WhatIf{Add: []string{"boards=1"}, WaitP95: 5 * time.Second})
	require.NoError(t, err)
	reporttest.Golden(t, "whatif.txt", []byte(text(t, e)))
	var b bytes.Buffer
	require.NoError(t, e.WriteJSON(&b))
	reporttest.Golden(t, "whatif.json", b.Bytes())
}

func TestWhatIfErrorOfTheSequence(t *testing.T) {
	broken := errors.New("broken")
	_, err := Estimate(func(yield func(eventlog.Event, error) bool) { yield(eventlog.Event{}, broken) }, WhatIf{})
	assert.ErrorIs(t, err, broken)
}

// night is a recorded run of the suite nightlab beside the command, which has six
// lanes and as many boards as the name says:
//
//	NIGHTLAB_BOARDS=2 RTEST_EVENTS=$PWD/events go test -count=1 -parallel 6 ./cmd/rtest-report/testdata/nightlab
func night(t *testing.T, boards int, w WhatIf) *Estimates {
	t.Helper()
	var reader eventlog.Reader
	e, err := Estimate(reader.Events(fmt.Sprintf("testdata/night-%d.jsonl", boards)), w)
	require.NoError(t, err)
	return e
}

// TestWhatIfForetells holds estimates against what happened with the change. All
// runs are on record, so that no clock decides.
func TestWhatIfForetells(t *testing.T) {
	real := map[int]time.Duration{}
	for boards := 2; boards <= 4; boards++ {
		e := night(t, boards, WhatIf{})
		assert.Equal(t, 6, e.Lanes)
		real[boards] = e.Recorded.Makespan.Median
		assert.InEpsilon(t, float64(real[boards]), float64(e.Replayed.Makespan.Median), tolerance)
	}
	for _, c := range []struct {
		from, to int
		w        WhatIf
	}{
		{2, 3, WhatIf{Add: []string{"boards=1"}}},
		{2, 4, WhatIf{Add: []string{"boards=2"}}},
		{3, 4, WhatIf{Add: []string{"board-2=1"}}},
		{3, 2, WhatIf{Remove: []string{"boards=1"}}},
		{4, 3, WhatIf{Remove: []string{"board-1"}}},
	} {
		e := night(t, c.from, c.w)
		got := e.OthersChanged.Makespan
		t.Logf("%d boards to %d: estimated %v (%v to %v), was %v", c.from, c.to, got.Median, got.Min, got.Max, real[c.to])
		assert.InEpsilon(t, float64(real[c.to]), float64(got.Median), 0.1, "%d to %d", c.from, c.to)
	}
}

// TestRangesHoldWhatHappened has the nights that really happened with the change within
// the ranges that are foretold, in waits as well as in the makespan.
func TestRangesHoldWhatHappened(t *testing.T) {
	for _, c := range []struct {
		of       func(t *testing.T, boards int, w WhatIf) *Estimates
		from, to int
		w        WhatIf
	}{
		{night, 2, 3, WhatIf{Add: []string{"boards=1"}}},
		{night, 2, 4, WhatIf{Add: []string{"boards=2"}}},
		{night, 3, 4, WhatIf{Add: []string{"boards=1"}}},
		{night, 3, 2, WhatIf{Remove: []string{"boards=1"}}},
		{night, 4, 3, WhatIf{Remove: []string{"boards=1"}}},
		{fleet, 3, 4, WhatIf{Add: []string{"boards=1"}}},
		{fleet, 4, 3, WhatIf{Remove: []string{"boards=1"}}},
	} {
		was, e := c.of(t, c.to, WhatIf{}).Recorded, c.of(t, c.from, c.w)
		for _, figure := range []struct {
			name string
			was  time.Duration
			is   Range
		}{
			{"makespan", was.Makespan.Median, e.OthersChanged.Makespan},
			{"waits", was.Waited.Median, e.OthersChanged.Waited},
		} {
			t.Logf("%d boards to %d: %s %v, foretold %v", c.from, c.to, figure.name, figure.was, figure.is)
			assert.True(t, figure.is.Min <= figure.was && figure.was <= figure.is.Max, "%d boards to %d: %s %v, foretold %v", c.from, c.to, figure.name, figure.was, figure.is)
			assert.Less(t, figure.is.Max-figure.is.Min, figure.is.Median*2/5, "a range that holds everything says nothing")
		}
	}
}
