package report

import (
	"errors"
	"iter"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// Options tell [Fold] what to call while it reads. The zero value will do.
type Options struct {
	// OnRequest, if set, is called for each request when nothing more can happen
	// to it, or at the end of the events, in the order in which that is known.
	OnRequest func(*Request)
	// OnTest, if set, is called for each run of a test that asked for resources when
	// its end is read, after OnRequest for all its requests, or at the end of the
	// events.
	OnTest func(*TestRun)
}

// Fold reads events in the order of time, as eventlog.Reader.Events yields
// them, and returns the report. Its error is that of the sequence: no event is
// bad enough to be one.
func Fold(events iter.Seq2[eventlog.Event, error], opts Options) (*Report, error) {
	if events == nil {
		return nil, errors.New("report: Fold was given no events: the sequence is nil")
	}
	f := newFold(opts)
	for e, err := range events {
		if err != nil {
			return nil, err
		}
		f.step(&e)
	}
	return f.finish(), nil
}

// fold is the state between two events.
type fold struct {
	opts  Options
	now   micros // time of the latest event; never goes back
	begin micros // time of the first
	any   bool

	labels     *labels
	tests      map[testKey]int32 // testTotals, whichever the run
	testIDs    []testKey
	testTotals []testTotals // by test
	byLabel    []int32      // label -> test

	requests    map[string]*request // open ones
	seq         int
	pools       map[string]*pool
	demands     map[string]*demand
	specs       map[*eventlog.Requirement]*spec
	noWants     *spec
	slots       map[string]*slot
	names       map[string]int32
	namedPools  []*namedPool
	sameSet     map[string]int32 // named pool by the hash of its candidates
	procs       map[eventlog.Process]*proc
	runs        map[string]bool // with events in the input
	hosts       map[string]bool
	keptHolds   keptHeap
	late        lateEvents
	interrupted map[string]*request // by the beginning of their identity: Prepare failed for what they got
	grants      int
	scratch     parts // to work in

	total      totals
	queue      queue
	tags       map[string]*totals
	pairs      pairs
	events     int
	dropped    uint64
	renewFails int
	passed     digest // waits of those that somebody was backfilled past
}

type testKey struct{ pkg, name string }

// testTotals sums up a test as waiter and as holder, over all runs.
type testTotals struct {
	first  Holder
	runs   int
	totals totals
	caused [causeCount]micros // waits of others that it is blamed for
}

// manyLabel stands for more holders than are told apart.
const manyLabel labelID = 1

func newFold(opts Options) *fold {
	f := &fold{
		opts: opts, labels: newLabels(), tests: map[testKey]int32{}, requests: map[string]*request{},
		pools: map[string]*pool{}, demands: map[string]*demand{}, specs: map[*eventlog.Requirement]*spec{},
		slots: map[string]*slot{}, names: map[string]int32{}, sameSet: map[string]int32{}, procs: map[eventlog.Process]*proc{}, runs: map[string]bool{},
		hosts: map[string]bool{}, tags: map[string]*totals{}, interrupted: map[string]*request{}, scratch: parts{}, pairs: pairs{times: map[pair]micros{}},
	}
	f.labels.id(many, 0)
	f.noWants = &spec{demand: &demand{}}
	return f
}

// apply takes one event, in its turn.
func (f *fold) apply(e *eventlog.Event) {
	now := micros(when(e).UnixMicro())
	if !f.any {
		f.any, f.now, f.begin = true, now, now
		f.queue.last = now
	}
	// Clocks differ a little and files are merged line by line: time stands still
	// rather than going back.
	f.now = max(f.now, now)
	f.endKept()
	f.events++
	f.dropped += e.Dropped
	p := f.proc(e)
	p.unplaced = p.unplaced || e.Unplaced
	p.number(e)
	switch e.Ev {
	case eventlog.Pool:
		for i := range e.Reqs {
			f.named(&e.Reqs[i], f.pool(&e.Reqs[i]))
		}
	case eventlog.Request:
		f.request(e, p)
	case eventlog.Queue:
		f.queued(e, p)
	case eventlog.Grant:
		f.grant(e, p)
	case eventlog.Withdraw:
		f.withdraw(e, p)
	case eventlog.Release, eventlog.Lost, eventlog.Expired, eventlog.Reclaim:
		f.end(e)
	case eventlog.TestEnd:
		f.testEnd(e, p)
	case eventlog.Unfit:
		f.unfit(e)
	case eventlog.RenewFail:
		f.renewFails++
	}
	p.last = f.now
}

func (f *fold) proc(e *eventlog.Event) *proc {
	k := e.Process()
	p := f.procs[k]
	if p == nil {
		p = &proc{}
		f.procs[k] = p
		f.runs[e.Run.ID] = true
		f.hosts[e.Host] = true
	}
	return p
}

// open finds the request of an event, or makes one whose beginning was not
// seen.
func (f *fold) open(e *eventlog.Event, p *proc) *request {
	k := e.RequestID()
	r := f.requests[k]
	if r == nil {
		r = f.resume(e, p)
	}
	if r != nil {
		return r
	}
	f.seq++
	start := f.now - toMicros(e.WaitedMS)
	r = &request{seq: f.seq, start: start, proc: p, label: f.labels.event(e)}
	r.rank = start - micros(e.Priority)*micros(time.Minute/time.Microsecond)
	r.Request = Request{ID: k, Parent: e.Parent, Run: e.Run, Host: e.Host, PID: e.PID, Test: e.Test,
		Asked: time.UnixMicro(int64(start)).UTC()}
	f.requests[k] = r
	return r
}

// request begins a wait.
func (f *fold) request(e *eventlog.Event, p *proc) {
	if r := f.requests[e.RequestID()]; r != nil {
		return // said twice
	}
	r := f.open(e, p)
	r.waiting = true
	r.Reqs = e.Reqs
	r.lease = e.LeaseMS.Duration()
	r.local = e.Store == "file" || e.Store == "mem"
	r.spec = f.spec(e.Reqs)
	f.countQueue(r, 1)
	f.enter(r)
	if len(e.Blockers) > 0 {
		f.takeSnapshot(r, e)
	}
}

// queued says that a wait goes on.
func (f *fold) queued(e *eventlog.Event, p *proc) {
	r := f.requests[e.RequestID()]
	if r == nil {
		f.request(e, p)
		r = f.requests[e.RequestID()]
	}
	if !r.waiting {
		return
	}
	f.lineUp(r, e)
	if len(e.Reqs) > 0 {
		f.exit(r)
		f.countQueue(r, -1)
		r.Reqs = e.Reqs
		r.spec = f.spec(e.Reqs)
		f.countQueue(r, 1)
		f.enter(r)
	}
	broken := e.Error != ""
	if broken != r.broken {
		f.exit(r)
		r.broken = broken
		f.enter(r)
	}
	if !broken {
		f.takeSnapshot(r, e)
	}
}

// countQueue counts a request into the queues it stands in.
func (f *fold) countQueue(r *request, by int) {
	f.queue.change(f.now, by)
	for i := range r.spec.wants {
		name := r.spec.wants[i].name
		twice := false
		for j := range i {
			twice = twice || r.spec.wants[j].name == name
		}
		if !twice {
			f.namedPools[name].queue.change(f.now, by)
		}
	}
}
