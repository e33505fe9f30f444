package report

import (
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A Verdict is what a reader wants to know first: what most waits were for, what can
// be done about it, and what that would bring.
type Verdict struct {
	Pool string      `json:"pool"` // the bottleneck, as the report calls it
	Also []string    `json:"also,omitempty"`
	Time eventlog.MS `json:"ms"` // waits that were spent on it

	// Advice is from a replay of the run, the best first; package whatif fills it.
	// There is none where a replay has no estimate, which NoEstimate says why, or
	// where nobody asked for it.
	Advice     []Advice `json:"advice,omitempty"`
	NoEstimate string   `json:"no_estimate,omitempty"`

	// GaveUp is how many requests were not served, as they were to wait no longer, or
	// not at all. That their waits were short is no good sign.
	GaveUp int `json:"gave_up,omitempty"`

	Cause  Cause    `json:"cause"`            // what most of Time was spent on
	Holder *Blocker `json:"holder,omitempty"` // who caused most waits, for whatever pool
}

// An AdviceKind says what to do.
type AdviceKind string

// The kinds of advice.
const (
	Add     AdviceKind = "add"     // one resource more
	Remove  AdviceKind = "remove"  // one resource less, which would not be missed
	Shorten AdviceKind = "shorten" // a test that holds half as long
	Expect  AdviceKind = "expect"  // tests say how long they hold, or the store has seen them before

	WaitLonger AdviceKind = "wait" // those who gave up wait until they are served
)

// Advice is one thing to do, and what it would have brought, estimated by replays of
// several nights like the run, see package whatif.
type Advice struct {
	Do       AdviceKind `json:"do"`
	What     string     `json:"what,omitempty"` // the pool, or the test
	Waits    Span       `json:"waits_less"`     // how much less all requests would have waited
	Makespan Span       `json:"makespan_less"`  // how much sooner the run would have ended

	// Served is how many of those who gave up would have been served. How long they would
	// have held is guessed by the holds of others.
	Served  int  `json:"served,omitempty"`
	Longest Span `json:"longest_wait,omitzero"` // of WaitLonger: the longest wait of these
}

// A Span is a duration over several nights; it may be less than nothing.
type Span struct {
	Min    eventlog.MS `json:"min_ms"`
	Median eventlog.MS `json:"median_ms"`
	Max    eventlog.MS `json:"max_ms"`
}

// Negligible is the time below which reports leave a wait out: it is the time of round
// trips to the store and of hand-offs.
const Negligible = eventlog.MS(10 * time.Millisecond)

// byCauses finds the pool that most waits were spent on, or, if nobody waited, the one
// that most gave up on.
func (f *fold) byCauses(r *Report) *Verdict {
	var worst *Group
	for i := range r.Pools {
		if g := &r.Pools[i]; worst == nil || g.Blamed() > worst.Blamed() {
			worst = g
		}
	}
	gaveUp := f.total.late
	if worst == nil || worst.Blamed() < Negligible && gaveUp == 0 {
		return nil
	}
	if worst.Blamed() < Negligible {
		late := map[string]int{}
		for _, p := range f.namedPools {
			late[p.name] = p.totals.late
		}
		worst = &r.Pools[0]
		for i := range r.Pools {
			if g := &r.Pools[i]; late[g.Name] > late[worst.Name] {
				worst = g
			}
		}
	}
	v := &Verdict{Pool: worst.Name, Also: worst.Also, Time: worst.Blamed(), GaveUp: gaveUp}
	var most eventlog.MS
	for _, c := range worst.Blame {
		if c.Time > most {
			v.Cause, most = c.Cause, c.Time
		}
	}
	if v.Cause == "" {
		v.Cause = PoolFull
	}
	if len(r.Holders) > 0 && r.Holders[0].Caused >= Negligible {
		v.Holder = &Blocker{r.Holders[0].Holder, r.Holders[0].Caused}
	}
	return v
}

// Matters reports whether tests spend a good part of their time with locks in waits, or
// give up. If they do not, nobody would notice the mend of a bottleneck.
func (r *Report) Matters() bool {
	return r.Verdict != nil && (r.LockShare() >= 0.05 || r.Verdict.GaveUp > 0)
}
