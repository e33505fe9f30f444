package sched

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// ExpectedStarts says when each waiter of the snapshot will be served, by its ID,
// if everybody holds for as long as is expected: it plays the line forward through
// the scheduler itself. Waiters that wait for a holder of whom nothing is known, or
// for what is out of service, are left out.
//
//	board held by a, expected to end in 4m    b waits, takes 2m    c waits
//	expected starts                           b in 4m              c in 6m
//
// With an ID, it ends as soon as the start of that waiter is known.
//
// It knows less than the store: not who was let past whom, nor whose patience is at
// its end; and it looks a little more often at who may be let past others. And
// everything it is based on is a guess.
func ExpectedStarts(snap *lockcore.Snapshot, p lockcore.QueuePolicy, id string) map[string]time.Time {
	starts := make(map[string]time.Time, len(snap.Waiters))
	looks, waiters := looksLimit, len(snap.Waiters)
	for _, part := range split(snap) {
		if id != "" && !slices.ContainsFunc(part.waiters, func(i int) bool { return snap.Waiters[i].ID == id }) {
			continue
		}
		share := looks
		if id == "" { // by its size, of what those before it have left
			share = looks / waiters * len(part.waiters)
		}
		f := newForecast(snap, p, part)
		f.play(id, share, starts)
		looks, waiters = looks-min(share, f.state.looks), waiters-len(part.waiters)
	}
	return starts
}

// A forecast is a part of a line that is being played forward.
type forecast struct {
	state State
	ends  ends
}

// looksLimit bounds the work where nearly every waiter wants something else. What
// is not known by then, the later starts, stays unknown.
const looksLimit = 1_200_000

func newForecast(snap *lockcore.Snapshot, p lockcore.QueuePolicy, part *part) *forecast {
	f := &forecast{state: State{Policy: p, WaitersStay: true, now: snap.Time.UnixNano(), forecast: true}}
	f.state.init()
	f.state.playing = &playing{listed: part.listed, open: len(part.listed)}
	for _, i := range part.holders {
		f.hold(snap, &snap.Holders[i], uint64(i+1))
	}
	f.state.fence = uint64(len(snap.Holders))
	for i, c := range part.classes {
		at := part.waiters[i]
		f.wait(&snap.Waiters[at], c, uint64(at+1), snap.Usual)
	}
	return f
}

func (f *forecast) hold(snap *lockcore.Snapshot, h *lockcore.Holder, token uint64) {
	l := &lease{id: h.ID, reqs: h.Requirements, obtained: h.Obtained, owner: h.Owner, token: token, since: h.Since.UnixNano(), expires: never, expect: h.Expect, parents: h.Parents}
	switch h.State {
	case "disabled":
		l.kind = disabled
		l.id = disabledID(h.Keys()[0]) // whatever the store calls it
		fallthrough
	case "reserved", "kept", "foreign":
		if !h.Expires.IsZero() {
			l.expires = h.Expires.UnixNano()
		}
		l.kept = true
	}
	if l.since > f.state.now { // a clock that was put back
		l.since = f.state.now
	}
	if l.expect == 0 {
		l.guess = snap.Usual
	}
	end := f.state.expectedEnd(l)
	guessed := !l.kept && l.expect == 0
	switch took := time.Duration(end - l.since); { // one that overruns is not to move on as time passes here
	case l.kept || end == never:
	case guessed:
		l.guess = took
	default:
		l.expect = took
	}
	f.state.leases[l.id] = l
	f.state.occupy(l)
	if !guessed { // a guess says who is let past whom, and not when somebody starts
		f.until(l, end)
	}
}

func (f *forecast) wait(w *lockcore.Waiter, c *class, seq uint64, usual time.Duration) {
	v := &waiter{id: w.ID, owner: w.Owner, priority: w.Priority, arrived: w.Since.UnixNano(), seq: seq, expires: never, ttl: math.MaxInt64, expect: cmp.Or(w.For, w.Expect), hold: w.For, parents: w.Parents, guess: usual}
	f.state.classes[c.sig] = c
	c.waiters++
	v.class = c
	f.state.line(v)
}

func (f *forecast) until(l *lease, end int64) {
	if end != never {
		heap.Push(&f.ends, anEnd{end, l})
	}
}

// play lets leases end in the order in which they are expected to, and notes who is
// served when.
func (f *forecast) play(id string, limit int, starts map[string]time.Time) {
	s := &f.state
	for s.looks <= limit {
		s.schedule(nil)
		for _, g := range s.TakeGranted() {
			l := s.leases[g.ID]
			l.provisional, l.expires = 0, never
			starts[g.ID] = time.Unix(0, s.now)
			if l.expect > 0 {
				f.until(l, later(s.now, l.expect))
			}
			if g.ID == id {
				return
			}
		}
		if len(f.ends) == 0 || len(s.queue) == 0 {
			return
		}
		if s.look != 0 && s.look < f.ends[0].at {
			s.now = s.look // somebody may be short enough by then to be let past others
			continue
		}
		s.now = max(s.now, f.ends[0].at)
		for len(f.ends) > 0 && f.ends[0].at <= s.now {
			s.drop(heap.Pop(&f.ends).(anEnd).lease)
		}
	}
}

// An anEnd is when a lease is expected to end.
type anEnd struct {
	at    int64
	lease *lease
}

// ends is a heap of them, the earliest first.
type ends []anEnd

func (e ends) Len() int { return len(e) }
func (e ends) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].lease.token < e[j].lease.token
}
func (e ends) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)   { *e = append(*e, x.(anEnd)) }
func (e *ends) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
