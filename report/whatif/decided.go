package whatif

import (
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/simulate"
	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// decide finds out past whom each request was let, and when.
func (p *replay) decide() {
	for i := range p.requests {
		r := &p.requests[i]
		if !r.Backfilled {
			continue
		}
		got := granted(r)
		past, from := &simulate.Past{}, r.Asked
		for k := range p.requests {
			w := &p.requests[k]
			if p.rank(w).Before(p.rank(r)) && grantedBefore(r, w) {
				past.Jobs = append(past.Jobs, k+1)
			}
			if p.patience[w.ID] == 0 && had(w, r) && w.Ended.After(from) && !w.Ended.After(got.Add(stutter)) && grantedBefore(w, r) {
				past.After, from = k+1, w.Ended
			}
		}
		past.In = max(0, got.Sub(from)-stutter)
		p.jobs[i].Past = past
	}
}

// had reports whether a request had got something that another one got.
func had(r, o *report.Request) bool {
	return slices.ContainsFunc(r.Chosen, func(c eventlog.Chosen) bool {
		return slices.ContainsFunc(o.Chosen, func(d eventlog.Chosen) bool { return c.Key == d.Key })
	})
}

// rank is where a request stood in line.
func (p *replay) rank(r *report.Request) time.Time {
	return r.Asked.Add(-time.Duration(p.priorities[r.ID]) * time.Minute)
}

// grantedBefore reports whether a request was granted before another one was, or gave up.
func grantedBefore(r, o *report.Request) bool {
	if a, b := fence(r), fence(o); a > 0 && b > 0 {
		return a < b
	}
	return granted(r).Before(granted(o))
}

// fence is the token of a request's lease; 0 if the events do not tell.
func fence(r *report.Request) uint64 {
	if len(r.Chosen) == 0 {
		return 0
	}
	return r.Chosen[0].Fence
}
