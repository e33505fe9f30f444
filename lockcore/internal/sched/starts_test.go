package sched

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// at is a moment of these tests.
func at(d time.Duration) time.Time { return time.Unix(0, int64(time.Hour+d)) }

func boards(n int, keys ...string) []lockcore.Requirement {
	r := lockcore.Requirement{Need: n}
	for _, k := range keys {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
	}
	return []lockcore.Requirement{r}
}

func held(id, key, state string, since, expires, expect time.Duration) lockcore.Holder {
	return lockcore.Holder{ID: id, Requirements: []lockcore.Requirement{{Need: 1}}, Obtained: [][]string{{key}}, State: state, Since: at(since), Expires: at(expires), Expect: expect}
}

// line is a snapshot at 0 with a waiter for each of the requirements, of which
// each expects a minute.
func line(holders []lockcore.Holder, reqs ...[]lockcore.Requirement) *lockcore.Snapshot {
	s := &lockcore.Snapshot{Time: at(0), Holders: holders}
	for i, r := range reqs {
		s.Waiters = append(s.Waiters, lockcore.Waiter{ID: fmt.Sprint("w", i+1), Requirements: r, Since: at(time.Duration(i) - time.Second), Expect: time.Minute})
	}
	return s
}

// starts are the expected waits in seconds.
func starts(s *lockcore.Snapshot, p lockcore.QueuePolicy) map[string]int {
	out := make(map[string]int)
	for id, t := range ExpectedStarts(s, p, "") {
		out[id] = int(t.Sub(s.Time) / time.Second)
	}
	return out
}

func TestExpectedStarts(t *testing.T) {
	const min = time.Minute
	a, b, ab := boards(1, "a"), boards(1, "b"), boards(1, "a", "b")
	both := boards(2, "a", "b")
	for name, c := range map[string]struct {
		snap *lockcore.Snapshot
		want map[string]int
	}{
		"one after the other":          {line([]lockcore.Holder{held("h", "a", "held", -min, min, 4*min)}, a, a), map[string]int{"w1": 180, "w2": 240}},
		"an overrun takes half longer": {line([]lockcore.Holder{held("h", "a", "held", -4*min, min, min)}, a, a), map[string]int{"w1": 120, "w2": 180}},
		"the first of two":             {line([]lockcore.Holder{held("h", "a", "held", -min, min, 4*min), held("g", "b", "held", -min, min, 2*min)}, ab, ab, ab), map[string]int{"w1": 60, "w2": 120, "w3": 180}},
		"unknown stays unknown":        {line([]lockcore.Holder{held("h", "a", "held", -min, min, 0), held("g", "b", "held", -min, min, 2*min)}, a, b, ab), map[string]int{"w2": 60, "w3": 120}},
		"reserved has an end":          {line([]lockcore.Holder{held("h", "a", "reserved", -min, 5*min, 0)}, a), map[string]int{"w1": 300}},
		"kept has an end":              {line([]lockcore.Holder{held("h", "a", "kept", -min, 5*min, min)}, a), map[string]int{"w1": 300}},
		"a quarantine has an end":      {line([]lockcore.Holder{held("d", "a", "disabled", -min, 5*min, 0)}, a), map[string]int{"w1": 300}},
		"a TTL is none":                {line([]lockcore.Holder{held("h", "a", "held", -min, 5*min, 0)}, a), map[string]int{}},
		"a backfill":                   {line([]lockcore.Holder{held("h", "a", "held", -min, min, 5*min)}, both, b), map[string]int{"w1": 240, "w2": 0}},
		// When w1 has waited for 100 s, a fifth of its patience is a minute, and soon after
		// that somebody looks.
		"a backfill later on": {line([]lockcore.Holder{held("h", "a", "held", -min, min, 4*min)}, both, b), map[string]int{"w1": 180, "w2": 119}},
	} {
		assert.Equal(t, c.want, starts(c.snap, lockcore.Backfill), name)
	}
	off := held("d", "a", "disabled", -min, 0, 0)
	off.Expires = time.Time{}
	assert.Equal(t, map[string]int{"w2": 60}, starts(line([]lockcore.Holder{off, held("h", "b", "held", -min, min, 2*min)}, both, b), lockcore.Backfill), "out of service keeps nothing aside")

	fifo := line([]lockcore.Holder{held("h", "a", "held", -min, min, 4*min)}, both, b)
	assert.Equal(t, map[string]int{"w1": 180, "w2": 240}, starts(fifo, lockcore.FIFO))

	unknown := line([]lockcore.Holder{held("h", "a", "held", -min, min, 2*min)}, a, a)
	unknown.Waiters[0].Expect = 0
	assert.Equal(t, map[string]int{"w1": 60}, starts(unknown, lockcore.Backfill), "who is behind one of whom nothing is known")

	person := line([]lockcore.Holder{held("h", "a", "held", -min, min, 2*min)}, a, a)
	person.Waiters[0].For, person.Waiters[0].Expect = time.Hour, 0
	assert.Equal(t, map[string]int{"w1": 60, "w2": 3660}, starts(person, lockcore.Backfill), "a reservation that waits")
}

// TestExpectedStartsOfACircle: w1 waits for a, which the suite of w3 has; w3 for c, which
// is kept aside for w2; w2 for d, which the suite of w4 has; and w4 for b, which is
// kept aside for w1. No two of these pairs want the same, and still they are one line.
func TestExpectedStartsOfACircle(t *testing.T) {
	s := line([]lockcore.Holder{held("suite3", "a", "held", -time.Minute, time.Minute, 0), held("suite4", "d", "held", -time.Minute, time.Minute, 0)},
		boards(2, "a", "b"), boards(2, "c", "d"), boards(1, "c"), boards(1, "b"))
	s.Waiters[2].Parents, s.Waiters[3].Parents = []string{"suite3"}, []string{"suite4"}
	for i := range s.Waiters {
		s.Waiters[i].Expect = 0 // nobody is let past
	}
	assert.Equal(t, map[string]int{"w3": 0}, starts(s, lockcore.Backfill))
}

// TestExpectedStartsLeaveTheSnapshotAlone: others read it.
func TestExpectedStartsLeaveTheSnapshotAlone(t *testing.T) {
	s := manyWaiters(20, 3)
	before := fmt.Sprintf("%+v", s)
	require.NotEmpty(t, ExpectedStarts(s, lockcore.Backfill, ""))
	assert.Equal(t, before, fmt.Sprintf("%+v", s))
}

// manyWaiters is a line of n before 100 boards that are held. Their requirements have
// n names; so many of them differ in what they want, too.
func manyWaiters(n, kinds int) *lockcore.Snapshot {
	var keys []string
	var holders []lockcore.Holder
	for i := range 100 {
		keys = append(keys, fmt.Sprintf("board-%02d", i))
		holders = append(holders, held(fmt.Sprint("h", i), keys[i], "held", -time.Minute, time.Minute, 2*time.Minute+time.Duration(i)*time.Second))
	}
	s := line(holders)
	for i := range n {
		need := 1 + i%2
		if i%50 == 0 {
			need = 50
		}
		k := i % kinds
		reqs := boards(need, append(keys[k%100:], keys[:k%100]...)[:100-k/100]...)
		reqs[0].Name = fmt.Sprint("kind ", i)
		s.Waiters = append(s.Waiters, lockcore.Waiter{ID: fmt.Sprint("w", i), Requirements: reqs, Since: at(time.Duration(i) - time.Hour), Expect: time.Duration(1+i%17) * time.Minute})
	}
	return s
}

// manyPools is a line of 1,000 before so many pools of five boards each.
func manyPools(pools int) *lockcore.Snapshot {
	keys := func(pool int) (keys []string) {
		for i := range 5 {
			keys = append(keys, fmt.Sprintf("pool-%d-board-%d", pool, i))
		}
		return keys
	}
	var holders []lockcore.Holder
	var wanted [][]lockcore.Requirement
	for i := range 5 * pools {
		holders = append(holders, held(fmt.Sprint("h", i), keys(i / 5)[i%5], "held", -time.Minute, time.Minute, 2*time.Minute+time.Duration(i)*time.Second))
	}
	for i := range 1000 {
		wanted = append(wanted, boards(1+i/pools%2, keys(i%pools)...))
	}
	return line(holders, wanted...)
}

// BenchmarkExpectedStarts is of 1,000 waiters: before 100 boards, of which they list
// all in one order or in many, and before many pools.
func BenchmarkExpectedStarts(b *testing.B) {
	for _, p := range []lockcore.QueuePolicy{lockcore.Backfill, lockcore.FIFO} {
		for name, s := range map[string]*lockcore.Snapshot{"kinds-1": manyWaiters(1000, 1), "kinds-20": manyWaiters(1000, 20), "kinds-1000": manyWaiters(1000, 1000), "pools-20": manyPools(20), "pools-200": manyPools(200)} {
			b.Run(fmt.Sprintf("%s/%s", p, name), func(b *testing.B) {
				known := 0
				for b.Loop() {
					known = len(ExpectedStarts(s, p, ""))
				}
				b.ReportMetric(float64(known), "known")
			})
		}
	}
}
