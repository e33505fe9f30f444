package whatif

import (
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// settle gives every request that stood in line an end, and leaves out the others.
// A request that was never served kept others waiting all the same:
//
//	0s  TestPair asks for two boards, and keeps the free one aside
//	5s  it gives up; the test behind it is given that board
//
// So it waits in a replay, too, and gives up after as long. Who has no end in the
// events, as its process was killed, waited or held until its last sign of life, or
// until somebody else got what it held.
func (p *replay) settle() {
	takes := p.takes()
	within := map[string]time.Time{} // by request: when the last of those was over that had its lease from it
	for i := range p.requests {
		if r := &p.requests[i]; r.Parent != "" && r.Ended.After(within[r.Parent]) {
			within[r.Parent] = r.Ended
		}
	}
	kept := p.requests[:0]
	for i := range p.requests {
		r := &p.requests[i]
		switch {
		case r.Outcome == eventlog.Acquired && r.Ended.IsZero():
			p.unended++
			r.Ended = takes.until(r, r.Served.Add(r.Held))
			r.Held = r.Ended.Sub(r.Served)
		case r.Outcome == eventlog.Acquired:
			takes.cut(r, within[r.ID])
		case r.Outcome == "" && r.Waited > 0:
			p.unended++
			p.patience[r.ID] = r.Waited
			r.Ended = r.Asked.Add(r.Waited)
		case r.Outcome != "" && stoodInLine(r.Refusal):
			p.gaveUp++
			p.patience[r.ID] = max(r.Waited, time.Microsecond)
			r.Ended = r.Asked.Add(r.Waited)
		case r.Outcome == "": // it has just asked
			p.unended++
			continue
		default:
			p.leftOut++
			continue
		}
		p.served = p.served || r.Outcome == eventlog.Acquired
		kept = append(kept, *r)
	}
	clear(p.requests[len(kept):])
	p.requests = kept
}

// stoodInLine reports whether a request that was refused had waited in the line: a
// simulation, in which nothing fails, would serve the others sooner or later.
func stoodInLine(why eventlog.Refusal) bool {
	switch why {
	case eventlog.RefusedStore, eventlog.RefusedImpossible, eventlog.RefusedOutage, eventlog.RefusedDeadlock:
		return false
	}
	return true
}

// takes are the moments at which somebody took a key for himself, by key, sorted.
type takes map[string][]take

type take struct {
	at time.Time
	by *report.Request
}

func (p *replay) takes() takes {
	all := takes{}
	for i := range p.requests {
		r := &p.requests[i]
		if r.Outcome != eventlog.Acquired {
			continue
		}
		at := r.Served
		if g := granted(r); g.Before(at) && len(p.outside.again[identity(r.ID)]) == 0 {
			at = g // it was put on record a little later
		}
		for _, c := range r.Chosen {
			if c.Req >= 0 && c.Req < len(r.Reqs) && !r.Reqs[c.Req].Shared && r.Reqs[c.Req].Seats == 0 {
				all[c.Key] = append(all[c.Key], take{at, r})
			}
		}
	}
	for _, l := range all {
		slices.SortFunc(l, func(a, b take) int { return a.at.Compare(b.at) })
	}
	return all
}

// last is when the one who had a key before a request had given it back. Whose lease the
// request uses still has it.
func (t takes) last(key string, r *report.Request, above []*report.Request) (end time.Time) {
	for _, k := range t[key] {
		if k.by == r || !k.at.Before(granted(r)) || slices.ContainsFunc(above, func(a *report.Request) bool { return a.ID == k.by.ID }) {
			continue
		}
		if k.by.Ended.After(end) {
			end = k.by.Ended
		}
	}
	return end
}

// after is the first time that somebody takes a key later than that.
func (t takes) after(key string, at time.Time) (time.Time, bool) {
	for _, k := range t[key] {
		if k.at.After(at) {
			return k.at, true
		}
	}
	return time.Time{}, false
}

// cut ends a hold when somebody else had got one of its keys: the holder writes that it
// gave back when it has the answer of the store, and by then the store has given the key
// away.
//
//	0ms   the store takes board-1 back from TestA and gives it to TestB
//	2ms   TestB writes that it was given board-1
//	30ms  TestA, on a busy machine, writes that it gave board-1 back
//
// It has not ended before those within it had.
func (t takes) cut(r *report.Request, within time.Time) {
	at := t.until(r, r.Ended)
	if at.Before(within) {
		at = within
	}
	if at.Before(r.Ended) && r.Ended.Sub(at) < latencyMost && r.Kept == 0 {
		r.Held -= min(r.Held, r.Ended.Sub(at))
		r.Ended = at
	}
}

// until is when a hold without an end was over: when somebody else, who does not use
// it from within, got one of its keys, else at the given time.
func (t takes) until(r *report.Request, end time.Time) time.Time {
	var first time.Time
	for _, c := range r.Chosen {
		for _, k := range t[c.Key] {
			if k.by != r && k.by.Parent == "" && k.at.After(r.Served) {
				if first.IsZero() || k.at.Before(first) {
					first = k.at
				}
				break
			}
		}
	}
	if first.IsZero() {
		return end
	}
	return first
}
