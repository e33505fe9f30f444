package simulate

import (
	"errors"
	"fmt"
)

// An Order ties a job to others. A recorded run is not a list of arrivals: had a
// test waited less, what came after it would have come earlier. The zero value
// ties it to nothing; of After, Within, AfterLine and Queued one may be set, and
// Job.At counts from what that says. Jobs are counted from 1.
type Order struct {
	// After makes the job arrive when an earlier one has been given back: a test
	// that asks again.
	After int
	// Within makes the job arrive when an earlier one was granted: a test that
	// asks for more while it holds something.
	Within int
	// AfterLine makes the job arrive when all jobs of that line are over: the
	// tests that begin when parallel ones are done.
	AfterLine int
	// Queued makes the job arrive when another of its Line gives up its place:
	// parallel tests, more than may run at a time. Such jobs take turns in the
	// order in which they are given to [Run].
	Queued bool

	// Line is the line that the job belongs to, from 1; 0 is none.
	Line int
	// Leaves says that the job, when it is over, gives up its place in the line.
	Leaves bool
	// Until makes the hold begin to count when all jobs of that line are over, if
	// it is not 0: a lease around others, which is held while they wait.
	Until int
}

// free reports whether the job arrives at a time of its own.
func (o *Order) free() bool { return o.After == 0 && o.Within == 0 && o.AfterLine == 0 && !o.Queued }

// order keeps track of who comes after whom. It has no clock: it is told what
// happened, and answers who is next.
type order struct {
	after, within [][]int // by job: those who wait for it
	lines         []line  // by number
}

// A line is jobs that share a number of places.
type line struct {
	open         int   // jobs that are not over
	queue        int   // who waits for a place is queued[queue:]
	queued       []int // in the order of their turns
	after, holds []int // who waits until all are over, to arrive or to count the hold
}

// next is whose turn it is: to arrive, or to begin to count the hold.
type next struct{ arrive, hold []int }

func newOrder(jobs int) order {
	return order{after: make([][]int, jobs), within: make([][]int, jobs)}
}

func (r *order) line(n int) *line {
	for len(r.lines) <= n {
		r.lines = append(r.lines, line{})
	}
	return &r.lines[n]
}

// add enters the next job.
func (r *order) add(i int, o *Order) error {
	set := 0
	for _, is := range []bool{o.After != 0, o.Within != 0, o.AfterLine != 0, o.Queued} {
		if is {
			set++
		}
	}
	if set > 1 {
		return fmt.Errorf("simulate: job %d waits for more than one thing: set one of After, Within, AfterLine and Queued", i+1)
	}
	for _, n := range []int{o.After, o.Within} {
		if n < 0 || n > i {
			return fmt.Errorf("simulate: job %d comes after job %d: it must be an earlier one", i+1, n)
		}
	}
	// A line takes memory for each number below its own.
	for _, n := range []int{o.Line, o.AfterLine, o.Until} {
		if n < 0 || n > len(r.after) {
			return fmt.Errorf("simulate: job %d speaks of line %d: count lines from 1, and have no more of them than jobs", i+1, n)
		}
	}
	if o.Line == 0 && (o.Queued || o.Leaves) {
		return fmt.Errorf("simulate: job %d: %w", i+1, errNoLine)
	}
	if o.After > 0 {
		r.after[o.After-1] = append(r.after[o.After-1], i)
	}
	if o.Within > 0 {
		r.within[o.Within-1] = append(r.within[o.Within-1], i)
	}
	if o.Line > 0 {
		l := r.line(o.Line)
		l.open++
		if o.Queued {
			l.queued = append(l.queued, i)
		}
	}
	if o.AfterLine > 0 {
		l := r.line(o.AfterLine)
		l.after = append(l.after, i)
	}
	if o.Until > 0 {
		r.line(o.Until) // so that it is there to be asked
	}
	return nil
}

var errNoLine = errors.New("it is Queued, or Leaves, but belongs to no line: set Line")

// granted says that a job holds now.
func (r *order) granted(i int, o *Order) next {
	n := next{arrive: r.within[i]}
	if o.Until > 0 {
		if l := r.line(o.Until); l.open > 0 {
			l.holds = append(l.holds, i)
			return n
		}
	}
	n.hold = []int{i}
	return n
}

// over says that a job has given everything back.
func (r *order) over(i int, o *Order) next {
	n := next{arrive: r.after[i]}
	if o.Line == 0 {
		return n
	}
	l := r.line(o.Line)
	if o.Leaves && l.queue < len(l.queued) {
		n.arrive = append(n.arrive[:len(n.arrive):len(n.arrive)], l.queued[l.queue])
		l.queue++
	}
	if l.open--; l.open == 0 {
		n.arrive = append(n.arrive[:len(n.arrive):len(n.arrive)], l.after...)
		n.hold = l.holds
	}
	return n
}
