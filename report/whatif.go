package report

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// WhatIf says how a recorded run should have been different. The zero value asks
// nothing, and [Estimate] only replays.
type WhatIf struct {
	// Add holds NAME=N: N resources more of a pool, of a tag written as
	// name=value, or like the resource NAME. New ones can be used by whoever could
	// use most of the others.
	Add []string
	// Remove holds NAME=N, or the key of one resource.
	Remove []string
	// Policy is that of the changed run. Nil means that of the recorded one, which
	// is the one that reproduces it best.
	Policy *lockcore.Policy
	// WaitP95, if not 0, asks how many resources would be needed for 95 of 100
	// requests to wait no longer: of the pool or tag that is added to first, else
	// of the pool that was waited for most.
	WaitP95 time.Duration
	Seeds   int // random tie-breaks; 0 means 10
}

// tolerance is how far the replay of what happened may be from what happened.
const tolerance = 0.02

// A Range is a figure over random tie-breaks.
type Range struct{ Min, Median, Max time.Duration }

// A Scenario is what a run would have been like.
type Scenario struct {
	Name     string
	Policy   lockcore.Policy
	Makespan Range // from the first request to the last release
	Waited   Range // by all requests together
	P95      Range // wait that 95 of 100 requests do not exceed
}

// Estimates is what [Estimate] found. All but Recorded are estimates.
type Estimates struct {
	Requests, Lanes, Seeds int
	GaveUp, Unended        int      // requests that were left out
	Recorded               Scenario // Policy is that of Replayed
	Replayed               Scenario // the same run through the simulation
	Changed                *Scenario
	Advice                 *Advice
}

// Advice is how many resources a wished wait needs.
type Advice struct {
	Of      string // pool or tag
	WaitP95 time.Duration
	Now     int
	Enough  bool // false: not even Needed would do, so it is something else that is waited for
	Needed  int
	P95     Range // with Needed
}

// Estimate replays events through the scheduler, as they were and with the changes
// of w. Its error wraps [ErrNoEstimate] when the events do not allow for one: most
// of all, when the replay of what happened takes 2 % more or less time than it
// took, because then the replay lacks something that matters, such as holders
// that left no events, or holds as short as the store's own delays.
func Estimate(events iter.Seq2[eventlog.Event, error], w WhatIf) (*Estimates, error) {
	p, err := readReplay(events)
	if err != nil {
		return nil, err
	}
	var changes []change
	for _, flag := range []string{"add", "remove"} {
		list := w.Add
		if flag == "remove" {
			list = w.Remove
		}
		for _, text := range list {
			c, err := p.parseChange(flag, text)
			if err != nil {
				return nil, err
			}
			changes = append(changes, c)
		}
	}
	e := &Estimates{Requests: len(p.jobs), Lanes: p.lanes, Seeds: cmp.Or(max(0, w.Seeds), 10), GaveUp: p.gaveUp, Unended: p.unended}
	slices.Sort(p.waits)
	e.Recorded = Scenario{Name: "recorded", Makespan: exactly(p.makespan), Waited: exactly(p.waited), P95: exactly(rank95(p.waits))}
	if err := p.baseline(e); err != nil {
		return nil, err
	}
	policy := e.Replayed.Policy
	if w.Policy != nil {
		policy = *w.Policy
	}
	if len(changes) > 0 || policy != e.Replayed.Policy {
		var names []string
		for _, c := range changes {
			names = append(names, c.words())
		}
		if policy != e.Replayed.Policy {
			names = append(names, "with "+policy.String())
		}
		s, err := p.scenario(strings.Join(names, ", "), changes, policy, e.Seeds)
		if err != nil {
			return nil, err
		}
		e.Changed = &s
	}
	if w.WaitP95 > 0 {
		e.Advice, err = p.advise(w, changes, policy, e.Seeds)
	}
	return e, err
}

// baseline replays what happened. Events do not tell the policy of the store: the
// one is taken that comes closest to the recorded waits, among those that
// reproduce the makespan.
func (p *replay) baseline(e *Estimates) error {
	var far []string
	found := false
	for _, policy := range []lockcore.Policy{lockcore.Backfill, lockcore.FIFO} {
		s, err := p.scenario("replayed", nil, policy, e.Seeds)
		if err != nil {
			return err
		}
		if off := (s.Makespan.Median - p.makespan).Abs(); float64(off) > tolerance*float64(p.makespan) {
			far = append(far, fmt.Sprintf("%s with %s", exact(s.Makespan.Median), policy))
			continue
		}
		if !found || (s.Waited.Median-p.waited).Abs() < (e.Replayed.Waited.Median-p.waited).Abs() {
			e.Replayed, found = s, true
		}
	}
	if !found {
		return fmt.Errorf("%w: the run took %s, but its replay takes %s; more than 2 %% apart, so something that matters is not in the events", ErrNoEstimate, exact(p.makespan), strings.Join(far, ", "))
	}
	e.Recorded.Policy = e.Replayed.Policy
	return nil
}

// exact words a duration so that two that are 2 % apart look different.
func exact(d time.Duration) string {
	if d >= 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}

func exactly(d time.Duration) Range { return Range{d, d, d} }

// rank95 is the P95 of sorted durations, as everywhere in the report.
func rank95(sorted []time.Duration) time.Duration { return sorted[(len(sorted)*95+99)/100-1] }

// scenario simulates with several random tie-breaks, at the same time.
func (p *replay) scenario(name string, changes []change, policy lockcore.Policy, seeds int) (Scenario, error) {
	jobs := p.with(changes)
	makespan, waited, p95 := make([]time.Duration, seeds), make([]time.Duration, seeds), make([]time.Duration, seeds)
	errs := make([]error, seeds)
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range seeds {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			out, err := simulate.Run(jobs, policy, uint64(i+1))
			if err != nil {
				errs[i] = err
				return
			}
			waits := make([]time.Duration, len(out))
			for k := range out {
				waits[k] = out[k].Waited
				waited[i] += out[k].Waited
				// The run does not last as long as what is kept of it for somebody.
				makespan[i] = max(makespan[i], out[k].End(jobs[k])-p.requests[k].Kept)
			}
			slices.Sort(waits)
			p95[i] = rank95(waits)
		})
	}
	wg.Wait()
	// The simulator's jobs have no names; ours do.
	switch err := errors.Join(errs...); {
	case errors.Is(err, lockcore.ErrUnsatisfiable):
		return Scenario{}, fmt.Errorf("%w: %s", ErrNoEstimate, p.starved(jobs, name))
	case errors.Is(err, lockcore.ErrDeadlock):
		return Scenario{}, &circleError{name}
	case err != nil:
		return Scenario{}, err
	}
	return Scenario{name, policy, over(makespan), over(waited), over(p95)}, nil
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
			return fmt.Sprintf("%s, %s could never be served", name, plain(cmp.Or(jobs[i].Owner.Test, jobs[i].Owner.Package, p.requests[i].ID)))
		}
	}
	return name + ", a request could never be served"
}

// over is the range of figures.
func over(d []time.Duration) Range {
	slices.Sort(d)
	return Range{d[0], d[len(d)/2], d[len(d)-1]}
}

// adviceMost bounds the search for a size.
const adviceMost = 64

// advise looks for the smallest number of resources with which the wait, in the
// worst of the tie-breaks, is as wished. It tries one after the other: more
// resources do not always mean shorter waits, so halving could miss the smallest.
func (p *replay) advise(w WhatIf, changes []change, policy lockcore.Policy, seeds int) (*Advice, error) {
	name := ""
	if len(w.Add) > 0 {
		name = changes[0].name
		changes = changes[1:]
	} else {
		for pool, waited := range p.poolWait {
			known := len(p.members(pool)) > 0
			if known && (name == "" || waited > p.poolWait[name] || waited == p.poolWait[name] && pool < name) {
				name = pool
			}
		}
	}
	members := slices.DeleteFunc(p.members(name), func(k string) bool {
		return slices.ContainsFunc(changes, func(c change) bool { return slices.Contains(c.remove, k) })
	})
	if name == "" || len(members) == 0 {
		return nil, fmt.Errorf("%w: no pool of the events has a name to recommend a size for; name one with --add NAME=1", ErrNoEstimate)
	}
	like := p.typical(members)[0]
	a := &Advice{Of: name, WaitP95: w.WaitP95, Now: len(members)}
	try := func(by int) (Scenario, error) {
		c := change{name: name, like: like, add: by}
		if by < 0 {
			c.remove = p.last(members, -by)
		}
		all := changes
		if by != 0 {
			all = append(slices.Clone(changes), c)
		}
		return p.scenario("", all, policy, seeds)
	}
	// The most first: where that does not help, 64 simulations need not tell so.
	s, err := try(adviceMost)
	if err != nil {
		return nil, err
	}
	a.Needed, a.P95, a.Enough = a.Now+adviceMost, s.P95, s.P95.Max <= w.WaitP95
	for by := 0; a.Enough && by < adviceMost; by++ {
		s, err := try(by)
		if err != nil {
			return nil, err
		}
		if s.P95.Max <= w.WaitP95 {
			a.Needed, a.P95 = a.Now+by, s.P95
			break
		}
	}
	for by := -1; a.Needed == a.Now+by+1 && a.Now+by > 0; by-- { // fewer may do
		s, err := try(by)
		if errors.Is(err, ErrNoEstimate) || err == nil && s.P95.Max > w.WaitP95 {
			break
		}
		if err != nil {
			return nil, err
		}
		a.Needed, a.P95 = a.Now+by, s.P95
	}
	return a, nil
}
