package whatif

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// repeated is a schedule of a test that runs again and again from a time on, each time in
// a process of its own, on a board that is always free.
func repeated(at time.Duration, test string, holds ...time.Duration) string {
	var b strings.Builder
	for i, hold := range holds {
		who := fmt.Sprintf("%s@%s%d", test, test, i)
		fmt.Fprintf(&b, "%v %s asks b%s pool=boards\n%v %s gets b%s\n%v %s releases\n", at, who, test, at, who, test, at+hold, who)
		at += hold + time.Second
	}
	return b.String()
}

func drawn(t *testing.T, schedule string) *replay {
	t.Helper()
	p, err := readReplay(reporttest.Sequence(reporttest.Schedule(t, schedule)))
	require.NoError(t, err)
	return p
}

// TestOtherNightsDrawFromTheHoldsOfTheTest that were recorded, of a test with many.
func TestOtherNightsDrawFromTheHoldsOfTheTest(t *testing.T) {
	recorded := []time.Duration{7 * time.Second, 8 * time.Second, 9 * time.Second, 11 * time.Second, 40 * time.Second}
	p := drawn(t, repeated(0, "A", recorded...))
	seen := map[time.Duration]bool{}
	for night := range uint64(nightsUsual) {
		for _, j := range p.another(p.jobs, night) {
			assert.Contains(t, recorded, j.Hold)
			seen[j.Hold] = true
		}
	}
	assert.Len(t, seen, len(recorded))
}

// TestOtherNightsSpreadAsRepetitionsDo has a test run once, in a run of others that vary
// by a tenth of a percent: so does it.
func TestOtherNightsSpreadAsRepetitionsDo(t *testing.T) {
	p := drawn(t, repeated(0, "Once", 100*time.Second))
	assert.InDelta(t, spreadUsual, p.variety.spread, 0)
	var all strings.Builder
	all.WriteString(repeated(0, "Once", 100*time.Second))
	for i := range spreadFew {
		all.WriteString(repeated(time.Duration(i+1)*time.Hour, fmt.Sprint("T", i), 100*time.Second, 100100*time.Millisecond))
	}
	steady := drawn(t, all.String())
	assert.InDelta(t, 0.0007, steady.variety.spread, 0.0001)
	apart := func(p *replay) (most time.Duration) {
		for night := range uint64(nightsUsual) {
			most = max(most, (p.another(p.jobs, night)[0].Hold - 100*time.Second).Abs())
		}
		return most
	}
	assert.Greater(t, apart(p), 5*time.Second)
	assert.Less(t, apart(steady), time.Second)
	assert.NotZero(t, apart(steady))
}

// TestOtherNightsBringTheSameLuckToAChange and come in pairs, of which one has the good
// luck where the other has the bad.
func TestOtherNightsBringTheSameLuckToAChange(t *testing.T) {
	p := drawn(t, twoLanes)
	for night := range uint64(nightsUsual) {
		was, is, turned := p.another(p.jobs, night), p.another(p.with([]change{{name: "boards", like: "b1", add: 1}}), night), p.another(p.jobs, night^1)
		for i := range was {
			assert.Equal(t, was[i].Hold, is[i].Hold)
			assert.Equal(t, was[i].At, is[i].At)
			assert.Equal(t, was[i].Hold > p.jobs[i].Hold, turned[i].Hold < p.jobs[i].Hold)
		}
	}
	s, err := p.play("", nil, mode{}, draws{nights: nightsUsual, exact: 1})
	require.NoError(t, err)
	assert.NotEqual(t, s.exact(s.took), s.usual(s.took))
	exact, usual := s.less(s, (*plays).took)
	assert.Zero(t, exact)
	assert.Zero(t, usual)
}

// TestOtherNightsGuessWhoGaveUp has nobody know how long Pair would have held.
func TestOtherNightsGuessWhoGaveUp(t *testing.T) {
	p := drawn(t, repeated(0, "A", 7*time.Second, 9*time.Second)+"100s Soak@s asks b1 pool=boards\n100s Soak@s gets b1\n101s Pair@p asks b1 pool=boards\n111s Pair@p quits cause=timeout\n140s Soak@s releases\n")
	last := len(p.jobs) - 1
	require.Equal(t, "Pair", p.jobs[last].Owner.Test)
	seen := map[time.Duration]bool{}
	for night := range uint64(nightsUsual) {
		seen[p.another(p.jobs, night)[last].Hold] = true
	}
	assert.Equal(t, map[time.Duration]bool{7 * time.Second: true, 9 * time.Second: true, 40 * time.Second: true}, seen)
}

// TestOtherNightsHaveWhatWasInTheWay of somebody from before he asked, who may ask a
// little earlier there.
func TestOtherNightsHaveWhatWasInTheWay(t *testing.T) {
	p := drawn(t, `
0s   Other@o asks b1 pool=boards
0s   Other@o gets b1
10s  Other@o releases
60s  A@a asks b1 pool=boards
61s  A@a sees b1:Stranger!
90s  A@a gets b1
100s A@a releases
`)
	s, err := p.play("", nil, mode{}, draws{nights: nightsUsual, exact: 1})
	require.NoError(t, err)
	for night := range nightsUsual {
		assert.Greater(t, s.waits[night][1], 20*time.Second)
	}
	assert.Equal(t, 30*time.Second, s.waits[nightsUsual][1])
}
