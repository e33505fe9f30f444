package whatif

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"

	"github.com/resourcelocker/resourcelocker/report"
)

// A mode is a policy, and what its scheduler knows to begin with.
type mode struct {
	policy  lockcore.QueuePolicy
	history bool // it has seen the tests of the run before
	slow    bool // the store, and the way to it, take as long as they did
	chosen  bool // where several resources are free, it gives what it gave in the run
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
	return s
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
		if p.jobs[i].Patience == 0 {
			holds[key(i)] = append(holds[key(i)], p.requests[i].Held)
		}
	}
	for _, l := range holds {
		slices.Sort(l)
	}
	p.usual = make([]time.Duration, len(p.jobs))
	for i := range p.jobs {
		if l := holds[key(i)]; len(l) > 0 {
			p.usual[i] = l[len(l)/2]
		}
		if p.jobs[i].Patience > 0 { // should it be served before it gives up
			p.jobs[i].Hold = p.usual[i]
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
	for i := range jobs {
		r, j := &p.requests[i], &jobs[i]
		if j.Within > 0 {
			j.At += late[j.Within-1]
		}
		var d time.Duration
		if first := p.answers[processOf(r)].Sub(r.Asked); first > 0 && j.Patience == 0 {
			d = min(first, r.Waited, latencyMost)
			j.At += d
		}
		left := r.Waited - d
		d = 0
		for _, s := range r.Blame {
			if s.Cause == report.Unknown {
				d += s.Time.Duration()
			}
		}
		d = min(d, left, latencyMost)
		switch {
		case d == 0 || j.Patience > 0:
		case d == left:
			j.At += d
		case j.Until > 0:
			late[i] = d
		default:
			late[i] = d
			j.Hold += d
		}
	}
	return jobs
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
