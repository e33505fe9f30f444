package whatif

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"
	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// lanesOf is jobs in lanes, each of which begins when the one before it in its lane
// is over.
func lanesOf(lanes, each int, job func(lane, i int) simulate.Job) []simulate.Job {
	var jobs []simulate.Job
	for i := range each {
		for lane := range lanes {
			j := job(lane, i)
			j.Owner = lockcore.Owner{Test: cmp.Or(j.Owner.Test, fmt.Sprintf("Test%d_%d", lane, i)), Package: "lab", PID: lane + 1}
			if i > 0 {
				j.After = len(jobs) - lanes + 1
			}
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// played is the events of a run of jobs, and how long they waited in all.
func played(t *testing.T, jobs []simulate.Job) (events []eventlog.Event, waited, makespan time.Duration) {
	t.Helper()
	out, err := simulate.Run(jobs, lockcore.Backfill, 7)
	require.NoError(t, err)
	for i, o := range out {
		j := &jobs[i]
		say := func(at time.Duration, e eventlog.Event) {
			e.TS = reporttest.T0.Add(at)
			e.At, e.Req, e.Host, e.PID, e.Test = e.TS, fmt.Sprint("r", i), "h", j.Owner.PID, eventlog.TestInfo{Pkg: j.Owner.Package, Name: j.Owner.Test}
			events = append(events, e)
		}
		request := eventlog.Event{Ev: eventlog.Request}
		for _, r := range j.Requirements {
			q := eventlog.Requirement{Name: r.Name, Need: r.Need}
			for _, c := range r.Candidates {
				q.Candidates = append(q.Candidates, c.Key)
			}
			request.Reqs = append(request.Reqs, q)
		}
		grant := eventlog.Event{Ev: eventlog.Grant, WaitedMS: eventlog.MS(o.Waited), Outcome: eventlog.Acquired}
		for _, k := range o.Keys {
			n := slices.IndexFunc(request.Reqs, func(q eventlog.Requirement) bool { return slices.Contains(q.Candidates, k) })
			grant.Chosen = append(grant.Chosen, eventlog.Chosen{Key: k, Req: n})
		}
		say(o.Arrived, request)
		say(o.Arrived+o.Waited, grant)
		say(o.End(*j), eventlog.Event{Ev: eventlog.Release, HeldMS: eventlog.MS(j.Hold)})
		waited += o.Waited
		makespan = max(makespan, o.End(*j))
	}
	order := map[eventlog.Kind]int{eventlog.Release: 0, eventlog.Request: 1, eventlog.Grant: 2}
	slices.SortStableFunc(events, func(a, b eventlog.Event) int { return cmp.Or(a.At.Compare(b.At), order[a.Ev]-order[b.Ev]) })
	return events, waited, makespan
}

func keysOf(name string, n int) (l []lockcore.Candidate) {
	for i := range n {
		l = append(l, lockcore.Candidate{Key: fmt.Sprint(name, "-", i+1)})
	}
	return l
}

// lab is tests that want a board, of whichever name, half of them with the chamber.
func lab(boards, chambers int) []simulate.Job {
	return lanesOf(6, 12, func(lane, i int) simulate.Job {
		hold := time.Duration(7+(lane*5+i*3)%6) * time.Second
		j := simulate.Job{At: time.Second, Hold: hold, Requirements: []lockcore.Requirement{{Name: []string{"boards", "pair", "mesh"}[i%3], Candidates: keysOf("board", boards)}}}
		if (lane+i)%2 == 0 {
			j.Requirements = append(j.Requirements, lockcore.Requirement{Name: "chamber", Candidates: keysOf("chamber", chambers)})
		}
		return j
	})
}

// TestVerdictNamesTheChamber: boards are waited for, too, but more of them would not
// help.
func TestVerdictNamesTheChamber(t *testing.T) {
	events, waited, makespan := played(t, lab(5, 1))
	r, err := FoldAndCompare(reporttest.Sequence(events), report.Options{}, 0)
	require.NoError(t, err)
	v := r.Verdict
	require.Empty(t, v.NoEstimate)
	assert.Equal(t, "chamber", v.Pool)
	require.NotEmpty(t, v.Advice)
	best := v.Advice[0]
	assert.Equal(t, report.Add, best.Do)
	assert.Equal(t, "chamber", best.What)

	// A second run with another chamber does as the verdict says.
	_, waited2, makespan2 := played(t, lab(5, 2))
	assert.InDelta(t, waited-waited2, best.Waits.Median.Duration(), 0.1*float64(waited))
	assert.InDelta(t, makespan-makespan2, best.Makespan.Median.Duration(), 0.1*float64(makespan))

	// The boards are one pool of three names, and none of the advice.
	for _, a := range v.Advice {
		assert.NotEqual(t, report.Advice{Do: report.Add, What: "boards"}, report.Advice{Do: a.Do, What: a.What})
	}
	for _, g := range r.Pools {
		if g.Name == "boards" {
			assert.Equal(t, []string{"pair", "mesh"}, g.Also)
			assert.Equal(t, 5, g.Size)
			assert.Equal(t, 6*12, g.Requests)
		}
	}
	assert.Len(t, r.Pools, 2)
}

// TestVerdictOfRecordedNights compares with nights that really had one board more,
// see [night].
func TestVerdictOfRecordedNights(t *testing.T) {
	for boards := 2; boards <= 3; boards++ {
		var reader eventlog.Reader
		r, err := FoldAndCompare(reader.Events(fmt.Sprintf("testdata/night-%d.jsonl", boards)), report.Options{}, 0)
		require.NoError(t, err)
		require.NotNil(t, r.Verdict)
		require.NotEmpty(t, r.Verdict.Advice, r.Verdict.NoEstimate)
		best := r.Verdict.Advice[0]
		assert.Equal(t, report.Add, best.Do)
		assert.Equal(t, "boards", best.What)
		now, more := night(t, boards, WhatIf{}), night(t, boards+1, WhatIf{})
		t.Logf("%d boards: saves %v of %v, really %v; makespan %v of %v, really %v", boards, best.Waits.Median.Duration(), now.Recorded.Waited.Median, now.Recorded.Waited.Median-more.Recorded.Waited.Median,
			best.Makespan.Median.Duration(), now.Recorded.Makespan.Median, now.Recorded.Makespan.Median-more.Recorded.Makespan.Median)
		assert.InDelta(t, now.Recorded.Waited.Median-more.Recorded.Waited.Median, best.Waits.Median.Duration(), 0.15*float64(now.Recorded.Waited.Median))
		assert.InDelta(t, now.Recorded.Makespan.Median-more.Recorded.Makespan.Median, best.Makespan.Median.Duration(), 0.1*float64(now.Recorded.Makespan.Median))
	}
}

// TestVerdictFindsWhatIsNotMissed has twice as many accounts as are ever in use.
func TestVerdictFindsWhatIsNotMissed(t *testing.T) {
	events, _, _ := played(t, lanesOf(3, 10, func(lane, i int) simulate.Job {
		return simulate.Job{At: time.Second, Hold: time.Duration(5+(lane+i)%3) * time.Second, Requirements: []lockcore.Requirement{
			{Name: "board", Candidates: keysOf("board", 1)}, {Name: "accounts", Candidates: keysOf("account", 8)}}}
	}))
	r, err := FoldAndCompare(reporttest.Sequence(events), report.Options{}, 0)
	require.NoError(t, err)
	assert.Equal(t, "board", r.Verdict.Pool)
	last := r.Verdict.Advice[len(r.Verdict.Advice)-1]
	assert.Equal(t, report.Remove, last.Do)
	assert.Equal(t, "accounts", last.What)
}

// TestVerdictSaysWhyItHasNoReplay falls back to causes.
func TestVerdictSaysWhyItHasNoReplay(t *testing.T) {
	events, _, _ := played(t, lab(5, 1))
	r, err := FoldAndCompare(reporttest.Sequence(events), report.Options{}, 10)
	require.NoError(t, err)
	assert.Contains(t, r.Verdict.NoEstimate, "more than 10 requests are not replayed unasked")
	assert.Empty(t, r.Verdict.Advice)
	assert.NotEmpty(t, r.Verdict.Cause)
}

// TestVerdictFiguresAreThoseOfASecondRun plays the lab again as each piece of advice
// has it, and compares what that saved.
func TestVerdictFiguresAreThoseOfASecondRun(t *testing.T) {
	// One test holds a board for much longer than the others; accounts are idle.
	soaks := func(hold time.Duration, boards, accounts int) []simulate.Job {
		return lanesOf(5, 10, func(lane, i int) simulate.Job {
			j := simulate.Job{At: time.Second, Hold: time.Duration(6+(lane*3+i)%5) * time.Second, Requirements: []lockcore.Requirement{
				{Name: "boards", Candidates: keysOf("board", boards)}, {Name: "accounts", Candidates: keysOf("account", accounts)}}}
			if lane == 0 && i%2 == 0 {
				j.Owner.Test, j.Hold = "TestSoak", hold
			}
			return j
		})
	}
	events, waited, makespan := played(t, soaks(40*time.Second, 3, 12))
	r, err := FoldAndCompare(reporttest.Sequence(events), report.Options{}, 0)
	require.NoError(t, err)
	require.Empty(t, r.Verdict.NoEstimate)
	second := map[report.AdviceKind][]simulate.Job{
		report.Add:     soaks(40*time.Second, 4, 12),
		report.Shorten: soaks(20*time.Second, 3, 12),
		report.Remove:  soaks(40*time.Second, 3, 11),
	}
	checked := map[report.AdviceKind]bool{}
	for _, a := range r.Verdict.Advice {
		jobs := second[a.Do]
		if jobs == nil || a.Do == report.Add && a.What != "boards" {
			continue
		}
		_, waited2, makespan2 := played(t, jobs)
		t.Logf("%s %s: waits %v less, really %v; makespan %v less, really %v", a.Do, a.What, a.Waits.Median.Duration(), waited-waited2, a.Makespan.Median.Duration(), makespan-makespan2)
		assert.InDelta(t, waited-waited2, a.Waits.Median.Duration(), 0.1*float64(waited), a.Do)
		assert.InDelta(t, makespan-makespan2, a.Makespan.Median.Duration(), 0.1*float64(makespan), a.Do)
		checked[a.Do] = true
	}
	assert.Len(t, checked, len(second), "%+v", r.Verdict.Advice)
}

// verdictOf is the verdict of a schedule.
func verdictOf(t *testing.T, schedule string) *report.Verdict {
	t.Helper()
	r, err := FoldAndCompare(reporttest.Sequence(reporttest.Schedule(t, schedule)), report.Options{}, 0)
	require.NoError(t, err)
	require.NotNil(t, r.Verdict)
	return r.Verdict
}

// adviceOf is the advice of a kind.
func adviceOf(t *testing.T, v *report.Verdict, do report.AdviceKind) report.Advice {
	t.Helper()
	i := slices.IndexFunc(v.Advice, func(a report.Advice) bool { return a.Do == do })
	require.GreaterOrEqual(t, i, 0, "no %s: %+v", do, v.Advice)
	return v.Advice[i]
}

// threeGiveUp has three tests give up after ten seconds each, before Soak gives the board
// back; a fourth one says how long tests hold it.
const threeGiveUp = `
0s  First@f asks b1 pool=boards
0s  First@f gets b1
4s  First@f releases
5s  Soak@s asks b1 pool=boards
5s  Soak@s gets b1
6s  A@a asks b1 pool=boards
7s  B@b asks b1 pool=boards
8s  C@c asks b1 pool=boards
16s A@a quits cause=timeout
17s B@b quits skipped cause=timeout
18s C@c quits cause=timeout
25s Soak@s releases
`

// TestVerdictOfThoseWhoGaveUp says how many one board more, and how many a longer wait
// would have served, and how long that would have been.
func TestVerdictOfThoseWhoGaveUp(t *testing.T) {
	v := verdictOf(t, threeGiveUp)
	assert.Equal(t, 3, v.GaveUp)
	assert.Equal(t, "boards", v.Pool)
	// With two boards A has the second one from 6 s on, for 20 s, as who held one of 4 s
	// and of 20 s did in the middle; B and C give up.
	assert.Equal(t, 1, adviceOf(t, v, report.Add).Served)
	// A waits from 6 s to 25 s, B from 7 s to 45 s, C from 8 s to 65 s.
	longer := adviceOf(t, v, report.WaitLonger)
	assert.Equal(t, 3, longer.Served)
	assert.Equal(t, eventlog.MS(57*time.Second), longer.Longest.Median)
	assert.Less(t, longer.Longest.Min, longer.Longest.Median, "how long they hold is a guess")
}

// TestVerdictOfWhoDidNotWait has nobody wait at all.
func TestVerdictOfWhoDidNotWait(t *testing.T) {
	v := verdictOf(t, `
0s  Soak@s asks b1 pool=boards
0s  Soak@s gets b1
6s  A@a asks b1 pool=boards
6s  A@a quits cause=busy
25s Soak@s releases
`)
	assert.Equal(t, 1, v.GaveUp)
	assert.Equal(t, "boards", v.Pool)
	assert.Equal(t, 1, adviceOf(t, v, report.Add).Served)
	assert.Equal(t, eventlog.MS(19*time.Second), adviceOf(t, v, report.WaitLonger).Longest.Median)
}

// TestVerdictOfWhatNoWaitWouldHaveServed has a person keep the board until after the
// last event: when it would be free, nothing tells.
func TestVerdictOfWhatNoWaitWouldHaveServed(t *testing.T) {
	v := verdictOf(t, `
0s  Other@o asks b2
0s  Other@o gets b2
1s  A@a asks b1 pool=boards
2s  A@a sees b1:Ann!:reserved:3600s
11s A@a quits cause=timeout
20s Other@o releases
`)
	assert.Equal(t, 1, v.GaveUp)
	assert.Equal(t, report.Reserved, v.Cause)
	assert.Equal(t, 1, adviceOf(t, v, report.Add).Served)
	assert.Zero(t, adviceOf(t, v, report.WaitLonger).Served)
}

// TestVerdictCountsNobodyWhoWasSentAway or met a fault: a longer wait is no help for
// them.
func TestVerdictCountsNobodyWhoWasSentAway(t *testing.T) {
	v := verdictOf(t, `
0s  Soak@s asks b1 pool=boards
0s  Soak@s gets b1
1s  A@a asks b1 pool=boards
1s  B@b asks b1 pool=boards
1s  C@c asks b1 pool=boards
11s A@a quits cancelled cause=cancelled
11s B@b quits failed cause=store
11s C@c quits skipped cause=outage
20s Soak@s releases
`)
	assert.Zero(t, v.GaveUp)
	assert.False(t, slices.ContainsFunc(v.Advice, func(a report.Advice) bool { return a.Do == report.WaitLonger || a.Served > 0 }))
}
