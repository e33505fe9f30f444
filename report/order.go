package report

import (
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A hand-off is told by two processes, and the one that got the resource is
// often faster with it than the one that gave it. Without the order put right,
// each such release would look like that of a holder who lost its lease.
const (
	lateTime = time.Second // how late a release may be told
	lateMax  = 20_000      // events held back, at most
)

// lateEvents is the events since a grant of what somebody still holds, as far as
// is known.
type lateEvents struct {
	events []eventlog.Event
	missed map[string]bool // requests whose end is not told yet
	ends   map[string]int  // requests whose end is, and where
}

// step takes one event, perhaps later than the ones after it.
func (f *fold) step(e *eventlog.Event) {
	b := &f.late
	if len(b.events) == 0 {
		missed := f.stillHeld(e)
		if len(missed) == 0 {
			f.apply(e)
			return
		}
		b.missed, b.ends = missed, map[string]int{}
	}
	b.events = append(b.events, *e)
	tooLate := when(e).Sub(when(&b.events[0])) > lateTime
	switch e.Ev {
	case eventlog.Release, eventlog.Lost, eventlog.Expired, eventlog.Reclaim:
		if k := e.RequestID(); b.missed[k] && !tooLate {
			delete(b.missed, k)
			b.ends[k] = len(b.events) - 1
		}
	}
	if len(b.missed) == 0 || len(b.events) >= lateMax || tooLate {
		f.catchUp()
	}
}

// catchUp takes the events held back: the releases that were told late, the
// grant, and the others.
func (f *fold) catchUp() {
	events, ends := f.late.events, f.late.ends
	f.late = lateEvents{}
	at := when(&events[0])
	taken := map[int]bool{0: true}
	for i := range events {
		if k := events[i].RequestID(); i > 0 && ends[k] == i {
			taken[i] = true
			e := events[i]
			if e.At = when(&e); e.At.After(at) {
				e.At = at
			}
			f.apply(&e)
		}
	}
	f.apply(&events[0])
	for i := range events {
		if !taken[i] {
			f.step(&events[i])
		}
	}
}

// stillHeld lists the requests that hold, as far as is known, what a grant gives
// to another.
func (f *fold) stillHeld(e *eventlog.Event) map[string]bool {
	if e.Ev != eventlog.Grant {
		return nil
	}
	r := f.requests[e.RequestID()]
	if r != nil && r.hold != nil {
		return nil // said twice
	}
	var held map[string]bool
	for i := range e.Chosen {
		s := f.slots[e.Chosen[i].Key]
		if s == nil || len(s.uses) == 0 {
			continue
		}
		var fresh use
		if j := e.Chosen[i].Req; r != nil && r.spec != nil && j >= 0 && j < len(r.spec.wants) {
			fresh.shared, fresh.seats = r.spec.wants[j].shared, r.spec.wants[j].seats
		}
		for j := range s.uses {
			if u := &s.uses[j]; u.cause == poolFull && !compatible(u, &fresh, false) && !f.isAbove(u.hold, r) {
				if held == nil {
					held = map[string]bool{}
				}
				held[u.hold.req.ID] = true
			}
		}
	}
	return held
}

// when is the time of an event.
func when(e *eventlog.Event) time.Time {
	if e.At.IsZero() {
		return e.TS
	}
	return e.At
}
