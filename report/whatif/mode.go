package whatif

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A mode is a policy, and what its scheduler knows to begin with.
type mode struct {
	policy  lockcore.QueuePolicy
	history bool // it has seen the tests of the run before
	slow    bool // the store, and the way to it, take as long as they did
	chosen  bool // where several resources are free, it gives what it gave in the run
	decided bool // it lets those past others whom it let past them in the run, and nobody else
}

// String words it.
func (m mode) String() string {
	s := m.policy.String()
	if m.history {
		s += " by known lengths"
	}
	if m.slow {
		s += " and a slow store"
	}
	if m.chosen {
		s += " and the choices that were made"
	}
	if m.decided {
		s += " and past whom others were let"
	}
	return s
}

// wants names what a job asks for.
func (p *replay) wants(i int) string {
	var k []string
	for n := range p.jobs[i].Requirements {
		k = append(k, p.jobs[i].Requirements[n].Name)
	}
	return strings.Join(k, "\x00")
}

// learn finds out how long each test usually holds what it asks for. Of a test that was
// never served nobody knows. Should it be served in a replay before it gives up, it holds
// as long as others do that ask for the same, or as any.
func (p *replay) learn() {
	test := func(i int) string {
		return strings.Join([]string{p.jobs[i].Owner.Package, p.jobs[i].Owner.Test, p.wants(i)}, "\x00")
	}
	type holds map[string][]time.Duration
	tests, others := holds{}, holds{}
	for i := range p.jobs {
		if p.jobs[i].Patience == 0 {
			held := p.requests[i].Held
			tests[test(i)] = append(tests[test(i)], held)
			others[p.wants(i)], others[""] = append(others[p.wants(i)], held), append(others[""], held)
		}
	}
	usual := func(of holds, key string) time.Duration {
		if l := of[key]; len(l) > 0 {
			return l[len(l)/2]
		}
		return 0
	}
	for _, of := range []holds{tests, others} {
		for _, l := range of {
			slices.Sort(l)
		}
	}
	p.usual = make([]time.Duration, len(p.jobs))
	for i := range p.jobs {
		p.usual[i] = usual(tests, test(i))
		if p.jobs[i].Patience > 0 {
			p.jobs[i].Hold = cmp.Or(p.usual[i], usual(others, p.wants(i)), usual(others, ""))
		}
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

// latencyMost is how much of a wait may be that of the store, of the network and of a
// busy machine; a replay that lacks more has something else to explain.
const latencyMost = 500 * time.Millisecond

// slowed is jobs with which the store takes as long as it did where nothing was in the
// way of a request, by the events. In runs of seconds that can matter:
//
//	0ms   TestA asks; the process first has to connect to the store
//	40ms  it is given a board that was free
//
// What a process asks before it had its first answer has hardly reached the store
// earlier.
func (p *replay) slowed(jobs []simulate.Job) []simulate.Job {
	late := make([]time.Duration, len(jobs)) // how much sooner than in the run it is served
	jobs = slices.Clone(jobs)
	before := p.takes()
	for _, a := range p.absences() {
		before[a.key] = append(before[a.key], take{a.from, &report.Request{Ended: a.to}})
	}
	latest := p.latestArrivals()
	for i := range jobs {
		r, j := &p.requests[i], &jobs[i]
		if j.Within > 0 {
			j.At += late[j.Within-1]
		}
		var d time.Duration
		answer := p.answers[processOf(r)]
		if first := answer.at.Sub(r.Asked); first > 0 && answer.req != r.ID && j.Patience == 0 && r.Reached.IsZero() {
			d = min(first, r.Waited, latencyMost)
			j.At += d
		}
		left := r.Waited - d
		d = min(p.handOff(r, before), left)
		switch {
		case d == 0 || j.Patience > 0:
		case d == left:
			before := min(d, max(0, latest[i].Sub(r.Asked)))
			late[i] = d - before
			j.At += before
			if j.Until == 0 {
				j.Hold += late[i]
			}
		case j.Until > 0:
			late[i] = d
		default:
			late[i] = d
			j.Hold += d
		}
	}
	return jobs
}

// latestArrivals is when, by job, a request reached the store at the latest: before it was
// granted, and before somebody else came who had to wait for what it got.
//
//	0ms  TestA asks for the chamber
//	1ms  TestB stands in line for it
//	3ms  TestA is told that it has the chamber, which reached the store before 1 ms
func (p *replay) latestArrivals() []time.Time {
	order := make([]int, len(p.requests))
	latest := make([]time.Time, len(p.requests))
	for i := range order {
		order[i], latest[i] = i, granted(&p.requests[i])
	}
	slices.SortStableFunc(order, func(a, b int) int { return p.requests[a].Asked.Compare(p.requests[b].Asked) })
	for n, i := range order {
		r := &p.requests[i]
		for _, k := range order[n+1:] {
			w := &p.requests[k]
			if !w.Asked.Before(latest[i]) || w.Asked.Sub(r.Asked) > latencyMost {
				break
			}
			if p.couldUse(k, r) {
				latest[i] = w.Asked.Add(-time.Microsecond)
				break
			}
		}
	}
	return latest
}

// couldUse reports whether a job asks for something that a request got.
func (p *replay) couldUse(job int, r *report.Request) bool {
	return slices.ContainsFunc(r.Chosen, func(c eventlog.Chosen) bool {
		return slices.ContainsFunc(p.uses[job], func(s int) bool { return p.sets[s].keys[asChosen(p.sets[s].keys, c.Key, p.aboves[r.ID])] })
	})
}

// handOff is how long a request waited for the store alone: since it asked and all that
// it got had been given back, or, if that does not explain it, all that the events do
// not.
func (p *replay) handOff(r *report.Request, before takes) (d time.Duration) {
	ready := r.Asked
	for _, c := range r.Chosen {
		if c.Req < 0 || c.Req >= len(r.Reqs) || r.Reqs[c.Req].Shared || r.Reqs[c.Req].Seats > 0 {
			ready = time.Time{}
			break
		}
		if end := before.last(c.Key, r, p.aboves[r.ID]); end.After(ready) {
			ready = end
		}
	}
	if d = granted(r).Sub(ready); !ready.IsZero() && (d <= together || r.Blame == nil && d <= latencyMost) {
		return max(0, d)
	}
	d = 0
	for _, s := range r.Blame {
		if s.Cause == report.Unknown {
			d += s.Time.Duration()
		}
	}
	if d > latencyMost { // no store is that slow
		return 0
	}
	return d
}

// preferring is jobs that take, where several resources are free, those which they got
// in the run, and else random ones. In pools whose resources are not alike the luck of
// the run can matter more than anything else:
//
//	TestAny asks for board-1 or board-2, and TestRadio for board-2
func (p *replay) preferring(jobs []simulate.Job, seed uint64) []simulate.Job {
	rnd := rand.New(rand.NewPCG(seed, 3))
	jobs = slices.Clone(jobs)
	for i := range jobs {
		r := &p.requests[i]
		if len(r.Chosen) == 0 {
			continue
		}
		reqs := slices.Clone(jobs[i].Requirements)
		for n := range reqs {
			keys := p.sets[p.uses[i][n]].keys
			got := map[string]bool{}
			for _, c := range r.Chosen {
				if c.Req == n {
					got[asChosen(keys, c.Key, p.aboves[r.ID])] = true
				}
			}
			q := &reqs[n]
			q.Choice = lockcore.InOrder
			q.Candidates = slices.Clone(q.Candidates)
			rnd.Shuffle(len(q.Candidates), func(a, b int) { q.Candidates[a], q.Candidates[b] = q.Candidates[b], q.Candidates[a] })
			slices.SortStableFunc(q.Candidates, func(a, b lockcore.Candidate) int { return btoi(got[b.Key]) - btoi(got[a.Key]) })
		}
		jobs[i].Requirements = reqs
	}
	return jobs
}

// listsMost bounds the candidates, of all requests together, with which choices are
// looked at: each request has a list of its own then.
const listsMost = 2_000_000

// listed is how many candidates all requests list.
func (p *replay) listed() (n int) {
	for _, uses := range p.uses {
		for _, s := range uses {
			n += len(p.sets[s].candidates)
		}
	}
	return n
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
