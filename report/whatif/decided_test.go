package whatif

import (
	"strings"
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

// surprisingNight has the store let Quick past Pair, three seconds after it asked: in
// nights before, it took some seconds. This time it takes longer than Soak, so a store
// that knows nothing else would have let it wait, whatever it expects.
const surprisingNight = `
0s   Soak@s asks b1 b2 pool=boards
0s   Soak@s gets b1
1s   Pair@p asks 2 of b1 b2 pool=boards
2s   Quick@q asks b1 b2 pool=boards
5s   Quick@q gets early b2
100s Soak@s releases
155s Quick@q releases
155s Pair@p gets b1 b2
165s Pair@p releases
`

// TestReplayFollowsWhomTheStoreLetPast where no store that decides anew comes to the same.
func TestReplayFollowsWhomTheStoreLetPast(t *testing.T) {
	e := estimate(t, surprisingNight, WhatIf{Add: []string{"boards=1"}})
	assert.True(t, e.Decided)
	assert.Equal(t, exactly(165*time.Second-stutter), e.Replayed.Makespan)
	assert.Equal(t, exactly((3+154)*time.Second-2*stutter), e.Replayed.Waited)
	// What is compared decides anew: without the third board, Quick waits for Pair.
	assert.Equal(t, exactly(260*time.Second), e.Others.Makespan)
	assert.Equal(t, exactly(161*time.Second), e.OthersChanged.Makespan)
	assert.Equal(t, exactly(99*time.Second), e.less)
	assert.Equal(t, lockcore.Backfill, e.Replayed.Policy)
	assert.Contains(t, text(t, e), "whom the store let past them in the run")

	e = estimate(t, earlyNight, WhatIf{})
	assert.False(t, e.Decided, "the decisions are explained by how long each test holds")
	assert.NotContains(t, text(t, e), "whom the store let past")
}

// TestReplayFollowsDecisionsBesideOthers has somebody hold b3 whose events are not there.
func TestReplayFollowsDecisionsBesideOthers(t *testing.T) {
	night := strings.ReplaceAll(surprisingNight, "b1 b2 pool=boards", "b1 b2 b3 pool=boards")
	night = strings.Replace(night, "2s   Quick@q asks", "1s   Pair@p sees b1:Soak b3:Ghost!:held\n2s   Quick@q asks", 1)
	night = strings.Replace(night, "155s Quick@q releases", "154s Pair@p sees b2:Quick b3:Ghost!:held\n155s Quick@q releases", 1)
	p, s := replayed(t, night, mode{slow: true, chosen: true, decided: true})
	require.Len(t, p.aside, 1)
	assert.Equal(t, 164*time.Second, s.makespan[0], "b3 is taken to be free once it was seen last")
	assert.Equal(t, 3*time.Second-stutter, s.waits[0][2])
}

// TestReportComparesWithAStoreThatDecidesAnew compares advice, and fifo, with the same.
func TestReportComparesWithAStoreThatDecidesAnew(t *testing.T) {
	r := foldEarly(t, surprisingNight, 100)
	assert.Zero(t, r.Backfill.FIFO.Makespan, "under fifo Quick waits for Pair, as it does if the store decides anew")
	best := adviceOf(t, r.Verdict, "add")
	assert.Equal(t, 99*time.Second, best.Makespan.Median.Duration())
}

// TestReplayOfDecisionsRefuses where something else than decisions is not in the events:
// who has b1 from 165s on.
func TestReplayOfDecisionsRefuses(t *testing.T) {
	err := estimateError(t, surprisingNight+"170s Next@n asks b1\n230s Next@n gets b1\n240s Next@n releases\n", WhatIf{})
	require.ErrorIs(t, err, ErrNoEstimate)
	assert.ErrorContains(t, err, "the run took 4m0s, but its replay takes 3m0s", "the closest replay follows the decisions")
	assert.ErrorContains(t, err, "The first that it does not explain: Next (n), which asked at 12:02:50.000 for b1, was served at 12:03:50.000; by the events b1 was free at 12:02:50.000")
}

// pasts lists whom each request was let past.
func pasts(t *testing.T, schedule string) map[string]*simulate.Past {
	t.Helper()
	p, err := readReplay(reporttest.Sequence(reporttest.Schedule(t, schedule)))
	require.NoError(t, err)
	all := map[string]*simulate.Past{}
	for i := range p.jobs {
		if past := p.jobs[i].Past; past != nil {
			all[p.requests[i].Test.Name] = past
		}
	}
	return all
}

// TestReplayKnowsWhomTheStoreLetPast and from when on: those in front who were served
// later, from when it had what it got.
func TestReplayKnowsWhomTheStoreLetPast(t *testing.T) {
	assert.Equal(t, map[string]*simulate.Past{"Quick": {Jobs: []int{2}, In: 3*time.Second - stutter}}, pasts(t, surprisingNight))
	assert.Equal(t, map[string]*simulate.Past{"Quick": {Jobs: []int{5, 6}, After: 1, In: 4*time.Second - stutter}}, pasts(t, `
0s   First@f asks b1 b2 b3 pool=boards
0s   First@f gets b2
0s   Other@o asks b1 b2 b3 pool=boards
0s   Other@o gets b3
0s   Soak@s asks b1 b2 b3 pool=boards
0s   Soak@s gets b1
1s   Late@l asks 3 of b1 b2 b3 pool=boards prio=-1
2s   Trio@p asks 3 of b1 b2 b3 pool=boards
3s   Gone@g asks 3 of b1 b2 b3 pool=boards
4s   Quick@q asks b1 b2 b3 pool=boards
20s  First@f releases
22s  Other@o releases
24s  Quick@q gets early b2
30s  Gone@g quits cause=timeout
40s  Quick@q releases
100s Soak@s releases
100s Trio@p gets b1 b2 b3
110s Trio@p releases
110s Late@l gets b1 b2 b3
120s Late@l releases
`), "Late is behind Quick, and b3 is not what Quick got")
	assert.Equal(t, map[string]*simulate.Past{"Reader": {Jobs: []int{2}, In: time.Second - stutter}}, pasts(t, `
0s   Holder@h asks b1 shared
0s   Holder@h gets b1
1s   Writer@w asks b1
2s   Reader@r asks b1 shared
3s   Reader@r gets early b1
50s  Holder@h releases
60s  Reader@r releases
60s  Writer@w gets b1
70s  Writer@w releases
`), "Holder has not given back what Reader shares")
}

// TestBesidesCountsJobsAnew puts three in front of two, one of which is let past the other.
func TestBesidesCountsJobsAnew(t *testing.T) {
	jobs := []simulate.Job{{}, {Past: &simulate.Past{Jobs: []int{1}, After: 1, In: time.Second}}, {Past: &simulate.Past{Jobs: []int{1, 2}}}}
	all := besides(make([]simulate.Job, 3), jobs)
	assert.Equal(t, &simulate.Past{Jobs: []int{4}, After: 4, In: time.Second}, all[4].Past)
	assert.Equal(t, &simulate.Past{Jobs: []int{4, 5}}, all[5].Past)
	assert.Equal(t, []int{1}, jobs[1].Past.Jobs)
}

// TestReplayKnowsWhoWasGrantedFirst by the tokens, whatever the clocks of processes say.
func TestReplayKnowsWhoWasGrantedFirst(t *testing.T) {
	granted := func(at time.Duration, fence uint64) *report.Request {
		return &report.Request{Asked: reporttest.T0, Waited: at, Chosen: []eventlog.Chosen{{Key: "b1", Fence: fence}}}
	}
	assert.True(t, grantedBefore(granted(2, 7), granted(1, 8)))
	assert.False(t, grantedBefore(granted(1, 8), granted(2, 7)))
	assert.True(t, grantedBefore(granted(1, 0), granted(2, 7)), "not all have one")
	assert.False(t, grantedBefore(granted(2, 7), granted(1, 0)))
	assert.True(t, grantedBefore(granted(1, 7), &report.Request{Asked: reporttest.T0, Waited: 2}), "it gave up")
}
