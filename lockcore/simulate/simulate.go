package simulate

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// A Job is one request of a simulation: what is asked for, when, by whom, and how
// long it is held then.
type Job struct {
	At           time.Duration // arrival, since the start
	Hold         time.Duration
	Requirements []lockcore.Requirement
	Owner        lockcore.Owner // holds are learned by its Package and Test
	Priority     int
	Expect       time.Duration // what the request says about Hold; 0: nothing
	// After, when it is not 0, makes the job arrive when an earlier one, counted
	// from 1, has been given back, and At later: a test that asks again.
	After int
}

// An Outcome is what became of a [Job].
type Outcome struct {
	Arrived, Waited time.Duration // since the start; from arrival to grant
	Keys            []string
	Backfilled      bool // served before somebody earlier, out of what was reserved for them
}

// End is when the job was over, since the start.
func (o Outcome) End(j Job) time.Duration { return o.Arrived + o.Waited + j.Hold }

// Greedy is a policy for comparison, which no store has: nothing is reserved and
// whoever fits takes, as with locks that are polled for.
const Greedy = sched.Greedy

// Run plays the jobs to the scheduler and returns what became of each. It is
// deterministic: seed decides which of several free candidates is taken. A job
// that could not even be served alone is an error.
func Run(jobs []Job, policy lockcore.Policy, seed uint64) ([]Outcome, error) {
	s := &sim{jobs: jobs, out: make([]Outcome, len(jobs)), rnd: rand.New(rand.NewPCG(seed, 1)).IntN, after: make([][]int, len(jobs))}
	s.state.Policy, s.state.Untiring = policy, true
	for i, j := range jobs {
		if !possible(j.Requirements) {
			return nil, fmt.Errorf("simulate: job %d: %w", i+1, lockcore.ErrUnsatisfiable)
		}
		switch {
		case j.After == 0:
			s.push(j.At, arrival, i)
		case j.After < 0 || j.After > i:
			return nil, fmt.Errorf("simulate: job %d comes after job %d: it must be an earlier one", i+1, j.After)
		default:
			s.after[j.After-1] = append(s.after[j.After-1], i)
		}
	}
	s.run()
	return s.out, nil
}

// possible reports whether the requirements can be met with everything free.
func possible(reqs []lockcore.Requirement) bool {
	_, ok := lockcore.Match(reqs, func(r int, _ string) int { return max(1, reqs[r].Seats) }, nil)
	return ok
}

// sim is a simulation in progress.
type sim struct {
	jobs  []Job
	out   []Outcome
	after [][]int // jobs that arrive when this one is over
	rnd   sched.Rand
	state sched.State
	due   events
	seq   int
	tick  int64 // when the next tick is due; 0: none is
	ids   map[string]int
}

// epoch keeps moments apart from 0, which means "none" to the scheduler.
const epoch = int64(time.Hour)

type kind uint8

const (
	arrival kind = iota
	over
	tick
)

type event struct {
	at   int64
	seq  int // events of one moment happen in the order in which they were made
	kind kind
	job  int
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (s *sim) push(since time.Duration, k kind, job int) {
	s.seq++
	heap.Push(&s.due, event{epoch + int64(since), s.seq, k, job})
}

func id(job int) string { return fmt.Sprint("job-", job) }

func (s *sim) run() {
	s.ids = make(map[string]int)
	for len(s.due) > 0 {
		e := heap.Pop(&s.due).(event)
		switch e.kind {
		case arrival:
			s.arrive(e)
		case over:
			s.state.Release(e.at, id(e.job), 0, s.rnd)
			delete(s.ids, id(e.job))
			for _, next := range s.after[e.job] {
				s.push(time.Duration(e.at-epoch)+s.jobs[next].At, arrival, next)
			}
		case tick:
			s.tick = 0
			s.state.Tick(e.at, s.rnd)
		}
		for _, g := range s.state.TakeGranted() {
			s.granted(e.at, s.ids[g.ID])
		}
		if next := s.state.Next(); s.state.Waiting() && next > e.at && next < e.at+int64(forever)/2 && (s.tick == 0 || next < s.tick) {
			s.tick = next
			s.push(time.Duration(next-epoch), tick, 0)
		}
	}
}

// forever is a TTL that no simulation lives to see.
const forever = 100 * 365 * 24 * time.Hour

func (s *sim) ticket(job int) *lockcore.Ticket {
	j := &s.jobs[job]
	return &lockcore.Ticket{ID: id(job), Requirements: j.Requirements, Owner: j.Owner, Priority: j.Priority, TTL: forever, Expect: j.Expect, Wait: true}
}

func (s *sim) arrive(e event) {
	s.ids[id(e.job)] = e.job
	s.out[e.job].Arrived = time.Duration(e.at - epoch)
	if g, _ := s.state.Ask(e.at, s.ticket(e.job), "", s.rnd); g != nil {
		s.took(e.at, e.job, g)
	}
}

// granted confirms a grant and lets the job hold.
func (s *sim) granted(at int64, job int) {
	if g, _ := s.state.Ask(at, s.ticket(job), "", s.rnd); g != nil {
		s.took(at, job, g)
	}
}

func (s *sim) took(at int64, job int, g *lockcore.Grant) {
	o := &s.out[job]
	o.Waited = time.Duration(at-epoch) - o.Arrived
	o.Keys = slices.Clone(g.Keys())
	o.Backfilled = g.Backfilled
	s.push(time.Duration(at-epoch)+s.jobs[job].Hold, over, job)
}
