package sched

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// TestUsableIsKept: what is usable for a class follows leases that come and go, few
// or many of them from one pass to the next.
func TestUsableIsKept(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	var s State
	s.init()
	mode := func() lockcore.Requirement {
		return []lockcore.Requirement{{}, {}, {Shared: true}, {Seats: 1}, {Seats: 2}}[rnd.IntN(5)]
	}
	key := func() string { return fmt.Sprint("k", rnd.IntN(12)) }
	var classes []*class
	for range 8 {
		c := new(class)
		for range 1 + rnd.IntN(2) {
			r := mode()
			for _, i := range rnd.Perm(12)[:1+rnd.IntN(12)] {
				r.Candidates = append(r.Candidates, lockcore.Candidate{Key: fmt.Sprint("k", i)})
			}
			c.reqs = append(c.reqs, r)
		}
		classes = append(classes, c)
	}
	var leases []*lease
	changed := 0
	for range 3000 {
		steps := rnd.IntN(4)
		if rnd.IntN(100) == 0 {
			steps = 2 * turnsKept
		}
		for range steps {
			if i := rnd.IntN(12); i < len(leases) {
				s.vacate(leases[i])
				leases = append(leases[:i], leases[i+1:]...)
				continue
			}
			l := &lease{reqs: []lockcore.Requirement{mode(), mode()}, obtained: [][]string{{key()}, {key(), key()}}}
			leases = append(leases, l)
			s.occupy(l)
		}
		p := s.newPass()
		for _, c := range classes {
			before := fmt.Sprint(c.usable)
			if rnd.IntN(3) == 0 {
				continue
			}
			for r, u := range p.usable(c) {
				var want []lockcore.Candidate
				for _, k := range c.reqs[r].Candidates {
					if h := s.keys[k.Key]; h == nil || h.free(&u) > 0 || h.Joinable() {
						want = append(want, k)
					}
				}
				require.Equal(t, want, append([]lockcore.Candidate(nil), u.Candidates...), "requirement %d of %v", r, c.reqs)
			}
			if before != fmt.Sprint(c.usable) {
				changed++
			}
		}
	}
	require.Greater(t, changed, 1000)
}

// TestLimitOfOneIsWhatFits: the moment before which somebody has to be back is the one
// from which on what he asks for does not fit any more.
func TestLimitOfOneIsWhatFits(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	fitting, not := 0, 0
	for range 1000 {
		s := stateOf(randomLine(rnd))
		p := s.newPass()
		p.looking = true
		for _, w := range s.queue {
			p.serve(w, nil)
			reqs := p.usable(w.class)
			if len(reqs) != 1 || reqs[0].Seats > 0 {
				continue
			}
			limit := p.limitOfOne(w.class)
			backs := []int64{s.now, never - 1}
			for _, cl := range p.claims {
				if b := p.bound(cl.w); b != nobody {
					backs = append(backs, b-1, b)
				}
			}
			for _, back := range backs {
				_, fits := lockcore.Match(reqs, s.freeBeside(reqs, p.reservedAgainst(back)), nil)
				require.Equal(t, fits, back < limit, "back %d, limit %d, %v", back, limit, reqs)
				if fits {
					fitting++
				} else {
					not++
				}
			}
		}
	}
	require.Greater(t, min(fitting, not), 1000, "%d fit, %d do not", fitting, not)
}

// TestSortedByWeightTheSameOneIsLetPast: whom a pass lets past others is the same whether
// it looks at everybody, or at those behind the last that could get anything in the order
// of their weights; also when some of them have left since that was worked out.
func TestSortedByWeightTheSameOneIsLetPast(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	sorted := 0
	for range 6000 {
		snap, alike, leave := randomLine(rnd), rnd.IntN(2) == 0, rnd.Perm(30)[:rnd.IntN(10)]
		line := func() *State {
			s := stateOf(snap)
			if alike { // the same scores but for what they need
				for _, w := range s.queue {
					w.arrived, w.priority, w.expect = s.now, 0, time.Minute
				}
				slices.SortFunc(s.queue, byRank)
			}
			s.sortByWeight()
			for _, i := range leave {
				if i < len(s.queue) {
					s.remove(s.queue[i])
				}
			}
			return s
		}
		promised := func(s *State) (all []string) {
			for _, w := range s.queue {
				all = append(all, fmt.Sprint(w.id, " by ", w.promise))
			}
			return all
		}
		s := line()
		walk := s.newPass()
		for _, w := range s.queue {
			walk.serve(w, nil)
		}
		want := promised(s)
		s = line()
		short := s.newPass()
		for i, w := range s.queue {
			if short.open == 0 {
				before := short.best.w
				short.considerFrom(i)
				if short.best.w != before {
					sorted++
				}
				break
			}
			short.serve(w, nil)
		}
		require.Equal(t, want, promised(s))
		require.Equal(t, walk.best.w == nil, short.best.w == nil)
		if walk.best.w != nil {
			require.Equal(t, walk.best.w.id, short.best.w.id)
			require.Equal(t, walk.best.claims, short.best.claims)
		}
	}
	require.Greater(t, sorted, 30, "lines in which one was found in the order of weights")
}

// TestAnyLeftIsWhatSomebodyCouldTakeOrReserve compares it with a look at every key. The
// classes have few lists, so that one is asked for after another of the same keys.
func TestAnyLeftIsWhatSomebodyCouldTakeOrReserve(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	seen := make(map[bool]int)
	for range 1000 {
		s := stateOf(randomLine(rnd))
		p := s.newPass()
		for _, w := range s.queue {
			p.serve(w, nil)
			for _, o := range s.queue {
				want := false
				for _, r := range o.class.reqs {
					for _, k := range r.Candidates {
						u := p.unitsOf(k.Key)
						want = want || p.reserved[k.Key].Exclusive == 0 && (u.free(&r) > 0 || u.Joinable())
					}
				}
				require.Equal(t, want, p.anyLeft(o.class), "%v", o.class.reqs)
				seen[want]++
			}
		}
	}
	require.Greater(t, min(seen[true], seen[false]), 1000)
}

// TestEnoughButIsWhatFitsWithoutThoseLetPast compares the short way with a matching.
func TestEnoughButIsWhatFitsWithoutThoseLetPast(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	seen := make(map[bool]int)
	for range 3000 {
		s := stateOf(randomLine(rnd))
		for _, l := range s.sortedLeases() {
			if rnd.IntN(3) > 0 {
				l.backfilled, l.token = true, 1<<40
				l.rank = s.now - rnd.Int64N(int64(6*time.Minute))
				s.backfilled++
			}
		}
		p := s.newPass()
		for _, w := range s.queue {
			reqs := w.class.reqs
			picks, complete := lockcore.Match(reqs, s.freeBeside(reqs, p.reserved), nil)
			if !complete {
				_, want := lockcore.Match(reqs, func(r int, key string) int {
					u := s.unitsBut(key, func(l *lease) bool { return l.letPast(w) }).plus(p.reserved[key])
					return u.free(&reqs[r])
				}, nil)
				require.Equal(t, want, p.enoughBut(w, count(picks)), "%v", reqs)
				seen[want]++
				p.reserve(w, picks)
			}
		}
	}
	require.Greater(t, min(seen[true], seen[false]), 300, "%v", seen)
}

// stateOf is a state as a store would have it at the snapshot.
func stateOf(snap *lockcore.Snapshot) *State {
	s := &newForecast(snap, lockcore.Backfill, wholeLine(snap)).state
	s.playing = nil
	return s
}
