package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// Backfill says who was served before somebody who came earlier, and what that
// brought.
type Backfill struct {
	Requests int   `json:"requests"`       // served early
	Passed   Stat  `json:"passed"`         // waits of the requests that they were served before
	FIFO     *FIFO `json:"fifo,omitempty"` // what fifo would have meant; nil: not asked for, see [Options]
}

// FIFO compares a run with what it would have been like under fifo. All figures
// are estimates, from replays of both: the median over random tie-breaks.
type FIFO struct {
	NoEstimate string      `json:"no_estimate,omitempty"` // why there are no figures
	Waits      eventlog.MS `json:"waits_ms"`              // how much more all requests would have waited
	Makespan   eventlog.MS `json:"makespan_ms"`           // how much longer it would have taken
	Cost       eventlog.MS `json:"passed_cost_ms"`        // how much longer those passed waited than they would have
	CostMax    eventlog.MS `json:"passed_cost_max_ms"`    // the most that one of them did
}

// fifoSeeds is over how many tie-breaks a report compares: few, as it does so
// without being asked.
const fifoSeeds = 3

// fifo replays what was kept with fifo.
func (p *replay) fifo(r *Report) *FIFO {
	if p.tooMany {
		return &FIFO{NoEstimate: fmt.Sprintf("more than %d requests are not replayed unasked; rtest-report whatif --policy fifo does it", p.most)}
	}
	f, err := p.compare(r)
	if err != nil {
		return &FIFO{NoEstimate: strings.TrimPrefix(err.Error(), ErrNoEstimate.Error()+": ")}
	}
	return f
}

func (p *replay) compare(r *Report) (*FIFO, error) {
	passed := map[string]bool{}
	for i := range p.requests {
		if q := &p.requests[i]; q.PassedBy > 0 {
			passed[q.ID] = true
		}
	}
	if err := p.prepare(r); err != nil {
		return nil, err
	}
	with, err := p.baseline(fifoSeeds)
	if err != nil {
		return nil, err
	}
	without, err := p.play("with fifo", nil, mode{policy: lockcore.FIFO}, fifoSeeds)
	if err != nil {
		return nil, err
	}
	a, b := with.scenario(), without.scenario()
	f := &FIFO{Waits: eventlog.MS(b.Waited.Median - a.Waited.Median), Makespan: eventlog.MS(b.Makespan.Median - a.Makespan.Median)}
	for i := range p.requests {
		if passed[p.requests[i].ID] {
			cost := eventlog.MS(max(0, with.wait(i)-without.wait(i)))
			f.Cost += cost
			f.CostMax = max(f.CostMax, cost)
		}
	}
	return f, nil
}

// A mode is a policy, and what its scheduler knows to begin with.
type mode struct {
	policy  lockcore.Policy
	history bool // it has seen the tests of the run before
}

// String words it.
func (m mode) String() string {
	if m.history {
		return m.policy.String() + " by known lengths"
	}
	return m.policy.String()
}

// learn finds out how long each test usually holds what it asks for.
func (p *replay) learn() {
	key := func(i int) string {
		j := &p.jobs[i]
		k := []string{j.Owner.Package, j.Owner.Test}
		for n := range j.Requirements {
			k = append(k, j.Requirements[n].Name)
		}
		return strings.Join(k, "\x00")
	}
	holds := map[string][]time.Duration{}
	for i := range p.jobs {
		holds[key(i)] = append(holds[key(i)], p.requests[i].Held)
	}
	for _, l := range holds {
		slices.Sort(l)
	}
	p.usual = make([]time.Duration, len(p.jobs))
	for i := range p.jobs {
		l := holds[key(i)]
		p.usual[i] = l[len(l)/2]
	}
}

// knowing is jobs whose lengths are known before the run, as they are to a store
// that has seen the suite before. What a test said itself comes first.
func (p *replay) knowing(jobs []simulate.Job) []simulate.Job {
	for i := range jobs {
		if jobs[i].Expect == 0 {
			jobs[i].Expect = p.usual[i]
		}
	}
	return jobs
}

// words says what backfill brought, in lines of a headline.
func (b *Backfill) words() []string {
	if b == nil {
		return nil
	}
	first := fmt.Sprintf("Backfill: %s served early", count(b.Requests, "request"))
	if n := b.Passed.N; n > 0 {
		first += fmt.Sprintf(", past %d that came before and waited up to %s", n, short(b.Passed.Max))
	}
	l := []string{first + "."}
	switch f := b.FIFO; {
	case f == nil:
	case f.NoEstimate != "":
		l = append(l, "  What fifo would have meant is not known: "+f.NoEstimate+".")
	default:
		s := fmt.Sprintf("  With fifo (estimate) all would have waited %s in all, and the run taken %s", difference(f.Waits.Duration(), 0), difference(f.Makespan.Duration(), 0))
		if n := b.Passed.N; n > 0 && f.Cost > 0 {
			s += fmt.Sprintf("; being passed cost %s, at most %s a request", short(f.Cost), short(f.CostMax))
		} else if n > 0 {
			s += "; being passed cost nobody anything"
		}
		l = append(l, s+".")
	}
	return l
}
