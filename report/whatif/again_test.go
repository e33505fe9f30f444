package whatif

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/internal/reporttest"
)

// replayed plays a schedule as it was, in one way.
func replayed(t *testing.T, schedule string, m mode) (*replay, *plays) {
	t.Helper()
	p, err := readReplay(reporttest.Sequence(reporttest.Schedule(t, schedule)))
	require.NoError(t, err)
	s, err := p.play("", nil, m, draws{exact: 1})
	require.NoError(t, err)
	return p, s
}

// TestReplayServesThoseWhoAskAgainTwice has B served when A's first board was found not
// to be fit, and before A got another one.
func TestReplayServesThoseWhoAskAgainTwice(t *testing.T) {
	p, s := replayed(t, `
0s   X@x asks b1 b2 pool=boards
0s   X@x gets b1
0s   Y@y asks b1 b2 pool=boards
0s   Y@y gets b2
1s   A@a asks b1 b2 pool=boards
2s   B@b asks b1 b2 pool=boards
3s   C@c asks b1 b2 pool=boards
10s  X@x releases
10s  Y@y releases
10s  A@a gets b1
10s  B@b gets b2
11s  A@a fails b1 prepare=1s no carrier
11s  A@a releases prepare=1s
11s  A@a asks again b1 b2 pool=boards
20s  B@b releases
20s  A@a gets b2
25s  A@a releases
25s  C@c gets b2
60s  C@c releases
`, mode{})
	for i, r := range p.requests {
		assert.Equal(t, granted(&r).Sub(p.base), s.first[i].Arrived+s.first[i].Waited, r.ID)
	}
	assert.Equal(t, 6, len(p.jobs))
	assert.Equal(t, 1, p.again, "A is one request")
	assert.Equal(t, p.waited, s.scenario((*plays).exact).Waited.Median)
}

// TestReplayHasWhoAskedAgainAndGaveUp give up after as long.
func TestReplayHasWhoAskedAgainAndGaveUp(t *testing.T) {
	p, s := replayed(t, `
0s   Y@y asks b1 b2 pool=boards
0s   Y@y gets b2
0s   X@x asks b1 b2 pool=boards
0s   X@x gets b1
1s   A@a asks b1 b2 pool=boards
2s   X@x releases
2s   A@a gets b1
3s   A@a fails b1 prepare=1s no carrier
3s   A@a releases prepare=1s
3s   A@a asks again b1 b2 pool=boards
9s   A@a quits cause=timeout
20s  Y@y releases
`, mode{policy: lockcore.Backfill, chosen: true})
	require.Len(t, p.jobs, 4)
	assert.Equal(t, []time.Duration{0, 0, time.Second, 6 * time.Second}, s.waits[0])
	assert.True(t, s.first[3].GaveUp)
}

// TestReplayKeepsTheLineOfTheStore has A's process connect to the store first, so that B
// is before it in the line.
func TestReplayKeepsTheLineOfTheStore(t *testing.T) {
	p, s := replayed(t, `
0s    X@x asks b1
0s    X@x gets b1
1s    A@a asks b1
1.02s B@b asks b1
1.03s B@b sees line=1.021s b1:X
1.06s A@a sees line=1.05s b1:X
2s    D@d asks b1
2.5s  D@d sees line=2.4s b1:X
5s    D@d quits cause=timeout
9s    X@x releases
9s    B@b gets b1
12s   B@b releases
12s   A@a gets b1
60s   A@a releases
`, mode{})
	for i, r := range p.requests {
		assert.Equal(t, granted(&r).Sub(p.base), s.first[i].Arrived+s.first[i].Waited, r.ID)
	}
}

// TestSlowStoreBelievesTheLine moves what is known to have stood in line to no later
// time, although its process got another answer later.
func TestSlowStoreBelievesTheLine(t *testing.T) {
	p, s := replayed(t, `
0s     X@x asks b2
0s     X@x gets b2
0.1s   A@a asks b1
0.101s A2@a asks b2
0.12s  C@c asks b2
0.14s  A@a gets b1
0.15s  A2@a sees line=0.102s b2:X
1s     X@x releases
1s     A2@a gets b2
2s     A2@a releases
2s     C@c gets b2
8s     C@c releases
9s     A@a releases
`, mode{policy: lockcore.Backfill, slow: true})
	for i, r := range p.requests {
		assert.Equal(t, r.Ended.Sub(p.base), s.first[i].End(p.slowed(p.jobs)[i]), r.ID)
	}
}

// TestReplayEndsAHoldWhenTheNextBegins has the holder's word of its end come late, and
// the next holder's word of its beginning still later.
func TestReplayEndsAHoldWhenTheNextBegins(t *testing.T) {
	events := reporttest.Schedule(t, `
0s     A@a asks b1
0s     A@a gets b1
1s     B@b asks b1
10.03s A@a releases
10.04s B@b gets b1
10.1s  A2@a asks b2
10.1s  A2@a gets b2
20s    B@b releases
20.1s  A2@a releases
`)
	events[4].WaitedMS = eventlog.MS(9 * time.Second)
	p, err := readReplay(reporttest.Sequence(events))
	require.NoError(t, err)
	s, err := p.play("", nil, mode{}, draws{exact: 1})
	require.NoError(t, err)
	assert.Equal(t, 10*time.Second, s.first[1].Arrived+s.first[1].Waited)
	assert.Equal(t, 20*time.Second, s.first[1].End(p.jobs[1]))
	assert.Equal(t, 10100*time.Millisecond, s.first[2].Arrived, "what A does next is as late as it was")
}

// TestSlowStoreIsAsSlowAsItWas adds to holds what passed from hand to hand, and moves
// what asks when its process has no connection yet.
func TestSlowStoreIsAsSlowAsItWas(t *testing.T) {
	for _, schedule := range []string{`
0s     A@a asks b1
0.04s  A@a gets b1
1s     B@b asks b1
1s     B@b sees line=1s b1:A
2s     A@a releases
2.03s  B@b gets b1
3s     C@c asks b1
3s     C@c sees line=3s b1:B
4s     B@b releases
4.02s  C@c gets b1
5s     C@c releases
`, `
0s     A@a asks b1         # the first two of a process
0.01s  A2@a asks b2
0.04s  A@a gets b1
0.045s A2@a gets b2
2s     A@a releases
3s     A2@a releases
`, `
0s     A@a asks b1
0s     A@a gets b1
1s     B@b asks b1         # of a process that waits in line from the start
1.1s   C@c asks b1
1.4s   A@a releases
1.4s   B@b gets b1
3s     B@b releases
3s     C@c gets b1
9s     C@c releases
`, `
0s     A@a asks b1
0s     A@a gets b1
0.5s   A2@a asks b2         # C stands in line before A2 has its answer
0.501s C@c asks b2
0.503s A2@a gets b2
0.504s C@c sees line=0.501s b2:A2
2s     A2@a releases
2s     C@c gets b2
3s     C@c releases
9s     A@a releases
`, `
0s     L@l asks b1 b2 pool=boards
0s     L@l gets b1
1s     A@a asks b1 pool=boards in=L      # what the lock has is free for those below
1.02s  A@a gets b1
2s     A@a releases
3s     L@l releases
9s     B@b asks b1
9s     B@b gets b1
9.5s   B@b releases
`} {
		p, s := replayed(t, schedule, mode{policy: lockcore.Backfill, slow: true})
		for i, r := range p.requests {
			assert.Equal(t, r.Ended.Sub(p.base), s.first[i].End(p.slowed(p.jobs)[i]), "%s%s", schedule, r.ID)
		}
	}
}

// TestSlowStoreIsSlowForWhoAskAgain has the store slow before an attempt that fails.
func TestSlowStoreIsSlowForWhoAskAgain(t *testing.T) {
	p, s := replayed(t, `
0s     A@a asks b1 b2 pool=boards
0.07s  A@a gets b1
0.08s  A@a fails b1 prepare=10ms no carrier
0.08s  A@a releases prepare=10ms
0.08s  A@a asks again b1 b2 pool=boards
0.08s  A@a gets b2
4s     A@a releases
`, mode{slow: true})
	for i, r := range p.requests {
		assert.Equal(t, granted(&r).Sub(p.base), s.first[i].Arrived+s.first[i].Waited, r.ID)
	}
}

// TestSlowStoreKnowsWhoIsNoRival where somebody comes a moment later, and waits for
// something else than what the first was given.
func TestSlowStoreKnowsWhoIsNoRival(t *testing.T) {
	p, s := replayed(t, `
0s     A@a asks b1
0s     A@a gets b1
1s     B@a asks b2 b3
1.001s C@c asks b1
1.003s B@a gets b2
3s     A@a releases
3s     C@c gets b1
3s     B@a releases
9s     C@c releases
`, mode{slow: true})
	for i, r := range p.requests {
		assert.Equal(t, map[string]time.Duration{"A": 0, "B": 1003 * time.Millisecond, "C": 1001 * time.Millisecond}[r.Test.Name], s.first[i].Arrived, r.Test.Name)
	}
}
