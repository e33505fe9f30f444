package whatif

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"

	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// rank95 is the P95 of sorted durations, as everywhere in the report.
func rank95(sorted []time.Duration) time.Duration { return sorted[(len(sorted)*95+99)/100-1] }

// plays is a scenario over replays: first those of other nights, then those with the
// times of the run, which differ in random tie-breaks alone.
type plays struct {
	name     string
	mode     mode
	nights   int
	makespan []time.Duration    // by replay
	waits    [][]time.Duration  // by replay, then by job; nil for a night without an end
	late     []late             // by replay: of those who gave up in the run
	first    []simulate.Outcome // of the first tie-break
	free     *plays             // the same where the store decides anew, if it follows the decisions of the run
}

// anew is what scenarios are compared with, in which the store decides anew.
func (s *plays) anew() *plays {
	if s.free != nil {
		return s.free
	}
	return s
}

// late is what became of those who gave up in the run.
type late struct {
	served  int
	longest time.Duration // wait of one who was served
}

// play simulates several times, at the same time.
func (p *replay) play(name string, changes []change, m mode, n draws) (*plays, error) {
	return p.playAlso(name, changes, m, n, nil)
}

// playAlso is play with jobs that were changed otherwise, too.
func (p *replay) playAlso(name string, changes []change, m mode, n draws, also func(jobs, aside []simulate.Job)) (*plays, error) {
	jobs := p.with(changes)
	if m.history {
		jobs = p.knowing(jobs)
	}
	if m.slow {
		jobs = p.slowed(jobs)
	}
	all := n.nights + n.exact
	s := &plays{name: name, mode: m, nights: n.nights, makespan: make([]time.Duration, all), late: make([]late, all), waits: make([][]time.Duration, all)}
	errs := make([]error, all)
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			jobs := slices.Clone(jobs)
			switch {
			case i < n.nights:
				jobs = p.another(jobs, uint64(i))
			case m.chosen:
				jobs = p.preferring(jobs, uint64(i-n.nights))
			}
			aside := slices.Clone(p.aside)
			if i < n.nights {
				for k, before := range p.asideBefore {
					aside[k].At, aside[k].Hold = aside[k].At-before, aside[k].Hold+before
				}
			}
			if also != nil {
				also(jobs, aside)
			}
			policy := m.policy
			if m.decided {
				policy = simulate.Recorded
			}
			out, err := simulate.Run(besides(aside, jobs), policy, uint64(i+1))
			if errors.Is(err, lockcore.ErrDeadlock) && i < n.nights {
				return // the run had an end, and so had the replays with its times
			}
			if err != nil {
				errs[i] = err
				return
			}
			out = out[len(p.aside):]
			if i == n.nights {
				s.first = out
			}
			s.waits[i] = make([]time.Duration, len(out))
			for k := range out {
				s.waits[i][k] = out[k].Waited
				if p.requests[k].GaveUp() && !out[k].GaveUp {
					s.late[i].served++
					s.late[i].longest = max(s.late[i].longest, out[k].Waited)
				}
				// The run does not last as long as what is kept of it for somebody.
				s.makespan[i] = max(s.makespan[i], out[k].End(jobs[k])-p.requests[k].Kept)
			}
		})
	}
	wg.Wait()
	// The simulator's jobs have no names; ours do.
	switch err := errors.Join(errs...); {
	case errors.Is(err, lockcore.ErrUnsatisfiable):
		return nil, fmt.Errorf("%w: %s", ErrNoEstimate, p.starved(jobs, name))
	case errors.Is(err, lockcore.ErrDeadlock):
		return nil, &circleError{name}
	case err != nil:
		return nil, err
	}
	return s, nil
}

// exact is a figure over the replays with the times of the run.
func (s *plays) exact(figure func(replay int) time.Duration) Range {
	var l []time.Duration
	for i := s.nights; i < len(s.waits); i++ {
		l = append(l, figure(i))
	}
	return over(l)
}

// usual is a figure over other nights, or, if there are none, over the tie-breaks.
func (s *plays) usual(figure func(replay int) time.Duration) Range {
	var l []time.Duration
	for i := range s.nights {
		if s.waits[i] != nil {
			l = append(l, figure(i))
		}
	}
	if len(l) == 0 {
		return s.exact(figure)
	}
	r := over(l)
	// Of two in the middle one is as good as the other.
	slices.Sort(l)
	r.Median = (l[(len(l)-1)/2] + l[len(l)/2]) / 2
	return r
}

// over is the range of figures.
func over(d []time.Duration) Range {
	d = slices.Sorted(slices.Values(d))
	return Range{d[0], d[len(d)/2], d[len(d)-1]}
}

// scenario sums up the replays with the times of the run, or the other nights.
func (s *plays) scenario(of func(*plays, func(int) time.Duration) Range) Scenario {
	return Scenario{s.name, s.mode.policy, of(s, s.took), of(s, s.waited), of(s, func(i int) time.Duration {
		return rank95(slices.Sorted(slices.Values(s.waits[i])))
	})}
}

// took is the makespan of a replay.
func (s *plays) took(i int) time.Duration { return s.makespan[i] }

// waited is all waits of a replay together.
func (s *plays) waited(i int) (sum time.Duration) {
	for _, w := range s.waits[i] {
		sum += w
	}
	return sum
}

// less is how much less a figure is in another scenario, replay by replay: the same luck
// in both. Of the run and of other nights.
func (s *plays) less(o *plays, figure func(*plays, int) time.Duration) (exact, usual Range) {
	both := plays{nights: s.nights, waits: slices.Clone(s.waits[:min(len(s.waits), len(o.waits))])}
	for i := range both.nights {
		if o.waits[i] == nil {
			both.waits[i] = nil
		}
	}
	of := func(i int) time.Duration { return figure(s, i) - figure(o, i) }
	return both.exact(of), both.usual(of)
}

// wait is the mean wait of a job.
func (s *plays) wait(job int) time.Duration {
	var sum time.Duration
	for _, l := range s.waits[s.nights:] {
		sum += l[job]
	}
	return sum / time.Duration(len(s.waits)-s.nights)
}

// A circleError says that nested requests would keep each other waiting.
type circleError struct{ scenario string }

func (e *circleError) Error() string {
	return fmt.Sprintf("%v: %s, tests that ask for more while they hold something would wait for each other for ever", ErrNoEstimate, e.scenario)
}

func (e *circleError) Unwrap() []error { return []error{ErrNoEstimate, lockcore.ErrDeadlock} }

// starved names a test that could never be served.
func (p *replay) starved(jobs []simulate.Job, name string) string {
	for i := range jobs {
		free := func(r int, _ string) int { return max(1, jobs[i].Requirements[r].Seats) }
		if _, ok := lockcore.Match(jobs[i].Requirements, free, nil); !ok {
			return fmt.Sprintf("%s, %s could never be served", name, words.Plain(cmp.Or(jobs[i].Owner.Test, jobs[i].Owner.Package, p.requests[i].ID)))
		}
	}
	return name + ", a request could never be served"
}
