package report

import (
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A Request is what happened to one request, as [Options.OnRequest] gets it.
type Request struct {
	ID     string
	Parent string // ID of a lease that the same test already held
	Run    eventlog.RunInfo
	Host   string
	PID    int
	Test   eventlog.TestInfo
	Reqs   []eventlog.Requirement // shared; do not change

	Asked    time.Time // on the clock that orders the events
	Served   time.Time // when it was granted or gave up; zero if neither was seen
	Ended    time.Time // when the hold ended; zero if that was not seen
	Waited   time.Duration
	Held     time.Duration
	Prepared time.Duration // how long Prepare took of what it got, which is part of neither Waited nor Held
	Restored time.Duration // how long Restore took, likewise
	Kept     time.Duration // how much longer the lease was to be kept for somebody to look
	Vain     []Request     // what it got before and could not prepare: Chosen, Served and Ended of each

	// Outcome is that of the wait; empty if its end was not seen: the process was
	// killed, or still runs.
	Outcome eventlog.Outcome
	Refusal eventlog.Refusal // why it was not served
	Error   string
	Chosen  []eventlog.Chosen // shared; do not change
	End     eventlog.Kind     // how the hold ended: Release, Lost, Expired, Reclaim, or empty

	Blame       []Share // sums to Waited
	OvertakenBy int     // requests that came later and took what it could have used
	Backfilled  bool    // it was served before somebody who came earlier, out of what was reserved for them
	PassedBy    int     // those of OvertakenBy that were backfilled
	Polls       int

	// Reached is when it reached its store, or zero if nothing tells. Who waits learns
	// it from the store with who is in the way. Of others, what a later one got may
	// tell when it was at the earliest:
	//
	//	0ms  TestA asks for a board
	//	3ms  TestB asks, too, and is given the only one
	//
	// TestA's request reached the store after 3 ms, or it would have had the board.
	Reached time.Time
}

// GaveUp reports whether the request was not served since it was to wait no longer, or
// not at all. Who was cancelled, or met a fault, has not given up.
func (r *Request) GaveUp() bool {
	over := r.Outcome == eventlog.TimedOut || r.Outcome == eventlog.Skipped
	return over && (r.Refusal == "" || r.Refusal == eventlog.RefusedTimeout || r.Refusal == eventlog.RefusedBusy)
}

// BlockedBy is whom most of the wait was spent on, and how much; the zero
// Share if nobody is known.
func (r *Request) BlockedBy() Share {
	times := map[Holder]eventlog.MS{}
	var best Share
	for _, s := range r.Blame {
		if s.Holder == (Holder{}) {
			continue
		}
		times[s.Holder] += s.Time
		if t := times[s.Holder]; t > best.Time {
			best = Share{Cause: s.Cause, Holder: s.Holder, Pool: s.Pool, Time: t}
		}
	}
	return best
}

// A request is an open request.
type request struct {
	Request
	label   labelID
	spec    *spec
	start   micros // of the wait
	rank    micros // start, moved forward by the priority
	seq     int    // among those that start at the same time
	waiting bool
	proc    *proc
	lease   time.Duration
	local   bool // its store sees at once when a holder dies

	demand      *demand // nil while it does not wait, or waits for the store
	block       *block  // of the demand, in which it joined
	since       micros  // when it joined, or when the store failed
	broken      bool    // it waits for the store
	ahead       parts   // time recorded as behind this request, for others
	blame       []part  // of what it left behind
	overtakenBy int     // of the last grant that overtook it

	hold *hold
	owes bool   // its wait is over, and not charged yet
	own  micros // that wait

	lined       bool   // the store said when it joined the line, which is Reached
	first       string // beginning of its identity, once that has changed
	unprepared  bool   // Prepare failed for what it holds
	interrupted bool   // it has given that back, and did not ask again yet
	prepareFrom micros // when Prepare began that failed
	away        micros // time since its beginning that was no wait, as Prepare ran in vain
}

// before is the order in which waiters are served.
func (r *request) before(o *request) bool {
	if r.rank != o.rank {
		return r.rank < o.rank
	}
	return r.seq < o.seq
}

// A hold is a granted request.
type hold struct {
	req     *request
	start   micros
	end     micros // of the last key, once they are gone
	keys    int    // of the slots, still there
	expires micros // of the lease, as the latest snapshot told; 0: unknown
	gone    micros // until then, blame was given to the orphaned lease
	slots   []*slot
	joined  []stand // uses of what holds above it have
	within  []*slot // what was such a use
}

// A proc is a process that writes events.
type proc struct {
	last     micros                  // its last sign of life
	unplaced bool                    // its clock could not be compared with others
	tests    map[testRunKey]*TestRun // that go on, if somebody wants to know

	events, dropped, high uint64 // with numbers; that its writer says it lost; the highest number
}

// number notes the number of an event.
func (p *proc) number(e *eventlog.Event) {
	p.dropped += e.Dropped
	if e.Seq == 0 || e.Ev == eventlog.Pool {
		return // a Pool event has the number of the one that it goes with
	}
	p.events++
	p.high = max(p.high, e.Seq)
}

// missing is how many events are not there, beyond those that were dropped. Numbers
// begin with 1, as a writer begins with a Run event.
func (p *proc) missing() uint64 {
	return p.high - min(p.high, p.events+p.dropped)
}

// namedPools lists the named pools of the request, each once.
func (r *request) namedPools() []int32 {
	if r.spec == nil {
		return nil
	}
	l := make([]int32, 0, 4)
	for i := range r.spec.wants {
		if n := r.spec.wants[i].name; !slices.Contains(l, n) {
			l = append(l, n)
		}
	}
	return l
}

// distinctSlots lists the keys that were given, each once.
func (r *request) distinctSlots() []*slot {
	l := make([]*slot, 0, 4)
	for _, s := range r.hold.slots {
		if !slices.Contains(l, s) {
			l = append(l, s)
		}
	}
	return l
}

// tagList lists the tags of what was given, or asked for in vain, as k=v, each
// once and sorted.
func (r *request) tagList() []string {
	var l []string
	add := func(tags map[string]string) {
		for k, v := range tags {
			l = append(l, k+"="+v)
		}
	}
	if r.hold != nil {
		for i := range r.Chosen {
			add(r.Chosen[i].Tags)
		}
	} else {
		for i := range r.Reqs {
			add(r.Reqs[i].Tags)
		}
	}
	slices.Sort(l)
	return slices.Compact(l)
}
