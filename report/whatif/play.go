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

// plays is a scenario over random tie-breaks.
type plays struct {
	name     string
	mode     mode
	makespan []time.Duration    // by tie-break
	waits    [][]time.Duration  // by tie-break, then by job
	first    []simulate.Outcome // of the first tie-break
}

// play simulates with several random tie-breaks, at the same time.
func (p *replay) play(name string, changes []change, m mode, seeds int) (*plays, error) {
	return p.playAlso(name, changes, m, seeds, nil)
}

// playAlso is play with jobs that were changed otherwise, too.
func (p *replay) playAlso(name string, changes []change, m mode, seeds int, also func([]simulate.Job)) (*plays, error) {
	jobs := p.with(changes)
	if m.history {
		jobs = p.knowing(jobs)
	}
	if m.slow {
		jobs = p.slowed(jobs)
	}
	if also != nil {
		also(jobs)
	}
	s := &plays{name: name, mode: m, makespan: make([]time.Duration, seeds), waits: make([][]time.Duration, seeds)}
	errs := make([]error, seeds)
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range seeds {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			jobs := jobs
			if m.chosen {
				jobs = p.preferring(jobs, uint64(i))
			}
			out, err := simulate.Run(p.besides(jobs), m.policy, uint64(i+1))
			if err != nil {
				errs[i] = err
				return
			}
			out = out[len(p.aside):]
			if i == 0 {
				s.first = out
			}
			s.waits[i] = make([]time.Duration, len(out))
			for k := range out {
				s.waits[i][k] = out[k].Waited
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

// scenario sums up.
func (s *plays) scenario() Scenario {
	waited, p95 := make([]time.Duration, len(s.waits)), make([]time.Duration, len(s.waits))
	for i, l := range s.waits {
		for _, w := range l {
			waited[i] += w
		}
		p95[i] = rank95(slices.Sorted(slices.Values(l)))
	}
	return Scenario{s.name, s.mode.policy, over(s.makespan), over(waited), over(p95)}
}

// wait is the mean wait of a job.
func (s *plays) wait(job int) time.Duration {
	var sum time.Duration
	for _, l := range s.waits {
		sum += l[job]
	}
	return sum / time.Duration(len(s.waits))
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

// over is the range of figures.
func over(d []time.Duration) Range {
	d = slices.Sorted(slices.Values(d))
	return Range{d[0], d[len(d)/2], d[len(d)-1]}
}
