package suspects

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// runOf is a run of a test with resources.
func runOf(test string, failed bool, keys ...string) *report.TestRun {
	r := &report.TestRun{Process: eventlog.Process{Run: "r"}, Test: eventlog.TestInfo{Pkg: "lab", Name: test}, Verdict: eventlog.VerdictPassed}
	if failed {
		r.Verdict = eventlog.VerdictFailed
	}
	for _, k := range keys {
		r.Held = append(r.Held, eventlog.Chosen{Key: k})
	}
	return r
}

// several adds n runs, of which failed ones failed.
func (c *Collector) several(test, key string, failed, n int) {
	for i := range n {
		c.Add(runOf(test, i < failed, key))
	}
}

// TestTailCountsAllCases compares with drawing every set of runs that could have been
// with the unit.
func TestTailCountsAllCases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var strata []stratum
		for range rapid.IntRange(1, 3).Draw(t, "strata") {
			n := rapid.IntRange(1, 7).Draw(t, "n")
			s := stratum{n: n, f: rapid.IntRange(0, n).Draw(t, "f"), m: rapid.IntRange(0, n).Draw(t, "m")}
			s.a = rapid.IntRange(max(0, s.m+s.f-n), min(s.m, s.f)).Draw(t, "a")
			strata = append(strata, s)
		}
		counts := map[int]float64{0: 1} // ways, by failures with it
		all, seen := 1.0, 0
		for _, s := range strata {
			seen += s.a
			here := map[int]float64{}
			ways := 0.0
			for set := range 1 << s.n {
				with, failed := 0, 0
				for i := range s.n { // the first f runs failed
					if set>>i&1 == 1 {
						with++
						if i < s.f {
							failed++
						}
					}
				}
				if with == s.m {
					here[failed]++
					ways++
				}
			}
			next := map[int]float64{}
			for a, x := range counts {
				for b, y := range here {
					next[a+b] += x * y
				}
			}
			counts, all = next, all*ways
		}
		want := 0.0
		for k, n := range counts {
			if k >= seen {
				want += n / all
			}
		}
		got, _ := tail(strata)
		if math.Abs(got-want) > 1e-9 {
			t.Fatalf("%+v: %v, want %v", strata, got, want)
		}
	})
}

func TestOneSickBoard(t *testing.T) {
	var c Collector
	c.several("TestFlash", "board-3", 5, 8)
	c.several("TestSoak", "board-3", 4, 6)
	for i := 1; i <= 5; i++ {
		if i != 3 {
			c.several("TestFlash", fmt.Sprint("board-", i), i/4, 8)
			c.several("TestSoak", fmt.Sprint("board-", i), i/5, 8)
		}
	}
	r := c.Find()
	require.Len(t, r.Suspects, 1)
	s := r.Suspects[0]
	assert.Equal(t, Suspect{Kind: Resource, Name: "board-3", Uses: 14, Failed: 9, Else: 64, ElseFails: 3, P: s.P}, s)
	assert.Less(t, s.P, 1e-4)
	assert.Equal(t, "board-3: 9 of 14 runs of tests with it failed; the same tests failed 3 of 64 times without it", r.Lines()[0])
	assert.Empty(t, r.Everywhere)
}

// TestWhatIsNoSuspect has what looks like one.
func TestWhatIsNoSuspect(t *testing.T) {
	for name, fill := range map[string]func(*Collector){
		"a test that always fails, on one board mostly": func(c *Collector) {
			c.several("TestBad", "board-1", 20, 20)
			c.several("TestBad", "board-2", 3, 3)
			c.several("TestGood", "board-1", 0, 5)
			c.several("TestGood", "board-2", 0, 20)
		},
		"a board that only one test runs on": func(c *Collector) {
			c.several("TestBad", "board-1", 10, 12)
			c.several("TestGood", "board-2", 0, 40)
		},
		"few runs": func(c *Collector) {
			c.several("TestA", "board-1", 4, 4)
			c.several("TestA", "board-2", 0, 400)
		},
		"few failures": func(c *Collector) {
			c.several("TestA", "board-1", 2, 5)
			c.several("TestA", "board-2", 0, 4000)
		},
		"a little worse": func(c *Collector) {
			c.several("TestA", "board-1", 300, 2000)
			c.several("TestA", "board-2", 200, 2000)
		},
		"skipped, unknown and not served": func(c *Collector) {
			c.several("TestA", "board-2", 0, 50)
			for range 20 {
				r := runOf("TestA", true, "board-1")
				r.Verdict = eventlog.VerdictSkipped
				c.Add(r)
				r = runOf("TestA", true, "board-1")
				r.Verdict = ""
				c.Add(r)
				r = runOf("TestA", true, "board-1")
				r.GaveUp = true
				c.Add(r)
			}
		},
		"a night on which everything failed": func(c *Collector) {
			for i := range 30 {
				r := runOf(fmt.Sprint("Test", i), true, "board-1")
				r.Process.Run = "night"
				c.Add(r)
				c.several(fmt.Sprint("Test", i), "board-2", 0, 3)
				c.several(fmt.Sprint("Test", i), "board-1", 0, 1)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c Collector
			fill(&c)
			assert.Empty(t, c.Find().Suspects)
		})
	}
}

// TestABadFirmware: all boards with fw=3 fail, and the tag is the suspect, not each
// of them. The other way round, one sick board does not make its tags suspects.
func TestABadFirmware(t *testing.T) {
	fill := func(c *Collector, sick func(board int) bool) {
		for board := range 10 {
			for i := range 40 {
				r := runOf(fmt.Sprint("Test", i%8), false, fmt.Sprint("board-", board))
				if sick(board) && i%3 > 0 || i == board {
					r.Verdict = eventlog.VerdictPanicked
				}
				r.Held[0].Tags = map[string]string{"fw": fmt.Sprint(2 + board%2), "kind": "board", "rack": fmt.Sprint(board / 5)}
				c.Add(r)
			}
		}
	}
	var c Collector
	fill(&c, func(board int) bool { return board%2 == 1 })
	r := c.Find()
	require.Len(t, r.Suspects, 1)
	assert.Equal(t, Tag, r.Suspects[0].Kind)
	assert.Equal(t, "fw=3", r.Suspects[0].Name)

	c = Collector{}
	fill(&c, func(board int) bool { return board == 4 })
	r = c.Find()
	require.Len(t, r.Suspects, 1)
	assert.Equal(t, Resource, r.Suspects[0].Kind)
	assert.Equal(t, "board-4", r.Suspects[0].Name)
}

func TestATestOnOneBoard(t *testing.T) {
	var c Collector
	for i := range 12 {
		for _, test := range []string{"TestA", "TestB", "TestC", "TestD"} {
			for board := range 6 {
				c.Add(runOf(test, test == "TestB" && board == 2 && i%4 > 0, fmt.Sprint("board-", board)))
			}
		}
	}
	// Without this the board as a whole is the clearer suspect.
	c.several("TestE", "board-2", 0, 30)
	c.several("TestE", "board-1", 8, 30)
	r := c.Find()
	var names []string
	for _, s := range r.Suspects {
		names = append(names, string(s.Kind)+" "+s.Test+" "+s.Name)
	}
	assert.Contains(t, names, "pair TestB board-2")
}

func TestTestsThatFailEverywhere(t *testing.T) {
	var c Collector
	for board := range 4 {
		c.several("TestBroken", fmt.Sprint("board-", board), 5, 6)
		c.several("TestFine", fmt.Sprint("board-", board), 0, 6)
	}
	r := c.Find()
	assert.Empty(t, r.Suspects)
	assert.Equal(t, []Test{{"lab", "TestBroken", 24, 20, 4}}, r.Everywhere)
	assert.Contains(t, r.Lines(), "TestBroken fails wherever it runs: 20 of 24 runs, on 4 resources")
}

// lab is a simulated lab.
type lab struct {
	boards, tests int
	fail          float64 // of a test on a healthy board
	sick          bool    // board-1 fails 0.3 more
}

// play adds runs until every board was used often.
func (l lab) play(rnd *rand.Rand, uses int) *Collector {
	var c Collector
	for range l.boards * uses {
		board := rnd.IntN(l.boards) + 1
		p := l.fail
		if l.sick && board == 1 {
			p += 0.3
		}
		r := runOf(fmt.Sprint("Test", rnd.IntN(l.tests)), rnd.Float64() < p, fmt.Sprint("board-", board))
		r.Held[0].Tags = map[string]string{"rack": fmt.Sprint((board - 1) / 5), "fw": fmt.Sprint(board % 3), "kind": "board"}
		c.Add(r)
	}
	return &c
}

// TestPairsThatRanOnceDoNotCount has 1,200 pairs of a test and a board that could never
// be suspects, and one that is.
func TestPairsThatRanOnceDoNotCount(t *testing.T) {
	var c Collector
	for test := range 300 {
		for board := range 4 {
			c.several(fmt.Sprint("Test", test), fmt.Sprint("board-", board), btoi(board == test%4), 1)
		}
	}
	c.several("TestOTA", "board-2", 5, 6)
	c.several("TestOTA", "board-1", 0, 12)
	r := c.Find()
	require.Len(t, r.Suspects, 1)
	assert.Equal(t, "TestOTA on board-2: 5 of 6 runs failed; it failed 0 of 12 times without that resource", r.Suspects[0].String())
	assert.Greater(t, r.Compared, 1200)
}

func TestComparable(t *testing.T) {
	for _, c := range []struct {
		least []float64
		want  int
	}{
		{[]float64{0.001}, 1},
		{[]float64{0.3, 0.2, 0.001}, 1},
		{[]float64{0.001, 0.01, 0.025}, 2}, // the third could not come out at 0.04/2
		{[]float64{0.001, 0.001, 0.001}, 3},
	} {
		assert.Equal(t, c.want, comparable(c.least, 0.04), c.least)
	}
}
