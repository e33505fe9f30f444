package whatif

import (
	"fmt"
	"iter"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
)

// FoldAndCompare is [report.Fold] that also replays the run, to find out what would
// make waits shorter, which it puts into [report.Report.Verdict], and what backfill
// brought, if there was any, by a replay with fifo, into [report.Backfill.FIFO]. It
// keeps up to most requests for it; of more, the report says that it did not try.
// 0 means no limit.
func FoldAndCompare(events iter.Seq2[eventlog.Event, error], opts report.Options, most int) (*report.Report, error) {
	p := newReplay(most)
	opts.OnRequest = p.keep(opts.OnRequest)
	r, err := report.Fold(p.tap(events), opts)
	if err != nil {
		return nil, err
	}
	if r.Verdict == nil && r.Backfill == nil {
		return r, nil // nobody waited
	}
	err = p.blameLoss(p.compare(r))
	if err == nil {
		return r, nil
	}
	why := strings.TrimPrefix(err.Error(), ErrNoEstimate.Error()+": ")
	if r.Backfill != nil && r.Backfill.FIFO == nil {
		r.Backfill.FIFO = &report.FIFO{NoEstimate: why}
	}
	if r.Verdict != nil {
		r.Verdict.NoEstimate = why
	}
	return r, nil
}

// unasked is over how many replays a report compares: few, as nobody asked for it.
func (p *replay) unasked() draws {
	const many = 2000 // requests; twice as many take more than twice as long
	if len(p.jobs) > many {
		return p.draws(draws{nights: 4, exact: 3})
	}
	return p.draws(draws{nights: 10, exact: 3})
}

// compare fills in what replays tell.
func (p *replay) compare(r *report.Report) error {
	if p.tooMany {
		return fmt.Errorf("%w: more than %d requests are not replayed unasked; rtest-report whatif does it", ErrNoEstimate, p.most)
	}
	passed := map[string]bool{}
	for i := range p.requests {
		if q := &p.requests[i]; q.PassedBy > 0 {
			passed[q.ID] = true
		}
	}
	if err := p.prepare(r); err != nil {
		return err
	}
	base, err := p.baseline(p.unasked())
	if err != nil {
		return err
	}
	base = base.anew()
	if r.Backfill != nil {
		if r.Backfill.FIFO, err = p.fifo(base, passed); err != nil {
			return err
		}
	}
	if r.Verdict != nil {
		return p.judge(r, base)
	}
	return nil
}

// fifo compares with the run under fifo.
func (p *replay) fifo(with *plays, passed map[string]bool) (*report.FIFO, error) {
	without, err := p.play("with fifo", nil, mode{policy: lockcore.FIFO}, draws{exact: p.unasked().exact})
	if err != nil {
		return nil, err
	}
	a, b := with.scenario((*plays).exact), without.scenario((*plays).exact)
	f := &report.FIFO{Waits: eventlog.MS(b.Waited.Median - a.Waited.Median), Makespan: eventlog.MS(b.Makespan.Median - a.Makespan.Median)}
	for i := range p.requests {
		if passed[p.requests[i].ID] {
			cost := eventlog.MS(max(0, with.wait(i)-without.wait(i)))
			f.Cost += cost
			f.CostMax = max(f.CostMax, cost)
		}
	}
	return f, nil
}
