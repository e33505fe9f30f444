package report

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// ErrNoEstimate says that the events do not suffice for an estimate.
var ErrNoEstimate = errors.New("no estimate")

// A replay is a recorded run as jobs of a simulation.
//
// A run is not a list of arrivals: had a test waited less, the next one would have
// begun earlier. What stays the same is each lane, one parallel slot of a process:
// the gap until a test asks, the request, the hold, the next gap. Events do not
// name the slots, but give them away: a test that begins takes the slot that
// became free last.
type replay struct {
	jobs     []simulate.Job
	sets     []candidateSet             // that the requirements choose from
	uses     [][]int                    // by job and requirement: index into sets
	tags     map[string]map[string]bool // keys by tag
	pools    map[string]map[string]bool // keys by name of the requirement
	poolWait map[string]time.Duration   // that a pool was the reason for

	lanes            int
	gaveUp, unended  int
	makespan, waited time.Duration // as recorded
	waits            []time.Duration
	base             time.Time
	priorities       map[string]int
	lists            map[string][]string // candidates by hash
	requests         []Request
	processes        map[procKey]*span
	setIDs           map[string]int
}

// A candidateSet is one set of candidates, with the keys in it.
type candidateSet struct {
	candidates []lockcore.Candidate
	keys       map[string]bool
}

// A span is when a process gave signs of life.
type span struct{ from, to time.Time }

// readReplay makes a replay of events.
func readReplay(events iter.Seq2[eventlog.Event, error]) (*replay, error) {
	p := &replay{
		priorities: map[string]int{}, lists: map[string][]string{}, processes: map[procKey]*span{}, setIDs: map[string]int{},
		tags: map[string]map[string]bool{}, pools: map[string]map[string]bool{}, poolWait: map[string]time.Duration{},
	}
	r, err := Fold(p.tap(events), Options{OnRequest: func(r *Request) { p.requests = append(p.requests, *r) }})
	if err != nil {
		return nil, err
	}
	for _, g := range r.Pools {
		p.poolWait[g.Name] = 0
		for _, c := range g.Blame {
			p.poolWait[g.Name] += c.Time.Duration()
		}
	}
	if err := p.choose(); err != nil {
		return nil, err
	}
	return p, p.thread()
}

// tap keeps what the fold does not tell about requests.
func (p *replay) tap(events iter.Seq2[eventlog.Event, error]) iter.Seq2[eventlog.Event, error] {
	return func(yield func(eventlog.Event, error) bool) {
		for e, err := range events {
			if err == nil {
				p.note(&e)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (p *replay) note(e *eventlog.Event) {
	at := e.At
	if at.IsZero() {
		at = e.TS
	}
	k := procKey{e.Host, e.Run.ID, e.PID}
	if s := p.processes[k]; s == nil {
		p.processes[k] = &span{at, at}
	} else if at.After(s.to) {
		s.to = at
	}
	if e.Priority != 0 {
		p.priorities[id(e)] = e.Priority
	}
	for i := range e.Reqs {
		if r := &e.Reqs[i]; r.Hash != "" && len(r.Candidates) > 0 {
			p.lists[r.Hash] = r.Candidates
		}
	}
}

// choose leaves the requests that can be replayed, in the order in which they were
// made. Who gave up is left out, and its time becomes part of a gap: how long it
// would have held is not known.
func (p *replay) choose() error {
	p.requests = slices.DeleteFunc(p.requests, func(r Request) bool {
		switch {
		case r.Outcome != "" && r.Outcome != eventlog.Acquired:
			p.gaveUp++
			return true
		case r.Outcome == "" || r.Ended.IsZero():
			p.unended++
			return true
		}
		return false
	})
	if len(p.requests) == 0 {
		return fmt.Errorf("%w: no request in the events was both served and given back", ErrNoEstimate)
	}
	slices.SortFunc(p.requests, func(a, b Request) int {
		return cmp.Or(a.Asked.Compare(b.Asked), a.Ended.Compare(b.Ended), cmp.Compare(a.ID, b.ID))
	})
	p.base = p.requests[0].Asked
	for i := range p.requests {
		r := &p.requests[i]
		if r.Parent != "" {
			// The outer hold is as long as the inner wait makes it, which a replay of
			// holds of a fixed length would get wrong.
			return fmt.Errorf("%w: %s asks for more while it holds something: its hold depends on the wait", ErrNoEstimate, plain(cmp.Or(r.Test.Name, r.Test.Pkg, r.ID)))
		}
		p.makespan = max(p.makespan, r.Ended.Sub(p.base))
		p.waited += r.Waited
		p.waits = append(p.waits, r.Waited)
	}
	return nil
}

// A lane is one parallel slot of a process.
type lane struct {
	job   int // the last one, counted from 1
	ended time.Time
	test  eventlog.TestInfo // without file and line
	kept  bool              // the last lease outlives its test: the next one follows the clock
}

// thread puts the requests into lanes and makes jobs of them.
func (p *replay) thread() error {
	ends := map[testRun]time.Time{}
	for i := range p.requests {
		r := &p.requests[i]
		if t := p.testOf(r); r.Ended.After(ends[t]) {
			ends[t] = r.Ended
		}
	}
	lanes := map[procKey][]*lane{}
	for i := range p.requests {
		r := &p.requests[i]
		proc := procKey{r.Host, r.Run.ID, r.PID}
		t := p.testOf(r)
		var best *lane
		for _, l := range lanes[proc] {
			same := l.test == t.test && t.test.Name != ""
			if same && l.ended.After(r.Asked) {
				return fmt.Errorf("%w: %s has two requests at a time", ErrNoEstimate, plain(t.test.Name))
			}
			if same {
				best = l
				break
			}
			if !ends[testRun{proc, l.test}].After(r.Asked) && (best == nil || l.ended.After(best.ended)) {
				best = l
			}
		}
		j := simulate.Job{At: r.Asked.Sub(p.base), Hold: max(0, r.Ended.Sub(r.Asked)-r.Waited), Priority: p.priorities[r.ID],
			Owner: lockcore.Owner{Test: r.Test.Name, Package: r.Test.Pkg, Host: r.Host, PID: r.PID, Run: r.Run.ID}}
		switch {
		case best == nil:
			best = &lane{}
			lanes[proc] = append(lanes[proc], best)
			p.lanes++
			if before := p.before(proc, i); before > 0 {
				j.After, j.At = before, r.Asked.Sub(p.requests[before-1].Ended)
			}
		case !best.kept:
			j.After, j.At = best.job, r.Asked.Sub(best.ended)
		}
		best.job, best.ended, best.test, best.kept = i+1, r.Ended, t.test, r.Kept > 0
		j.Hold += r.Kept
		if err := p.require(&j, r); err != nil {
			return err
		}
		p.jobs = append(p.jobs, j)
	}
	return nil
}

// A testRun is one execution of a test.
type testRun struct {
	proc procKey
	test eventlog.TestInfo
}

func (p *replay) testOf(r *Request) testRun {
	return testRun{procKey{r.Host, r.Run.ID, r.PID}, eventlog.TestInfo{Pkg: r.Test.Pkg, Name: r.Test.Name, Attempt: r.Test.Attempt}}
}

// before is the request, counted from 1, whose end let a process begin, or 0: go
// test starts the next package when one is done.
func (p *replay) before(proc procKey, n int) int {
	began, best := p.processes[proc].from, 0
	for i := range p.requests[:n] {
		r := &p.requests[i]
		k := procKey{r.Host, r.Run.ID, r.PID}
		if k == proc || k.host != proc.host || k.run != proc.run || p.processes[k].to.After(began) || r.Kept > 0 {
			continue
		}
		if best == 0 || r.Ended.After(p.requests[best-1].Ended) {
			best = i + 1
		}
	}
	return best
}

// require says what a job asks for, and learns names from it.
func (p *replay) require(j *simulate.Job, r *Request) error {
	var uses []int
	for i := range r.Reqs {
		q := &r.Reqs[i]
		keys := q.Candidates
		if len(keys) == 0 && q.Hash != "" {
			keys = p.lists[q.Hash]
		}
		if len(keys) == 0 {
			return fmt.Errorf("%w: the events do not list the candidates of %s", ErrNoEstimate, plain(cmp.Or(q.Name, "a requirement of "+r.Test.Name)))
		}
		s := p.set(keys)
		uses = append(uses, s)
		j.Requirements = append(j.Requirements, lockcore.Requirement{Name: q.Name, Candidates: p.sets[s].candidates, Need: q.Need, Shared: q.Shared, Seats: q.Seats})
		for _, k := range keys {
			learn(p.pools, q.Name, k)
			for name, value := range q.Tags {
				learn(p.tags, name+"="+value, k)
			}
		}
	}
	for _, c := range r.Chosen {
		for name, value := range c.Tags {
			learn(p.tags, name+"="+value, c.Key)
		}
	}
	if len(uses) == 0 {
		return fmt.Errorf("%w: the events do not say what %s asked for", ErrNoEstimate, plain(cmp.Or(r.Test.Name, r.ID)))
	}
	p.uses = append(p.uses, uses)
	return nil
}

func learn(names map[string]map[string]bool, name, key string) {
	if names[name] == nil {
		names[name] = map[string]bool{}
	}
	names[name][key] = true
}

// set numbers a set of candidates; equal ones are shared, as a pool of 10,000 that
// is asked for 10,000 times would not fit otherwise.
func (p *replay) set(keys []string) int {
	id := strings.Join(keys, "\x00")
	if i, ok := p.setIDs[id]; ok {
		return i
	}
	s := candidateSet{keys: map[string]bool{}}
	for _, k := range keys {
		s.candidates = append(s.candidates, lockcore.Candidate{Key: k})
		s.keys[k] = true
	}
	p.setIDs[id] = len(p.sets)
	p.sets = append(p.sets, s)
	return len(p.sets) - 1
}
