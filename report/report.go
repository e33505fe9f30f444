package report

import (
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A Report is what [Fold] makes of events. Groups are sorted by the time that
// was waited, longest first, then by name.
type Report struct {
	From      time.Time   `json:"from"`
	To        time.Time   `json:"to"`
	Window    eventlog.MS `json:"window_ms"`
	Events    int         `json:"events"`
	Dropped   uint64      `json:"dropped"`           // events that their writers say they lost
	Missing   uint64      `json:"missing,omitempty"` // more events that are not there, by the numbers of their processes, from 1
	Runs      int         `json:"runs"`
	Processes int         `json:"processes"`
	Hosts     int         `json:"hosts"`
	Unplaced  int         `json:"unplaced_processes,omitempty"` // whose clock could not be compared with the others'

	Verdict    *Verdict  `json:"verdict,omitempty"`  // nil: nobody waited for long
	Suspects   []string  `json:"suspects,omitempty"` // what failures follow, in words; package suspects finds it
	Total      Group     `json:"total"`
	QueueMean  float64   `json:"queue_mean"` // requests waiting at one moment
	QueueMax   int       `json:"queue_max"`
	RenewFails int       `json:"renew_fails"`        // renewals that did not get through
	Backfill   *Backfill `json:"backfill,omitempty"` // nil: nobody was served early

	Pools     []Group       `json:"pools"`     // by name of the requirement
	Tests     []Group       `json:"tests"`     // by test, over all runs
	Resources []Group       `json:"resources"` // by key
	Tags      []Group       `json:"tags"`      // by tag, as name=value
	Holders   []HolderGroup `json:"holders"`   // by blame
	Pairs     []Pair        `json:"pairs"`     // by time
	Others    eventlog.MS   `json:"pairs_others_ms,omitzero"`
	Now       []OpenRequest `json:"open,omitempty"` // waits and holds whose end was not seen
	Blame     []CauseTime   `json:"blame"`          // of all waits, in the order of Causes

	packages map[string]map[string]string // test -> last part of the package -> package, "" for several
}

// A Group sums up requests. A request counts in every pool, resource and tag
// that it is about; only Blame divides it.
type Group struct {
	Name       string   `json:"name,omitempty"`
	Also       []string `json:"also,omitempty"` // other names of the same pool
	Pkg        string   `json:"pkg,omitempty"`  // of a test
	Requests   int      `json:"requests"`
	Acquired   int      `json:"acquired"`
	TimedOut   int      `json:"timeout"`
	Skipped    int      `json:"skipped"`
	Failed     int      `json:"failed"`
	Canceled   int      `json:"cancelled"`
	Lost       int      `json:"lost"`     // leases
	Orphaned   int      `json:"orphaned"` // leases
	Overtaken  int      `json:"overtakings"`
	Backfilled int      `json:"backfilled,omitempty"` // served before somebody who came earlier
	Wait       Stat     `json:"wait"`
	Hold       Stat     `json:"hold"`
	// Time spent in Prepare and Restore, which is part of neither Wait nor Hold.
	Prepare eventlog.MS `json:"prepare_ms,omitzero"`
	Restore eventlog.MS `json:"restore_ms,omitzero"`

	Blame []CauseTime `json:"blame,omitempty"` // of a pool: the time it was what requests waited for

	// Of pools, tags and resources.
	Size        int               `json:"size,omitempty"`        // resources
	Utilisation float64           `json:"utilisation,omitempty"` // 0 to 1
	InUse       float64           `json:"in_use,omitempty"`      // resources busy at one moment, on average
	Tags        map[string]string `json:"tags,omitempty"`        // of a resource

	// Of resources.
	Longest        *Longest `json:"longest,omitempty"`         // the test that held it longest
	FailedPrepares int      `json:"failed_prepares,omitempty"` // after which it may be out of service
	FailedRestores int      `json:"failed_restores,omitempty"`
	LastError      string   `json:"last_error,omitempty"` // of these

	// Of pools.
	Wear      *Wear   `json:"wear,omitempty"` // nil if fewer than two resources are known
	QueueMean float64 `json:"queue_mean,omitempty"`
	QueueMax  int     `json:"queue_max,omitempty"`

	BlockedBy *Blocker `json:"blocked_by,omitempty"` // of a test: who most
}

// Blamed is the sum of Blame.
func (g *Group) Blamed() (total eventlog.MS) {
	for _, c := range g.Blame {
		total += c.Time
	}
	return total
}

// A CauseTime is what was waited for one cause.
type CauseTime struct {
	Cause Cause       `json:"cause"`
	Time  eventlog.MS `json:"ms"`
}

// A Blocker is a test that others waited for.
type Blocker struct {
	Holder
	Time eventlog.MS `json:"ms"`
}

// A HolderGroup sums up a test as a holder. Holder is one of its runs where
// there are several.
type HolderGroup struct {
	Holder
	Runs   int         `json:"runs"`
	Hold   Stat        `json:"hold"`
	Caused eventlog.MS `json:"caused_ms"` // waits of others that it is blamed for
	Blame  []CauseTime `json:"blame,omitempty"`
}

// A Pair is a test that waited because of another.
type Pair struct {
	Waiter Holder      `json:"waiter"`
	Holder Holder      `json:"holder"`
	Cause  Cause       `json:"cause"`
	Time   eventlog.MS `json:"ms"`
}

// An OpenRequest is a wait or a hold whose end is not in the events.
type OpenRequest struct {
	Holder
	ID      string      `json:"id"`
	Waiting bool        `json:"waiting"` // else it holds Keys
	Keys    []string    `json:"keys,omitempty"`
	Wants   []string    `json:"wants,omitempty"` // names of requirements
	Since   time.Time   `json:"since"`
	For     eventlog.MS `json:"for_ms"` // until the last event of its process
}

// LockShare is the part of the time between asking and giving back that was
// spent waiting, from 0 to 1.
func (r *Report) LockShare() float64 {
	all := r.Total.Wait.Total + r.Total.Hold.Total
	if all == 0 {
		return 0
	}
	return float64(r.Total.Wait.Total) / float64(all)
}
