package whatif

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A request that could not prepare what it got gives that back and asks again, at its
// place in line. The report has it as one request, with one wait. In a replay it is
// several, or it would get something else in place of what somebody else got:
//
//	0s  TestA and TestB ask for a board; board-1 and board-2 are taken
//	2s  both are given back: TestA gets board-1, and TestB board-2
//	2s  TestA cannot prepare board-1, and asks again
//	5s  board-2 is given back: TestA gets it
//
// With one request of TestA, and board-1 out of service, TestA would have board-2 from
// 2 s on, and TestB would wait.

// An attempt is what a request got before that was found not to be fit.
type attempt struct {
	id     string
	at     time.Time     // when it was put on record
	waited time.Duration // since it asked at first; 0: not on record
	chosen []eventlog.Chosen
	back   time.Time // when it had given that back
	failed bool
}

// attempt notes what a request gets and gives back.
func (o *outside) attempt(e *eventlog.Event, at time.Time) {
	switch e.Ev {
	case eventlog.Grant:
		o.given[e.Req] = attempt{id: e.Req, at: at, waited: e.WaitedMS.Bounded(), chosen: e.Chosen}
	case eventlog.Release, eventlog.Lost, eventlog.Expired, eventlog.Reclaim:
		if a := o.given[e.Req]; a.failed {
			a.back = at
			k := identity(e.Req)
			o.again[k] = append(o.again[k], a)
		}
		delete(o.given, e.Req)
	}
}

// failed notes that something which a request got is not fit.
func (o *outside) failed(e *eventlog.Event, at time.Time) {
	if a, ok := o.given[e.Req]; ok {
		a.failed = true
		o.given[e.Req] = a
	}
}

// identityLen is what of an identity is kept when a request asks again.
const identityLen = 26

// identity is the beginning of a request's identity, which stays the same.
func identity(id string) string {
	if i := strings.LastIndexByte(id, '-'); i > 0 {
		id = id[:i]
	}
	return id[:min(len(id), identityLen)]
}

// split makes several requests of each one that asked again.
func (p *replay) split() {
	var all []report.Request
	var absences []absence
	if len(p.outside.again) > 0 {
		absences = p.absences()
	}
	for i := range p.requests {
		r := &p.requests[i]
		asked := r.Asked
		for _, a := range p.outside.again[identity(r.ID)] {
			got := a.at
			if a.waited > 0 {
				got = asked.Add(a.waited)
			}
			if a.id == r.ID || got.Before(r.Asked) || a.back.Before(got) || r.Served.Before(a.back) {
				continue // nonsense, or not of this request
			}
			one := *r
			one.ID, one.Chosen, one.Blame = a.id, a.chosen, nil
			one.Waited, one.Served, one.Ended, one.Held, one.Kept = got.Sub(r.Asked), got, a.back, a.back.Sub(got), 0
			one.Outcome, one.End = eventlog.Acquired, eventlog.Release
			if len(a.chosen) == 1 {
				one.Kept = p.outAfter(absences, a)
			}
			all = append(all, one)
			p.priorities[a.id] = p.priorities[r.ID]
			r.Asked, r.Reached = a.back, time.Time{}
		}
		if r.Asked.After(asked) {
			r.Waited = max(0, r.Served.Sub(r.Asked))
			if p.patience[r.ID] > 0 {
				p.patience[r.ID] = max(r.Waited, time.Microsecond)
			}
			// It has not lost its place.
			p.priorities[r.ID] += int(math.Ceil(r.Asked.Sub(asked).Minutes()))
		}
	}
	p.again = len(all)
	p.requests = slices.Concat(p.requests, all)
}

// outAfter is how long what an attempt got was out of service afterwards. It is not for
// others as long as that, whichever it is in a replay.
func (p *replay) outAfter(absences []absence, a attempt) time.Duration {
	for _, o := range absences {
		if o.key == a.chosen[0].Key && !o.from.After(a.back.Add(outMost)) && o.to.After(a.back) {
			p.outside.kept = append(p.outside.kept, o)
			return o.to.Sub(a.back)
		}
	}
	return 0
}

// isKept reports whether an absence is part of an attempt.
func (o *outside) isKept(a absence) bool {
	return slices.ContainsFunc(o.kept, func(k absence) bool { return k.key == a.key && k.to.Equal(a.to) })
}
