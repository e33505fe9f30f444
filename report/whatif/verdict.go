package whatif

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"
	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
)

const (
	// kindsMost bounds the kinds of resources of which one more is tried: those that
	// were waited for most. The next ones hardly matter.
	kindsMost = 3
	// worth is the part of all waits that advice must save to be given.
	worth = 0.02
	// idle is the use below which one less is tried.
	idle = 0.4
)

// judge replaces the verdict by causes with one by replay. Causes say for what time
// passed, and not what would make it shorter:
//
//	a test needs a board and the chamber; it waits for both, half of it for each
//	with one more board it still waits for the chamber, and the other way round not
func (p *replay) judge(r *report.Report, base *plays) error {
	v := r.Verdict
	var all []report.Advice
	before := base.served()
	try := func(do report.AdviceKind, what string, changes []change, m mode, also func(jobs, aside []simulate.Job)) error {
		s, err := p.playAlso("", changes, m, p.unasked().changed(), also)
		if errors.Is(err, ErrNoEstimate) {
			return nil // of this change
		}
		if err != nil {
			return err
		}
		all = append(all, report.Advice{Do: do, What: what, Waits: saved(base.less(s, (*plays).waited)), Makespan: saved(base.less(s, (*plays).took)), Served: max(0, s.served()-before)})
		return nil
	}
	kinds := p.kinds(r)
	for _, k := range kinds[:min(len(kinds), kindsMost)] {
		if err := try(report.Add, k.name, []change{{name: k.name, like: k.keys[0], add: 1}}, base.mode, nil); err != nil {
			return err
		}
	}
	if h := v.Holder; h != nil && h.Test != "" {
		if err := try(report.Shorten, r.Name(h.Holder), nil, base.mode, func(jobs, _ []simulate.Job) {
			for i := range jobs {
				if o := &jobs[i].Owner; o.Test == h.Test && o.Package == h.Pkg {
					jobs[i].Hold /= 2
				}
			}
		}); err != nil {
			return err
		}
	}
	if base.mode.policy == lockcore.Backfill && !base.mode.history {
		known := base.mode
		known.history = true
		if err := try(report.Expect, "", nil, known, nil); err != nil {
			return err
		}
	}
	all = slices.DeleteFunc(all, func(a report.Advice) bool {
		return a.Served == 0 && (float64(a.Waits.Median) < worth*float64(base.scenario((*plays).exact).Waited.Median) || a.Waits.Median < report.Negligible)
	})
	slices.SortStableFunc(all, func(a, b report.Advice) int {
		return cmp.Or(cmp.Compare(b.Waits.Median, a.Waits.Median), cmp.Compare(b.Served, a.Served))
	})
	for _, a := range all {
		if a.Do == report.Add {
			p.bottleneck(v, r, a.What)
			break
		}
	}
	if v.GaveUp > 0 {
		longer, err := p.waitLonger(base)
		if err != nil && !errors.Is(err, ErrNoEstimate) {
			return err
		}
		if err == nil {
			all = append(all, longer)
		}
	}
	for _, k := range kinds {
		if k.use >= idle || len(k.keys) < 2 {
			continue
		}
		until := len(all)
		if err := try(report.Remove, k.name, []change{{name: k.name, remove: p.last(k.keys, 1)}}, base.mode, nil); err != nil {
			return err
		}
		if len(all) == until {
			continue
		}
		a := all[until]
		harmless := float64(-a.Waits.Min) < worth*float64(base.scenario((*plays).exact).Waited.Median) && float64(-a.Makespan.Min) < worth/2*float64(base.scenario((*plays).exact).Makespan.Median)
		if !harmless {
			all = all[:until]
			continue
		}
		break // one is enough: two less at once were not tried
	}
	v.Advice = all
	return nil
}

// never is longer than any run.
const never = 10_000 * time.Hour

// waitLonger has those who gave up wait until they are served. What nobody else was
// given until the last event, for a reason that the events do not say the end of, they
// are not served with:
//
//	11s  TestA gives up: Ann has reserved the board
//	20s  the last event
func (p *replay) waitLonger(base *plays) (report.Advice, error) {
	s, err := p.playAlso("with longer waits", nil, base.mode, p.unasked().changed(), func(jobs, aside []simulate.Job) {
		for i := range jobs {
			if p.requests[i].GaveUp() {
				jobs[i].Patience = never
			}
		}
		for i := range aside {
			if !p.base.Add(p.aside[i].At + p.aside[i].Hold).Before(p.outside.end) {
				aside[i].Hold = 2 * never
			}
		}
	})
	if err != nil {
		return report.Advice{}, err
	}
	a := report.Advice{Do: report.WaitLonger, Served: s.served()}
	longest := func(i int) time.Duration { return s.late[i].longest }
	a.Longest = saved(s.exact(longest), s.usual(longest))
	if a.Served == p.late() {
		a.Waits, a.Makespan = saved(base.less(s, (*plays).waited)), saved(base.less(s, (*plays).took))
	}
	return a, nil
}

// late counts those who gave up.
func (p *replay) late() (n int) {
	for i := range p.requests {
		if p.requests[i].GaveUp() {
			n++
		}
	}
	return n
}

// served is how many of those who gave up in the run are served.
func (s *plays) served() int {
	return int(s.exact(func(i int) time.Duration { return time.Duration(s.late[i].served) }).Median)
}

// bottleneck names what one more of would save most.
func (p *replay) bottleneck(v *report.Verdict, r *report.Report, name string) {
	for i := range r.Pools {
		g := &r.Pools[i]
		if g.Name != name {
			continue
		}
		v.Pool, v.Also, v.Time, v.Cause = g.Name, g.Also, g.Blamed(), ""
		var most eventlog.MS
		for _, c := range g.Blame {
			if c.Time > most {
				v.Cause, most = c.Cause, c.Time
			}
		}
		return
	}
}

// A kind is resources that stand in the same requirements, so that one more can be
// like any of them.
type kind struct {
	name   string
	keys   []string
	waited eventlog.MS
	use    float64 // mean over the resources
}

// kinds lists the kinds of resources, those first that were waited for most.
func (p *replay) kinds(r *report.Report) []kind {
	var l []kind
	index := map[string]int{}
	for i := range r.Resources {
		g := &r.Resources[i]
		var b strings.Builder
		for s := range p.sets {
			if p.sets[s].keys[g.Name] {
				fmt.Fprint(&b, s, " ")
			}
		}
		if b.Len() == 0 {
			continue // nobody whose request is replayed asked for it
		}
		k, ok := index[b.String()]
		if !ok {
			k = len(l)
			index[b.String()] = k
			l = append(l, kind{})
		}
		l[k].keys = append(l[k].keys, g.Name)
		l[k].waited += g.Wait.Total
		l[k].use += g.Utilisation
	}
	for i := range l {
		k := &l[i]
		k.use /= float64(len(k.keys))
		k.keys = p.typical(k.keys)
		k.name = p.kindName(r, k.keys)
	}
	slices.SortStableFunc(l, func(a, b kind) int { return cmp.Compare(b.waited, a.waited) })
	return l
}

// kindName is the pool that consists of the keys, or the smallest one that has them.
func (p *replay) kindName(r *report.Report, keys []string) string {
	best, size := "", 0
	for i := range r.Pools {
		g := &r.Pools[i]
		for _, name := range append([]string{g.Name}, g.Also...) {
			members := p.pools[name]
			if len(members) < len(keys) || !members[keys[0]] || best != "" && len(members) >= size {
				continue
			}
			best, size = g.Name, len(members)
		}
	}
	switch {
	case best != "" && size == len(keys):
		return best
	case len(keys) == 1:
		return keys[0]
	case best == "":
		return fmt.Sprintf("%s and %d more", keys[0], len(keys)-1)
	}
	return best + " like " + keys[0]
}

// saved is what would have been saved of the run, with the range that it has in other
// nights.
func saved(run, others Range) report.Span {
	return report.Span{Min: eventlog.MS(min(run.Min, others.Min)), Median: eventlog.MS(run.Median), Max: eventlog.MS(max(run.Max, others.Max))}
}
