package whatif

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"
	"github.com/resourcelocker/resourcelocker/report/eventlog"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// A run is not a list of arrivals: had a test waited less, the next one would have
// begun earlier. What stays the same is what a test does, the order in which tests
// begin, and how many run at a time.
//
// Events do not name the parallel slots, the lanes, but give them away: a test
// that begins takes the one that became free last. In a replay it takes whichever
// becomes free first, when it is its turn, as go test hands them out: with tests
// tied to their lanes, one lane would be done long before another, and every
// estimate would be too high.
//
// A moment at which nothing is held or waited for may be a border between tests
// that may run together: what comes later begins when all before it is over. It
// is taken for one behind tests that ran one at a time, and between subtests of
// different tests, as those of a test without t.Parallel end before the next
// begins. Among tests that ran side by side it is a coincidence.

// threading ties the jobs of a replay to each other.
type threading struct {
	*replay
	scopes map[string]*scope
	order  []*scope              // as they were met
	ends   map[testRun]time.Time // when a test had given everything back
	index  map[string]int        // requests by ID
	turns  []time.Time           // by job: when it took its slot
	lines  int
}

// A scope is where tests take turns: a process, or a lease around others.
type scope struct {
	parent int // its job, counted from 1; 0: a process
	phases []*phase
	lanes  int // the most at a time
}

// A phase is a part of a scope between two moments at which nothing goes on.
type phase struct {
	line    int
	lanes   []*lane
	last    int       // the job that ended last
	members int       // jobs of the line
	end     time.Time // of these
	queued  time.Time // when the last of those who take turns took its slot
}

// A lane is one parallel slot.
type lane struct {
	last  int // job, counted from 1
	ended time.Time
	test  testRun
	extra bool // no slot: another request of a test that has one
}

// thread makes jobs of the requests.
func (p *replay) thread() error {
	t := &threading{replay: p, scopes: map[string]*scope{}, ends: map[testRun]time.Time{}, index: map[string]int{}}
	for i := range p.requests {
		r := &p.requests[i]
		if k := p.testOf(r); r.Ended.After(t.ends[k]) {
			t.ends[k] = r.Ended
		}
		t.index[r.ID] = i + 1
	}
	for i := range p.requests {
		r := &p.requests[i]
		j := simulate.Job{At: r.Asked.Sub(p.base), Hold: max(0, r.Ended.Sub(r.Asked)-r.Waited) + r.Kept, Priority: p.priorities[r.ID], Expect: p.expects[r.ID], Patience: p.patience[r.ID],
			Owner: lockcore.Owner{Test: r.Test.Name, Package: r.Test.Pkg, Host: r.Host, PID: r.PID, Run: r.Run.ID}}
		above := t.above(r)
		if len(above) > 0 {
			p.aboves[r.ID] = above
		}
		if err := p.require(&j, r, above); err != nil {
			return err
		}
		j.Parents = t.ancestors(r)
		t.turns = append(t.turns, r.Asked)
		p.jobs = append(p.jobs, j)
		t.place(i)
	}
	for _, s := range t.order {
		if err := t.finish(s); err != nil {
			return err
		}
	}
	t.sort()
	p.decide()
	p.learn()
	p.vary()
	return nil
}

// A testRun is one execution of a test.
type testRun struct {
	proc eventlog.Process
	test eventlog.TestInfo // without file and line
}

func (p *replay) testOf(r *report.Request) testRun {
	return testRun{processOf(r), eventlog.TestInfo{Pkg: r.Test.Pkg, Name: r.Test.Name, Attempt: r.Test.Attempt}}
}

// scope is where a request takes its turn.
func (t *threading) scope(i int) *scope {
	r := &t.requests[i]
	k := fmt.Sprint("process ", processOf(r))
	parent := 0
	if r.Parent != "" {
		parent = t.index[r.Parent] // 0 if it is one of those left out
	}
	if parent > i || parent > 0 && t.patience[r.Parent] > 0 { // nonsense
		parent = 0
	}
	if parent > 0 {
		k = "lease " + r.Parent
	}
	s := t.scopes[k]
	if s == nil {
		s = &scope{parent: parent}
		t.scopes[k] = s
		t.order = append(t.order, s)
	}
	return s
}

// place finds out what the i-th job comes after.
func (t *threading) place(i int) {
	r, j := &t.requests[i], &t.jobs[i]
	s := t.scope(i)
	test := t.testOf(r)
	ph, l, beside := t.find(s, r, test)
	switch {
	case beside != nil:
		l = &lane{extra: true}
		ph.lanes = append(ph.lanes, l)
		t.accompany(j, i, beside)
	case l != nil && l.test == test && test.test.Name != "":
		t.follow(j, i, l)
	case l != nil && r.Kept == 0 && t.requests[l.last-1].Kept == 0:
		final := ph.final(l)
		t.jobs[final.last-1].Leaves = true
		j.Queued, j.At = true, r.Asked.Sub(final.ended)
		t.turns[i] = final.ended
		ph.queued = final.ended
	case l != nil:
		t.follow(j, i, l)
	default:
		l = &lane{}
		ph.lanes = append(ph.lanes, l)
		s.lanes = max(s.lanes, len(ph.lanes))
		t.begin(j, i, s)
	}
	l.last, l.ended, l.test = i+1, r.Ended, test
	if ph.last == 0 || r.Ended.After(t.requests[ph.last-1].Ended) {
		ph.last = i + 1
	}
	if r.Kept == 0 {
		j.Line = ph.line
		ph.members++
		if r.Ended.After(ph.end) {
			ph.end = r.Ended
		}
	}
}

// final is the lane, of those of the same test, that ended last.
func (ph *phase) final(l *lane) *lane {
	for _, o := range ph.lanes {
		if o.extra && o.test == l.test && o.ended.After(l.ended) {
			l = o
		}
	}
	return l
}

// find is the phase of a request, and the lane that it takes; nil for a new one.
// beside is the lane of the same test in which another request still goes on.
func (t *threading) find(s *scope, r *report.Request, test testRun) (ph *phase, l, beside *lane) {
	if n := len(s.phases); n > 0 {
		ph = s.phases[n-1]
		var own *lane
		for _, l := range ph.lanes {
			switch {
			case l.test != test || test.test.Name == "":
			case l.ended.After(r.Asked):
				beside = l
			case own == nil || l.ended.After(own.ended):
				own = l
			}
		}
		if own != nil {
			return ph, own, nil
		}
		if beside != nil {
			return ph, nil, beside
		}
	}
	if ph == nil || !t.requests[ph.last-1].Ended.After(r.Asked) && (len(ph.lanes) == 1 || parentTest(ph.lanes[0].test.test.Name) != parentTest(test.test.Name)) {
		t.lines++
		ph = &phase{line: t.lines}
		s.phases = append(s.phases, ph)
		return ph, nil, nil
	}
	var best *lane
	for _, l := range ph.lanes {
		if !l.extra && !t.ends[l.test].After(r.Asked) && (best == nil || l.ended.After(best.ended)) {
			best = l
		}
	}
	return ph, best, nil
}

// accompany ties a job to another of the same test, which asks on several goroutines:
// it comes after what the other has got, or else a while after the same as the other.
func (t *threading) accompany(j *simulate.Job, i int, l *lane) {
	r, o := &t.requests[i], &t.requests[l.last-1]
	if t.patience[o.ID] == 0 && !r.Asked.Before(granted(o)) {
		j.Within, j.At = l.last, r.Asked.Sub(granted(o))
		return
	}
	other := &t.jobs[l.last-1]
	j.Order, j.At = other.Order, other.At+r.Asked.Sub(o.Asked)
	if j.Queued { // it takes no slot of its own
		j.Order, j.At = simulate.Order{}, r.Asked.Sub(t.base)
	}
	j.Line, j.Leaves, j.Until = 0, false, 0
}

// parentTest is the test that a subtest belongs to, "" if it is none.
func parentTest(name string) string { return name[:max(0, strings.LastIndexByte(name, '/'))] }

// follow puts the job behind the last one of a lane.
func (t *threading) follow(j *simulate.Job, i int, l *lane) {
	r, before := &t.requests[i], &t.requests[l.last-1]
	if before.Kept > 0 { // its lease outlives its test, which goes on meanwhile
		j.Within, j.At = l.last, r.Asked.Sub(granted(before))
		return
	}
	j.After, j.At = l.last, r.Asked.Sub(before.Ended)
}

// granted is when a request was, on the clock of its asking.
func granted(r *report.Request) time.Time { return r.Asked.Add(r.Waited) }

// begin ties a job that opens a lane to what was before its phase.
func (t *threading) begin(j *simulate.Job, i int, s *scope) {
	r := &t.requests[i]
	if n := len(s.phases); n > 1 {
		before := s.phases[n-2]
		if last := &t.requests[before.last-1]; last.Kept > 0 {
			j.Within, j.At = before.last, r.Asked.Sub(granted(last))
		} else {
			j.AfterLine, j.At = before.line, r.Asked.Sub(last.Ended)
		}
		return
	}
	if s.parent > 0 {
		j.Within, j.At = s.parent, r.Asked.Sub(granted(&t.requests[s.parent-1]))
		return
	}
	if before := t.before(processOf(r), i); before > 0 {
		j.After, j.At = before, r.Asked.Sub(t.requests[before-1].Ended)
	}
}

// before is the request, counted from 1, whose end let a process begin, or 0: go
// test starts the next package when one is done.
func (p *replay) before(proc eventlog.Process, n int) int {
	began, best := p.processes[proc].from, 0
	for i := range p.requests[:n] {
		r := &p.requests[i]
		k := processOf(r)
		if k == proc || k.Host != proc.Host || k.Run != proc.Run || p.processes[k].to.After(began) || r.Kept > 0 {
			continue
		}
		if best == 0 || r.Ended.After(p.requests[best-1].Ended) {
			best = i + 1
		}
	}
	return best
}

// together is how far apart the ends of leases are that a test gives back at its end, at
// most: in the wrong order, as it seems, where an answer came late.
const together = 50 * time.Millisecond

// finish settles what only the whole of a scope tells.
func (t *threading) finish(s *scope) error {
	t.replay.lanes += s.lanes
	var last *phase
	for _, ph := range s.phases {
		for _, l := range ph.lanes {
			// The slot that the last test of a lane leaves is free for others, unless one
			// who took a turn later did not take it: then something that left no events
			// went on there.
			if l.extra {
				continue
			}
			l = ph.final(l)
			if j := &t.jobs[l.last-1]; j.Line > 0 && !ph.queued.After(l.ended) {
				j.Leaves = true
			}
		}
		if ph.members > 0 {
			last = ph
		}
	}
	if s.parent == 0 || last == nil {
		return nil
	}
	// What is held around others is held as long as they wait.
	t.replay.lanes--
	outer, j := &t.requests[s.parent-1], &t.jobs[s.parent-1]
	if !last.end.After(outer.Ended.Add(together)) {
		j.Until, j.Hold = last.line, max(0, outer.Ended.Sub(last.end))+outer.Kept
		return nil
	}
	for i := range t.requests {
		r := &t.requests[i]
		if t.index[r.Parent] == s.parent && r.Ended.After(outer.Ended) && float64(r.Waited) > tolerance*float64(j.Hold) {
			return fmt.Errorf("%w: %s waits for more while it holds something, and gives that back first: how long it holds depends on the wait", ErrNoEstimate,
				words.Plain(cmp.Or(r.Test.Name, r.Test.Pkg, r.ID)))
		}
	}
	return nil
}

// sort brings the jobs into the order in which they took their slots, which is
// that in which a simulation lets them take turns.
func (t *threading) sort() {
	for i := range t.jobs {
		for _, before := range []int{t.jobs[i].After, t.jobs[i].Within} {
			if before > 0 && t.turns[before-1].After(t.turns[i]) {
				t.turns[i] = t.turns[before-1]
			}
		}
	}
	order := make([]int, len(t.jobs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return t.turns[a].Compare(t.turns[b]) })
	place := make([]int, len(order)+1) // of the job, both counted from 1
	for to, from := range order {
		place[from+1] = to + 1
	}
	jobs, requests, uses := make([]simulate.Job, len(order)), make([]report.Request, len(order)), make([][]int, len(order))
	for to, from := range order {
		jobs[to], requests[to], uses[to] = t.jobs[from], t.requests[from], t.uses[from]
		jobs[to].After, jobs[to].Within = place[jobs[to].After], place[jobs[to].Within]
		for n, above := range jobs[to].Parents {
			jobs[to].Parents[n] = place[above]
		}
	}
	t.jobs, t.requests, t.uses = jobs, requests, uses
}
