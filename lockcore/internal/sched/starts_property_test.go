package sched

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// plainStarts are the expected starts without what makes them cheap: the whole line
// is one part, and passes know no more than those of a store do.
//
// Under backfill the parts are played alone here, too. Who may be let past others
// depends on when somebody looks, and in a whole line somebody looks whenever
// something ends anywhere.
func plainStarts(snap *lockcore.Snapshot, p lockcore.QueuePolicy) map[string]time.Time {
	parts := []*part{wholeLine(snap)}
	if p == lockcore.Backfill {
		parts = split(snap)
	}
	starts := make(map[string]time.Time)
	for _, part := range parts {
		f := newForecast(snap, p, part)
		f.state.playing = nil
		f.play("", 1<<40, starts)
	}
	return starts
}

// TestStartsBesideARequestThatAnOutageKeepsBack: who waits for what is out of service is
// not let past others, and nobody is promised anything on its account.
func TestStartsBesideARequestThatAnOutageKeepsBack(t *testing.T) {
	out := held("out", "a", "disabled", -time.Minute, 0, 0)
	out.Expires = time.Time{}
	shared := held("shared", "c", "held", -3*time.Minute, 46*time.Second, 164*time.Second)
	shared.Requirements[0].Shared = true
	s := &lockcore.Snapshot{Time: at(0), Usual: time.Minute, Holders: []lockcore.Holder{out, held("b", "b", "held", -86*time.Second, time.Minute, 336*time.Second), shared, held("d", "d", "held", -162*time.Second, time.Minute, 249*time.Second)}}
	for i, w := range []lockcore.Waiter{
		{Requirements: append(boards(1, "c"), boards(1, "a", "b")...)},
		{Requirements: append(boards(2, "a", "b"), boards(1, "c")...), Expect: 23 * time.Second},
		{Requirements: boards(1, "a"), Expect: 274 * time.Second, Priority: 1},
		{Requirements: boards(1, "c"), Expect: 165 * time.Second, Parents: []string{"out"}},
		{Requirements: boards(1, "c"), Expect: 85 * time.Second, Priority: 1},
	} {
		w.ID, w.Since = fmt.Sprint("w", i), at(time.Duration(i)*10*time.Second-5*time.Minute)
		s.Waiters = append(s.Waiters, w)
	}
	s.Holders[1].Requirements[0].Shared = true
	s.Waiters[0].Requirements[0].Seats = 3
	s.Waiters[1].Requirements[0].Shared, s.Waiters[1].Requirements[1].Shared = true, true
	require.Equal(t, plainStarts(s, lockcore.Backfill), ExpectedStarts(s, lockcore.Backfill, ""))
}

// wholeLine is the line as one part.
func wholeLine(snap *lockcore.Snapshot) *part {
	whole := &part{}
	for i := range snap.Holders {
		whole.holders = append(whole.holders, i)
	}
	var s splitting
	for i := range snap.Waiters {
		s.add(snap.Waiters[i].Requirements)
		whole.waiters, whole.classes = append(whole.waiters, i), append(whole.classes, s.classes[s.of[i]])
	}
	return whole
}

// randomLine is a snapshot of a few pools with everything that a line can hold.
func randomLine(rnd *rand.Rand) *lockcore.Snapshot {
	s := &lockcore.Snapshot{Time: at(0)}
	pools, per := 1+rnd.IntN(4), 1+rnd.IntN(7)
	key := func(pool, i int) string { return fmt.Sprintf("p%d-%d", pool, i) }
	requirement := func() lockcore.Requirement {
		r := lockcore.Requirement{Shared: rnd.IntN(4) == 0}
		if !r.Shared && rnd.IntN(6) == 0 {
			r.Seats = 1 + rnd.IntN(3)
		}
		pool, other := rnd.IntN(pools), rnd.IntN(8*pools)
		for i := range per {
			if rnd.IntN(3) > 0 {
				r.Candidates = append(r.Candidates, lockcore.Candidate{Key: key(pool, i)})
			}
			if other < pools && other != pool && rnd.IntN(2) == 0 {
				r.Candidates = append(r.Candidates, lockcore.Candidate{Key: key(other, i)})
			}
		}
		if len(r.Candidates) == 0 {
			r.Candidates = []lockcore.Candidate{{Key: key(pool, 0)}}
		}
		r.Need = 1 + rnd.IntN(min(3, len(r.Candidates)))
		return r
	}
	minutes := func(n int) time.Duration { return time.Duration(rnd.IntN(60*n)) * time.Second }
	for pool := range pools {
		for i := range per {
			h := held(fmt.Sprint("h", pool, "-", i), key(pool, i), "held", -minutes(4), minutes(4), minutes(6))
			switch rnd.IntN(12) {
			case 0:
				continue // free
			case 1:
				h.Expect = 0
			case 2:
				h.State = "reserved"
			case 3:
				h.State = "disabled"
				if rnd.IntN(2) == 0 {
					h.Expires = time.Time{}
				}
			case 4:
				h.Requirements[0].Shared = true
			case 5:
				h.Requirements[0].Seats = 1 + rnd.IntN(3)
			case 6:
				h.Obtained[0] = append(h.Obtained[0], key((pool+1)%pools, per)) // listed by none
			case 7:
				if i+1 < per { // ends at once in two places
					h.Obtained[0] = append(h.Obtained[0], key(pool, i+1))
					s.Holders = append(s.Holders, h)
					continue
				}
			}
			s.Holders = append(s.Holders, h)
		}
	}
	nested := rnd.IntN(5) == 0
	var kinds [][]lockcore.Requirement
	for range 1 + rnd.IntN(6) {
		reqs := []lockcore.Requirement{requirement()}
		if rnd.IntN(3) == 0 {
			reqs = append(reqs, requirement())
		}
		if _, possible := lockcore.Match(reqs, func(r int, _ string) int { return max(1, reqs[r].Seats) }, nil); !possible {
			reqs = reqs[:1] // stores refuse what can never be
		}
		kinds = append(kinds, reqs)
	}
	for i := range 1 + rnd.IntN(25) {
		w := lockcore.Waiter{ID: fmt.Sprint("w", i), Requirements: kinds[rnd.IntN(len(kinds))], Since: at(-time.Duration(30-i) * 10 * time.Second), Priority: rnd.IntN(2)}
		if rnd.IntN(4) > 0 {
			w.Expect = minutes(5)
		}
		if nested && rnd.IntN(3) == 0 && len(s.Holders) > 0 {
			w.Parents = []string{s.Holders[rnd.IntN(len(s.Holders))].ID}
		}
		s.Waiters = append(s.Waiters, w)
	}
	s.Usual = time.Duration(rnd.IntN(3)) * time.Minute
	return s
}

// TestStartsOfPartsAreThoseOfTheLine: a line that is split, and passes that end early,
// give what the whole line gives in passes that do not; under backfill, each part.
func TestStartsOfPartsAreThoseOfTheLine(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	several, late := 0, 0
	for range 3000 {
		s := randomLine(rnd)
		p := []lockcore.QueuePolicy{lockcore.Backfill, lockcore.Backfill, lockcore.FIFO, Greedy}[rnd.IntN(4)]
		want := plainStarts(s, p)
		got := ExpectedStarts(s, p, "")
		require.Equal(t, want, got, "%s %+v", p, s)
		if len(split(s)) > 1 {
			several++
		}
		for id, at := range got {
			if at.After(s.Time) {
				late++
			}
			if rnd.IntN(20) == 0 {
				require.Equal(t, at, ExpectedStarts(s, p, id)[id], "asked for by name")
			}
		}
	}
	require.Greater(t, several, 500, "lines of several parts")
	require.Greater(t, late, 5000, "starts that are not at once")
}
