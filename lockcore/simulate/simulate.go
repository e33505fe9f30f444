package simulate

import (
	"container/heap"
	"errors"
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
	Patience     time.Duration // it gives up when it has waited for so long; 0: never
	Parents      []int         // jobs, counted from 1, whose leases the requester holds while this one waits
	Past         *Past         // whom it is let past under [Recorded]; nil: nobody
	// Order says what the job waits for before it arrives, if it does not arrive
	// at a time of its own.
	Order
}

// An Outcome is what became of a [Job].
type Outcome struct {
	Arrived, Waited time.Duration // since the start; from arrival to grant
	Nested          time.Duration // from the grant until Hold began, see [Order.Until]
	Keys            []string
	Backfilled      bool // served before somebody earlier, out of what was reserved for them
	GaveUp          bool // its Patience was over before it was served
}

// End is when the job was over, since the start.
func (o Outcome) End(j Job) time.Duration {
	if o.GaveUp {
		return o.Arrived + o.Waited
	}
	return o.Arrived + o.Waited + o.Nested + j.Hold
}

// Greedy is a policy for comparison, which no store has: nothing is reserved and
// whoever fits takes, as with locks that are polled for.
const Greedy = sched.Greedy

// Run plays the jobs to the scheduler and returns what became of each. It is
// deterministic: seed decides which of several free candidates is taken. A job
// that could not even be served alone is an error that wraps
// [lockcore.ErrUnsatisfiable]; jobs that hold what the others of them wait for,
// for ever, are one that wraps [lockcore.ErrDeadlock].
func Run(jobs []Job, policy lockcore.QueuePolicy, seed uint64) ([]Outcome, error) {
	return run(jobs, policy, seed, nil)
}

// run calls waits, if set, with each job that has to wait, at its arrival.
func run(jobs []Job, policy lockcore.QueuePolicy, seed uint64, waits func(s *sim, at int64, job int)) ([]Outcome, error) {
	s := &sim{waits: waits, jobs: jobs, out: make([]Outcome, len(jobs)), rnd: rand.New(rand.NewPCG(seed, 1)).IntN, order: newOrder(len(jobs))}
	s.state.Policy, s.state.WaitersStay = policy, true
	if policy == Recorded {
		if err := s.setPast(); err != nil {
			return nil, err
		}
	}
	for i, j := range jobs {
		if !possible(j.Requirements) {
			return nil, fmt.Errorf("simulate: job %d: %w", i+1, lockcore.ErrUnsatisfiable)
		}
		if err := s.order.add(i, &j.Order); err != nil {
			return nil, err
		}
		if j.Order.free() {
			s.push(j.At, arrival, i)
		}
	}
	s.run()
	return s.out, s.stuck()
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
	waits func(s *sim, at int64, job int) // see run
	order order
	rnd   sched.Rand
	state sched.State
	due   events
	past  past
	seq   int
	tick  int64          // when the next tick is due; 0: none is
	ids   map[string]int // jobs that arrived and are not over
	ended int
}

// epoch keeps moments apart from 0, which means "none" to the scheduler.
const epoch = int64(time.Hour)

type kind uint8

const (
	arrival kind = iota
	over
	quit
	tick
	again // it may be let past others, see Past
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
		s.past.now = e.at
		switch e.kind {
		case arrival:
			s.arrive(e)
		case over:
			s.pastOver(e)
			s.state.Release(e.at, id(e.job), 0, lockcore.Released, s.rnd)
			delete(s.ids, id(e.job))
			s.ended++
			s.follow(e.at, s.order.over(e.job, &s.jobs[e.job].Order))
		case quit:
			s.giveUp(e)
		case tick:
			s.tick = 0
			s.state.Tick(e.at, s.rnd)
		case again:
			s.lookAgain(e)
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
	var parents []string
	for _, above := range j.Parents {
		parents = append(parents, id(above-1))
	}
	return &lockcore.Ticket{ID: id(job), Parents: parents, Requirements: j.Requirements, Owner: j.Owner, Priority: j.Priority, TTL: forever, Expect: j.Expect, Wait: true}
}

func (s *sim) arrive(e event) {
	s.ids[id(e.job)] = e.job
	s.out[e.job].Arrived = time.Duration(e.at - epoch)
	if g, _ := s.state.Ask(e.at, s.ticket(e.job), "", s.rnd); g != nil {
		s.took(e.at, e.job, g)
		return
	}
	s.pastArrived(e)
	if d := s.jobs[e.job].Patience; d > 0 {
		s.push(s.out[e.job].Arrived+d, quit, e.job)
	}
	if s.waits != nil {
		s.waits(s, e.at, e.job)
	}
}

// giveUp ends the wait of a job whose patience is over.
func (s *sim) giveUp(e event) {
	o := &s.out[e.job]
	if o.Keys != nil {
		return
	}
	o.GaveUp, o.Waited = true, s.jobs[e.job].Patience
	s.state.Withdraw(e.at, id(e.job), s.rnd)
	delete(s.ids, id(e.job))
	s.ended++
	s.follow(e.at, s.order.over(e.job, &s.jobs[e.job].Order))
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
	s.follow(at, s.order.granted(job, &s.jobs[job].Order))
}

// follow lets those arrive, and those begin to count their holds, whose turn it is.
func (s *sim) follow(at int64, n next) {
	since := time.Duration(at - epoch)
	for _, i := range n.arrive {
		s.push(since+s.jobs[i].At, arrival, i)
	}
	for _, i := range n.hold {
		s.out[i].Nested = since - s.out[i].Arrived - s.out[i].Waited
		s.push(since+s.jobs[i].Hold, over, i)
	}
}

// stuck is an error if some jobs never ended: they hold what others of them wait
// for, or come after one that does.
func (s *sim) stuck() error {
	if s.ended == len(s.jobs) {
		return nil
	}
	for i := range s.jobs {
		if _, arrived := s.ids[id(i)]; arrived && s.out[i].Keys == nil {
			return fmt.Errorf("simulate: job %d waits for ever: %w", i+1, lockcore.ErrDeadlock)
		}
	}
	return errors.New("simulate: some jobs never arrive: nobody leaves the line, or nobody is in it")
}
