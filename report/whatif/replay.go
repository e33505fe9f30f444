package whatif

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

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// ErrNoEstimate says that the events do not suffice for an estimate.
var ErrNoEstimate = errors.New("no estimate")

// A replay is a recorded run as jobs of a simulation; [lanes] tells what comes
// after what.
type replay struct {
	jobs     []simulate.Job
	sets     []candidateSet             // that the requirements choose from
	uses     [][]int                    // by job and requirement: index into sets
	tags     map[string]map[string]bool // keys by tag
	pools    map[string]map[string]bool // keys by name of the requirement
	poolWait map[string]time.Duration   // that a pool was the reason for

	lanes            int
	gaveUp, unended  int
	leftOut          int
	dropped, missing uint64                       // events that are not there: by their writers, by their numbers
	again            int                          // requests that asked again, each time
	served           bool                         // somebody was
	patience         map[string]time.Duration     // by request, of those who were not served: how long they waited
	aboves           map[string][]*report.Request // by request: of the programs above
	outside          *outside
	aside            []simulate.Job  // that hold what was not for the requests
	asideBefore      []time.Duration // how much earlier they may have begun
	makespan, waited time.Duration   // as recorded
	waits            []time.Duration
	base             time.Time
	priorities       map[string]int
	lists            map[string][]string      // candidates by hash
	expects          map[string]time.Duration // by request: what it said
	usual            []time.Duration          // by job: how long its test holds
	variety          variety
	still            bool // no other nights: what a test wants whose figures are exact
	early            bool // somebody was backfilled
	most             int  // requests to keep; 0: all
	tooMany          bool
	requests         []report.Request
	processes        map[eventlog.Process]*span
	answers          map[eventlog.Process]answer // the first of the store
	setIDs           map[string]int
}

// A candidateSet is one set of candidates, with the keys in it.
type candidateSet struct {
	candidates []lockcore.Candidate
	keys       map[string]bool
}

// An answer is when a store said something, and to which request.
type answer struct {
	at  time.Time
	req string
}

// A span is when a process gave signs of life.
type span struct{ from, to time.Time }

func newReplay(most int) *replay {
	return &replay{
		most: most, priorities: map[string]int{}, expects: map[string]time.Duration{},
		lists: map[string][]string{}, processes: map[eventlog.Process]*span{}, answers: map[eventlog.Process]answer{}, setIDs: map[string]int{},
		aboves: map[string][]*report.Request{}, patience: map[string]time.Duration{}, outside: newOutside(),
		tags: map[string]map[string]bool{}, pools: map[string]map[string]bool{}, poolWait: map[string]time.Duration{},
	}
}

// keep keeps requests as they are over, and hands them on.
func (p *replay) keep(also func(*report.Request)) func(*report.Request) {
	return func(r *report.Request) {
		switch {
		case p.tooMany:
		case p.most > 0 && len(p.requests) == p.most:
			*p = replay{most: p.most, tooMany: true} // nothing of what was kept will be used
		default:
			p.requests = append(p.requests, *r)
		}
		if also != nil {
			also(r)
		}
	}
}

// readReplay makes a replay of events.
func readReplay(events iter.Seq2[eventlog.Event, error]) (*replay, error) {
	p := newReplay(0)
	r, err := report.Fold(p.tap(events), report.Options{OnRequest: p.keep(nil)})
	if err != nil {
		return nil, err
	}
	return p, p.blameLoss(p.prepare(r))
}

// prepare makes jobs of what was kept.
func (p *replay) prepare(r *report.Report) error {
	p.dropped, p.missing = r.Dropped, r.Missing
	for _, g := range r.Pools {
		p.poolWait[g.Name] = 0
		for _, c := range g.Blame {
			p.poolWait[g.Name] += c.Time.Duration()
		}
	}
	if err := p.choose(); err != nil {
		return err
	}
	if err := p.thread(); err != nil {
		return err
	}
	p.keepAside()
	return nil
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
	if p.tooMany {
		return
	}
	at := e.At
	if at.IsZero() {
		at = e.TS
	}
	k := e.Process()
	if s := p.processes[k]; s == nil {
		p.processes[k] = &span{at, at}
	} else if at.After(s.to) {
		s.to = at
	}
	if _, ok := p.answers[k]; !ok && (e.Ev == eventlog.Grant || e.Ev == eventlog.Queue && len(e.Blockers) > 0) {
		p.answers[k] = answer{at, e.RequestID()}
	}
	if e.Priority != 0 {
		p.priorities[e.RequestID()] = max(-priorityMost, min(e.Priority, priorityMost))
	}
	if e.ExpectMS != 0 {
		p.expects[e.RequestID()] = e.ExpectMS.Bounded()
	}
	p.early = p.early || e.Backfilled
	p.outside.note(e, at)
	for i := range e.Reqs {
		if r := &e.Reqs[i]; r.Hash != "" && len(r.Candidates) > 0 {
			p.lists[r.Hash] = r.Candidates
		}
	}
}

// choose leaves the requests that can be replayed, in the order in which they were
// made.
func (p *replay) choose() error {
	p.settle()
	if !p.served {
		return fmt.Errorf("%w: no request in the events was both served and given back", ErrNoEstimate)
	}
	for i := range p.requests {
		r := &p.requests[i]
		p.waited += r.Waited
		p.waits = append(p.waits, r.Waited)
	}
	p.split()
	for i := range p.requests {
		r := &p.requests[i]
		// In the order in which they stood in line: a few milliseconds on a busy machine
		// between asking and reaching the store can change all that follows.
		if late := r.Reached.Sub(r.Asked) + time.Microsecond; late > 0 && late < r.Waited {
			r.Asked, r.Waited = r.Asked.Add(late), r.Waited-late
			if patience := p.patience[r.ID]; patience > late {
				p.patience[r.ID] = patience - late
			}
		}
	}
	parents := map[string]string{}
	for i := range p.requests {
		parents[p.requests[i].ID] = p.requests[i].Parent
	}
	depth := func(r *report.Request) (n int) {
		for id := r.Parent; id != "" && n < len(parents); id = parents[id] {
			n++
		}
		return n
	}
	slices.SortFunc(p.requests, func(a, b report.Request) int {
		return cmp.Or(a.Asked.Compare(b.Asked), cmp.Compare(depth(&a), depth(&b)), granted(&a).Compare(granted(&b)), a.Ended.Compare(b.Ended), cmp.Compare(a.ID, b.ID))
	})
	p.base = p.requests[0].Asked
	for i := range p.requests {
		r := &p.requests[i]
		p.makespan = max(p.makespan, r.Ended.Sub(p.base))
	}
	return nil
}

// What no lab has, but a broken line may say, and a simulation would work on for
// years.
const (
	seatsMost    = 10_000
	priorityMost = 1_000_000
)

// require says what a job asks for, and learns names from it.
func (p *replay) require(j *simulate.Job, r *report.Request, above []*report.Request) error {
	var uses []int
	for i := range r.Reqs {
		q := &r.Reqs[i]
		keys := q.Candidates
		if len(keys) == 0 && q.Hash != "" {
			keys = p.lists[q.Hash]
		}
		if len(keys) == 0 {
			return fmt.Errorf("%w: the events do not list the candidates of %s", ErrNoEstimate, words.Plain(cmp.Or(q.Name, "a requirement of "+r.Test.Name)))
		}
		for _, k := range keys {
			learn(p.pools, q.Name, k)
			for name, value := range q.Tags {
				learn(p.tags, name+"="+value, k)
			}
		}
		seats := max(0, min(q.Seats, seatsMost))
		need := max(0, min(q.Need, len(keys)*max(1, seats)+1)) // one too many is as bad as a million
		keys, seats = within(keys, max(1, need), seats, above)
		s := p.set(keys)
		uses = append(uses, s)
		j.Requirements = append(j.Requirements, lockcore.Requirement{Name: q.Name, Candidates: p.sets[s].candidates, Need: need, Shared: q.Shared && seats == 0, Seats: seats})
	}
	for _, c := range r.Chosen {
		for name, value := range c.Tags {
			learn(p.tags, name+"="+value, c.Key)
		}
	}
	if len(uses) == 0 {
		return fmt.Errorf("%w: the events do not say what %s asked for", ErrNoEstimate, words.Plain(cmp.Or(r.Test.Name, r.ID)))
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
