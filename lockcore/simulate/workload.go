package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A Workload makes jobs for one table: a load of 1 keeps a pool of the given size
// busy all the time, if packing were perfect. The same arguments give the same
// jobs.
type Workload struct {
	Name string
	Text string // what it is, in a line
	Jobs func(pool, jobs int, load float64, seed uint64) []Job

	marks marks
}

// marks are what a scheduling is held against, seed by seed: at most these shares
// of what fifo makes wait, and of the time after which greedy is done. The zero
// value is none: in a burst most of the wait is the burst, whoever has a low
// priority has to wait longer than under fifo, and what liars suffer is bounded
// but not good.
type marks struct{ mean, longest, makespan float64 }

// Workloads lists the workloads that the tables are made of.
func Workloads() []Workload {
	return []Workload{
		{"independent", "every request on its own: need 1 (80 %), 2 (15 %) or half to all of the pool (5 %); holds lognormal, median 60 s, sigma 1", Independent, marks{1. / 4, 1.5, 1.02}},
		{"tests", "60 tests, each with its own need and usual hold (sigma 0.3 around it); 3 % of the runs hang ten times longer", Tests, marks{1. / 8, 1, 1.02}},
		{"matrix", "the same tests, but 50 jobs start at once", Matrix, marks{}},
		{"racks", "tests over racks that overlap in part, some with a second requirement, some in shared mode, with priorities", Racks, marks{}},
		{"liars", "the same tests, a third of which say that they take a second", Liars, marks{}},
	}
}

// pool is n equal resources.
func pool(n int) []lockcore.Candidate {
	out := make([]lockcore.Candidate, n)
	for i := range out {
		out[i].Key = fmt.Sprintf("board-%02d", i+1)
	}
	return out
}

func drawNeed(rnd *rand.Rand, n int) int {
	switch f := rnd.Float64(); {
	case f < 0.80:
		return 1
	case f < 0.95:
		return min(2, n)
	default:
		return n/2 + rnd.IntN(n-n/2+1)
	}
}

func lognormal(rnd *rand.Rand, median time.Duration, sigma float64) time.Duration {
	return time.Duration(float64(median) * math.Exp(sigma*rnd.NormFloat64()))
}

// arrivals spreads the jobs at random so that they keep units busy at the load.
func arrivals(rnd *rand.Rand, jobs []Job, units int, load float64) {
	var work float64
	for _, j := range jobs {
		n := 0
		for i := range j.Requirements {
			n += j.Requirements[i].Units()
		}
		work += float64(n) * float64(j.Hold)
	}
	gap := work / float64(units) / load / float64(len(jobs))
	at := 0.0
	for i := range jobs {
		at += gap * rnd.ExpFloat64()
		jobs[i].At = time.Duration(at)
	}
}

const medianHold = time.Minute

// Independent is requests that have nothing in common: their owners have no
// names, so that nothing can be learned.
func Independent(n, jobs int, load float64, seed uint64) []Job {
	rnd := rand.New(rand.NewPCG(seed, 2))
	cands := pool(n)
	out := make([]Job, jobs)
	for i := range out {
		out[i] = Job{Hold: lognormal(rnd, medianHold, 1), Requirements: []lockcore.Requirement{{Name: "board", Candidates: cands, Need: drawNeed(rnd, n)}}}
	}
	arrivals(rnd, out, n, load)
	return out
}

// suite is the tests that a workload draws its jobs from.
type suite struct {
	usual []time.Duration
	reqs  [][]lockcore.Requirement
}

const (
	suiteSize = 60
	hangs     = 0.03
	hangTimes = 10
)

func newSuite(rnd *rand.Rand, reqs func() []lockcore.Requirement) *suite {
	s := new(suite)
	for range suiteSize {
		s.usual = append(s.usual, lognormal(rnd, medianHold, 1))
		s.reqs = append(s.reqs, reqs())
	}
	return s
}

func (s *suite) draw(rnd *rand.Rand) Job {
	i := rnd.IntN(len(s.usual))
	hold := lognormal(rnd, s.usual[i], 0.3)
	if rnd.Float64() < hangs {
		hold *= hangTimes
	}
	return Job{Hold: hold, Requirements: s.reqs[i], Owner: lockcore.Owner{Package: "example.com/lab", Test: fmt.Sprintf("Test%02d", i+1)}}
}

func oneOf(rnd *rand.Rand, n int) func() []lockcore.Requirement {
	cands := pool(n)
	return func() []lockcore.Requirement {
		return []lockcore.Requirement{{Name: "board", Candidates: cands, Need: drawNeed(rnd, n)}}
	}
}

// Tests is a suite of tests that run again and again.
func Tests(n, jobs int, load float64, seed uint64) []Job {
	rnd := rand.New(rand.NewPCG(seed, 3))
	s := newSuite(rnd, oneOf(rnd, n))
	out := make([]Job, jobs)
	for i := range out {
		out[i] = s.draw(rnd)
	}
	arrivals(rnd, out, n, load)
	return out
}

// burst is how many jobs a CI matrix starts at once.
const burst = 50

// Matrix is [Tests] with the arrivals of a CI matrix.
func Matrix(n, jobs int, load float64, seed uint64) []Job {
	out := Tests(n, jobs, load, seed)
	for i := range out {
		out[i].At = out[i-i%burst].At
	}
	return out
}

// Racks has three racks of n boards each, neighbours sharing a quarter of them,
// and a chamber for each rack. A quarter of the tests want the chamber too, some
// of those for themselves and some to share; one job in ten has a priority of 5,
// one in ten of -5.
func Racks(n, jobs int, load float64, seed uint64) []Job {
	rnd := rand.New(rand.NewPCG(seed, 4))
	const racks = 3
	step := n - n/4
	all := pool(step*(racks-1) + n)
	for i := range all {
		all[i].Tags = map[string]string{"rack": fmt.Sprint(min(i/step, racks-1) + 1)}
	}
	s := newSuite(rnd, func() []lockcore.Requirement {
		r := rnd.IntN(racks)
		reqs := []lockcore.Requirement{{Name: "board", Candidates: all[r*step : r*step+n], Need: drawNeed(rnd, n)}}
		if f := rnd.Float64(); f < 0.25 {
			reqs = append(reqs, lockcore.Requirement{Name: "chamber", Candidates: []lockcore.Candidate{{Key: fmt.Sprint("chamber-", r+1)}}, Shared: f < 0.15})
		}
		return reqs
	})
	out := make([]Job, jobs)
	for i := range out {
		out[i] = s.draw(rnd)
		switch rnd.IntN(10) {
		case 0:
			out[i].Priority = 5
		case 1:
			out[i].Priority = -5
		}
	}
	arrivals(rnd, out, len(all), load)
	return out
}

// Liars is [Tests] with every third test saying that it takes one second.
func Liars(n, jobs int, load float64, seed uint64) []Job {
	out := slices.Clone(Tests(n, jobs, load, seed))
	for i := range out {
		if t := out[i].Owner.Test; (int(t[len(t)-1])+int(t[len(t)-2]))%3 == 0 {
			out[i].Expect = time.Second
		}
	}
	return out
}
