package report

import "github.com/resourcelocker/resourcelocker/report/eventlog"

// Backfill says who was served before somebody who came earlier, and what that
// brought.
type Backfill struct {
	Requests int   `json:"requests"`       // served early
	Passed   Stat  `json:"passed"`         // waits of the requests that they were served before
	FIFO     *FIFO `json:"fifo,omitempty"` // what fifo would have meant; package whatif fills it
}

// FIFO compares a run with what it would have been like under fifo. All figures
// are estimates, from replays of both: the median over random tie-breaks.
type FIFO struct {
	NoEstimate string      `json:"no_estimate,omitempty"` // why there are no figures
	Waits      eventlog.MS `json:"waits_ms"`              // how much more all requests would have waited
	Makespan   eventlog.MS `json:"makespan_ms"`           // how much longer it would have taken
	Cost       eventlog.MS `json:"passed_cost_ms"`        // how much longer those passed waited than they would have
	CostMax    eventlog.MS `json:"passed_cost_max_ms"`    // the most that one of them did
}
