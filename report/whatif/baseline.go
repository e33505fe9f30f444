package whatif

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// baseline replays what happened. Events do not tell the policy of the store,
// unless it let somebody past somebody else, nor what it had learned before: of
// the modes that reproduce the makespan, the one is taken that comes closest to
// the recorded waits. Where none does, the choices that the store made at random may
// have mattered, and then whom it let past whom.
func (p *replay) baseline(n draws) (*plays, error) {
	modes := []mode{{policy: lockcore.Backfill}, {policy: lockcore.Backfill, history: true}, {policy: lockcore.FIFO}}
	if p.early {
		modes = modes[:2]
	}
	var all, free []*plays
	var impossible error
	for _, as := range []mode{{slow: true}, {}, {slow: true, chosen: true}, {chosen: true}, {slow: true, chosen: true, decided: true}, {chosen: true, decided: true}} {
		if as.chosen && p.listed() > listsMost {
			break
		}
		if as.decided && !p.early {
			break
		}
		ways := slices.Clone(modes)
		if as.decided {
			ways = ways[:1] // what the store expected of whom makes no difference
		}
		for i := range ways {
			ways[i].slow, ways[i].chosen, ways[i].decided = as.slow, as.chosen, as.decided
		}
		best, others, err := p.nearest(ways, draws{exact: n.exact})
		switch {
		case best != nil && as.decided && len(free) == 0: // only what the store decided kept it from a circle
			return nil, impossible
		case best != nil && as.decided:
			return p.decided(best, free, n)
		case best != nil:
			return p.play(best.name, nil, best.mode, n)
		}
		if err != nil && !errors.Is(err, ErrNoEstimate) {
			return nil, err
		}
		impossible = cmp.Or(impossible, err)
		if as.slow && !as.decided {
			free = append(free, others...)
		}
		if !as.slow { // what a message speaks of should be in the events
			all = append(all, others...)
		}
	}
	if len(all) == 0 {
		return nil, impossible
	}
	least := slices.MinFunc(all, func(a, b *plays) int {
		return cmp.Or(-cmp.Compare(p.agrees(a), p.agrees(b)), cmp.Compare(p.off(a), p.off(b)))
	})
	return nil, fmt.Errorf("%w: the run took %s, but its replay takes %s; more than 2 %% apart, so something that matters is not in the events%s", ErrNoEstimate,
		exact(p.makespan), exact(least.scenario((*plays).exact).Makespan.Median), p.unexplained(least))
}

// decided is a replay that follows the decisions of the store, beside that in which the
// store decides anew and which comes closest to it: with this one other scenarios are
// compared, in which it has to decide anew, too.
func (p *replay) decided(best *plays, free []*plays, n draws) (*plays, error) {
	near := slices.MinFunc(free, func(a, b *plays) int { return cmp.Compare(p.apart(a), p.apart(b)) })
	base, err := p.play(near.name, nil, near.mode, n)
	if err != nil {
		return nil, err
	}
	best.free = base
	return best, nil
}

// apart is how far a replay is from what was recorded, in makespan and waits, each as a
// part of it.
func (p *replay) apart(s *plays) float64 {
	waited := s.scenario((*plays).exact).Waited.Median - p.waited
	return float64(p.off(s))/float64(max(1, p.makespan)) + float64(waited.Abs())/float64(max(1, p.waited))
}

// nearest plays with each of the modes, and returns the one that comes closest to the
// waits of those that reproduce the makespan, and the others. The error is of one that
// could not be played, if there is no best.
func (p *replay) nearest(modes []mode, n draws) (best *plays, far []*plays, err error) {
	var least time.Duration
	for _, m := range modes {
		all, failed := p.play("replayed", nil, m, n)
		if failed != nil {
			err = cmp.Or(err, failed)
			continue
		}
		if float64(p.off(all)) > tolerance*float64(p.makespan) {
			far = append(far, all)
			continue
		}
		if off := (all.scenario((*plays).exact).Waited.Median - p.waited).Abs(); best == nil || off < least {
			best, least = all, off
		}
	}
	if best != nil {
		return best, far, nil
	}
	return nil, far, err
}

// off is how far a replay is from the recorded makespan.
func (p *replay) off(s *plays) time.Duration {
	return (s.scenario((*plays).exact).Makespan.Median - p.makespan).Abs()
}

// unlike finds the first request for which a replay has no explanation, and when it is
// served, by the run or by the replay: what comes later may differ because of it. It is
// -1 if there is none.
func (p *replay) unlike(s *plays) (first int, at time.Duration) {
	first = -1
	for i := range p.requests {
		r := &p.requests[i]
		was, is := granted(r).Sub(p.base), s.first[i].Arrived+s.first[i].Waited
		if p.patience[r.ID] == 0 && !s.first[i].GaveUp && (was-is).Abs() > p.clear() && (first < 0 || min(was, is) < at) {
			first, at = i, min(was, is)
		}
	}
	return first, at
}

// agrees is how long a replay is like the run.
func (p *replay) agrees(s *plays) time.Duration {
	if first, at := p.unlike(s); first >= 0 {
		return at
	}
	return p.makespan
}

// unexplained names the first request for which a replay has no explanation.
func (p *replay) unexplained(s *plays) string {
	first, _ := p.unlike(s)
	if first < 0 {
		return ""
	}
	r, o := &p.requests[first], s.first[first]
	was, is := granted(r).Sub(p.base), o.Arrived+o.Waited
	text := fmt.Sprintf(". The first that it does not explain: %s, which asked at %s for %s, was served at %s", p.called(r), clock(r.Asked), words.Plain(wanted(r)), clock(granted(r)))
	if is < was {
		return text + fmt.Sprintf("; by the events %s was free at %s. Who had it until then left no events, or the store was slow or could not be reached", words.Plain(inside(o.Keys)), clock(p.base.Add(is)))
	}
	text += fmt.Sprintf("; in the replay it waits until %s", clock(p.base.Add(is)))
	if h := p.inTheWay(s, first, was); h != nil {
		text += fmt.Sprintf(", since %s has %s until %s", p.called(h.by), words.Plain(inside([]string{h.key})), clock(p.base.Add(h.until)))
	}
	return text
}

// clear is how far apart two moments must be to be told apart.
func (p *replay) clear() time.Duration {
	return max(10*time.Millisecond, time.Duration(tolerance/2*float64(p.makespan)))
}

// A standing is who has a resource in a replay.
type standing struct {
	by    *report.Request
	key   string
	until time.Duration
}

// inTheWay finds who has, at a moment of a replay, what a request got then in the run,
// or something else that it could have used.
func (p *replay) inTheWay(s *plays, job int, at time.Duration) *standing {
	r := &p.requests[job]
	var best *standing
	for i, o := range s.first {
		end := o.End(p.jobs[i])
		if i == job || o.GaveUp || o.Arrived+o.Waited > at || end <= at {
			continue
		}
		for _, k := range o.Keys {
			got := slices.ContainsFunc(r.Chosen, func(c eventlog.Chosen) bool { return c.Key == k })
			if got || best == nil && slices.ContainsFunc(p.uses[job], func(n int) bool { return p.sets[n].keys[k] }) {
				best = &standing{&p.requests[i], k, end}
			}
			if got {
				return best
			}
		}
	}
	return best
}

// called names a request for a message.
func (p *replay) called(r *report.Request) string {
	name := words.Plain(cmp.Or(r.Test.Name, r.Test.Pkg, r.ID))
	var of []string
	if p.runs() && r.Run.ID != "" {
		of = append(of, "run "+words.Plain(r.Run.ID))
	}
	if r.Host != "" {
		of = append(of, words.Plain(r.Host))
	}
	if len(of) > 0 {
		name += " (" + strings.Join(of, " on ") + ")"
	}
	return name
}

// runs reports whether there are several.
func (p *replay) runs() bool {
	for i := range p.requests {
		if p.requests[i].Run.ID != p.requests[0].Run.ID {
			return true
		}
	}
	return false
}

// wanted words what a request asked for.
func wanted(r *report.Request) string {
	var l []string
	for i := range r.Reqs {
		q := &r.Reqs[i]
		name := q.Name
		if name == "" && len(q.Candidates) == 1 {
			name = q.Candidates[0]
		}
		if name == "" {
			name = fmt.Sprintf("%d resources", len(q.Candidates))
		}
		if q.Need > 1 {
			name = fmt.Sprintf("%d of %s", q.Need, name)
		}
		l = append(l, name)
	}
	return strings.Join(l, " and ")
}

// inside lists keys as the events have them.
func inside(keys []string) string {
	var l []string
	for _, k := range keys {
		k, _, _ = strings.Cut(k, "\x00")
		l = append(l, k)
	}
	return strings.Join(l, ", ")
}

// clock is a moment as events have it.
func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }
