package whatif

import (
	"cmp"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// Requests do not tell of all that keeps a resource from being given to somebody: a
// person has reserved it, it is out of service since Prepare failed for it, a job
// holds it whose events are not in the input. Other events do: what people did, what
// failed, and whom waiters saw in their way. In a replay these hold the resource at
// the same time as they did, whatever else is different.

// A sight is somebody who was seen to have a resource.
type sight struct {
	key, req, state string
	since           int64
}

// An absence is a time in which a resource is not for the requests of the log.
type absence struct {
	key      string
	from, to time.Time
	planned  bool // the store knows the end beforehand
	guessed  bool // it had begun before from, when somebody asked in vain
	// ahead is how long before it is to begin it is to stand at the front of the line:
	// the one who had the resource until then gave it to nobody else.
	ahead time.Duration
}

// outside collects signs of those.
type outside struct {
	known  map[string]time.Time // requests of the log: when they asked, or were given something
	given  map[string]attempt   // requests that hold something
	again  map[string][]attempt // in vain, by the beginning of their identity
	sights map[sight]*absence   // to: when it was seen last, or is to end
	kept   []absence            // that are part of an attempt
	out    []absence            // to is not known: Prepare failed, a person disabled
	back   map[string][]absence // by key: when it was put back, as from
	end    time.Time            // of the log
}

func newOutside() *outside {
	return &outside{known: map[string]time.Time{}, given: map[string]attempt{}, again: map[string][]attempt{}, sights: map[sight]*absence{}, back: map[string][]absence{}}
}

func (o *outside) note(e *eventlog.Event, at time.Time) {
	o.end = at
	switch {
	case e.Ev == eventlog.Unfit && e.RestoreMS == 0:
		o.failed(e, at)
		for _, c := range e.Chosen {
			o.out = append(o.out, absence{key: c.Key, from: at.Add(-e.PrepareMS.Bounded())})
		}
	case e.Ev == eventlog.Unfit, e.Action == "disable", e.Action == "reserve":
		for _, c := range e.Chosen {
			o.out = append(o.out, absence{key: c.Key, from: at})
		}
	case e.Ev == eventlog.Action && e.Action != "extend":
		for _, c := range e.Chosen {
			o.back[c.Key] = append(o.back[c.Key], absence{from: at})
		}
	}
	if e.Ev == eventlog.Request || e.Ev == eventlog.Grant {
		if _, ok := o.known[e.Req]; !ok {
			o.known[e.Req] = at
		}
	}
	o.attempt(e, at)
	for i := range e.Blockers {
		b := &e.Blockers[i]
		if _, ok := o.known[b.Req]; ok || b.State == "waiting" || b.Key == "" {
			continue
		}
		k := sight{key: b.Key, req: b.Req, state: b.State}
		if !b.Since.IsZero() {
			k.since = b.Since.UnixMicro()
		}
		s := o.sights[k]
		if s == nil {
			s = &absence{key: b.Key, from: b.Since}
			if s.from.IsZero() {
				s.from, s.guessed = at, true
				if asked := o.known[e.Req]; !asked.IsZero() {
					s.from = asked
				}
			}
			o.sights[k] = s
		}
		s.to = at
		if planned(b.State) && b.Expires.After(at) {
			s.to, s.planned = b.Expires, true
		}
	}
}

// planned reports whether an absence has an end that is known beforehand, if any: a
// lease is renewed.
func planned(state string) bool { return state == "reserved" || state == "disabled" }

// absences lists the times in which resources were not for the requests, by key and
// time, apart from each other.
func (p *replay) absences() []absence {
	t := p.takes()
	var all []absence
	for k, s := range p.outside.sights {
		if _, ok := p.outside.known[k.req]; ok {
			continue
		}
		a := *s
		next, taken := t.after(a.key, a.from)
		switch {
		case taken && (next.Before(a.to) || !a.planned):
			a.to = next
		case planned(k.state) && !a.planned:
			a.to = p.outside.end
		}
		all = append(all, a)
	}
	seen := len(all)
	for _, a := range p.outside.out {
		// That it was seen to be out of service says until when.
		if slices.ContainsFunc(all[:seen], func(o absence) bool {
			return o.key == a.key && !o.from.After(a.from.Add(outMost)) && o.to.After(a.from)
		}) {
			continue
		}
		a.to = p.outside.end
		if next, ok := t.after(a.key, a.from); ok {
			a.to = next
		}
		for _, b := range p.outside.back[a.key] {
			if b.from.After(a.from) && b.from.Before(a.to) {
				a.to = b.from
			}
		}
		all = append(all, a)
	}
	for i := range all {
		p.clip(&all[i], t)
	}
	slices.SortFunc(all, func(a, b absence) int { return cmp.Or(cmp.Compare(a.key, b.key), a.from.Compare(b.from)) })
	joined := all[:0]
	for _, a := range all {
		n := len(joined)
		switch {
		case !a.to.After(a.from):
		case n > 0 && joined[n-1].key == a.key && !a.from.After(joined[n-1].to):
			if a.to.After(joined[n-1].to) {
				joined[n-1].to = a.to
			}
		default:
			joined = append(joined, a)
		}
	}
	return joined
}

// outMost is how long the store may take to put something out of service.
const outMost = 5 * time.Second

// clip leaves the part of an absence that is within the run, and after the hold of a
// request that still went on when it was to begin.
func (p *replay) clip(a *absence, t takes) {
	if a.from.Before(p.base) {
		a.from = p.base
	}
	if a.to.After(p.outside.end) {
		a.to = p.outside.end
	}
	for _, k := range t[a.key] {
		if !k.at.After(a.from) && k.by.Ended.Add(together).After(a.from) {
			a.guessed = false
			a.from, a.ahead = k.by.Ended, min(together, max(0, k.by.Ended.Sub(k.at)/2))
		}
	}
}

// keepAside makes jobs of the absences, of resources that somebody asks for.
func (p *replay) keepAside() {
	for _, a := range p.absences() {
		if p.outside.isKept(a) || !slices.ContainsFunc(p.sets, func(s candidateSet) bool { return s.keys[a.key] }) {
			continue
		}
		j := simulate.Job{At: max(0, a.from.Sub(p.base)-a.ahead), Hold: a.to.Sub(a.from), Priority: priorityMost,
			Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: a.key}}}}}
		if a.planned {
			j.Expect = j.Hold
		}
		p.aside = append(p.aside, j)
		p.asideBefore = append(p.asideBefore, p.begunBefore(a))
	}
}

// begunBefore is how much earlier an absence may have begun. Who asked in vain may ask
// a little earlier in another night, and does so in vain all the same.
func (p *replay) begunBefore(a absence) time.Duration {
	if !a.guessed {
		return 0
	}
	free := p.base
	for _, k := range p.takes()[a.key] {
		if end := k.by.Ended; !end.After(a.from) && end.After(free) {
			free = end
		}
	}
	const wide = 0.2 // wider than another night is off
	return min(a.from.Sub(free), time.Duration(wide*float64(a.from.Sub(p.base)))+3*p.startsApart())
}

// besides puts the jobs of absences before others, so that they come first where both
// begin.
func besides(aside, jobs []simulate.Job) []simulate.Job {
	n := len(aside)
	if n == 0 {
		return jobs
	}
	all := append(slices.Clone(aside), jobs...)
	for i := n; i < len(all); i++ {
		j := &all[i]
		if j.After > 0 {
			j.After += n
		}
		if j.Within > 0 {
			j.Within += n
		}
		j.Parents = slices.Clone(j.Parents)
		for k := range j.Parents {
			j.Parents[k] += n
		}
		if j.Past != nil {
			j.Past = behind(j.Past, n)
		}
	}
	return all
}

// behind is whom a job is let past, once n jobs were put before all.
func behind(p *simulate.Past, n int) *simulate.Past {
	q := simulate.Past{After: p.After, In: p.In}
	if q.After > 0 {
		q.After += n
	}
	for _, k := range p.Jobs {
		q.Jobs = append(q.Jobs, k+n)
	}
	return &q
}
