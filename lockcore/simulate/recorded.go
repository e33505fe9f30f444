package simulate

import (
	"fmt"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Recorded is a policy for replays, which no store has: a request is let past those that
// its [Past] lists, once what it asks for is free but for their reservations, and past
// nobody else. So a replay follows decisions for which it lacks what the store knew.
const Recorded lockcore.QueuePolicy = -2

// Past says whom a job is let past, and from when on.
type Past struct {
	Jobs  []int         // counted from 1, in order
	After int           // from when that job, counted from 1, is over; 0: from its own arrival
	In    time.Duration // so much later
}

// past is what a simulation under [Recorded] keeps.
type past struct {
	now   int64
	over  []int64 // by job: when it was over; 0: it is not
	waits [][]int // by job: those that may be let past others once it is over
}

// setPast prepares a simulation under [Recorded].
func (s *sim) setPast() error {
	s.state.Policy, s.state.Passes = lockcore.Backfill, s.passes
	s.past.over, s.past.waits = make([]int64, len(s.jobs)), make([][]int, len(s.jobs))
	for i := range s.jobs {
		p := s.jobs[i].Past
		if p == nil {
			continue
		}
		if p.After < 0 || p.After > len(s.jobs) {
			return fmt.Errorf("simulate: job %d is let past others after job %d: count jobs from 1", i+1, p.After)
		}
		if p.After > 0 {
			s.past.waits[p.After-1] = append(s.past.waits[p.After-1], i)
		}
	}
	return nil
}

// passes is whom a job is let past now.
func (s *sim) passes(this, other string) bool {
	i := s.ids[this]
	if at, ok := s.passesFrom(i); !ok || at > s.past.now {
		return false
	}
	_, listed := slices.BinarySearch(s.jobs[i].Past.Jobs, s.ids[other]+1)
	return listed
}

// passesFrom is from when on a job that has arrived may be let past others, if that is
// known.
func (s *sim) passesFrom(job int) (at int64, known bool) {
	p := s.jobs[job].Past
	if p == nil {
		return 0, false
	}
	at = epoch + int64(s.out[job].Arrived)
	if p.After > 0 {
		at = s.past.over[p.After-1]
	}
	return at + int64(p.In), at > 0
}

// pastOver notes that a job is over, for those that may be let past others from then on.
func (s *sim) pastOver(e event) {
	if s.past.over == nil {
		return
	}
	s.past.over[e.job] = e.at
	for _, i := range s.past.waits[e.job] {
		s.lookWhenPast(i)
	}
}

// pastArrived is about a job that has come and waits.
func (s *sim) pastArrived(e event) {
	if s.past.over != nil {
		s.lookWhenPast(e.job)
	}
}

// lookWhenPast sees to it that somebody looks when a job may be let past others.
func (s *sim) lookWhenPast(job int) {
	if at, ok := s.passesFrom(job); ok && at > s.past.now {
		s.push(time.Duration(at-epoch), again, job)
	}
}

// lookAgain has the scheduler look at a job that waits, as it does where a request is
// revised.
func (s *sim) lookAgain(e event) {
	if _, arrived := s.ids[id(e.job)]; !arrived || s.out[e.job].Keys != nil {
		return
	}
	t := s.ticket(e.job)
	t.Revision = 1
	if g, _ := s.state.Ask(e.at, t, "", s.rnd); g != nil {
		s.took(e.at, e.job, g)
	}
}
