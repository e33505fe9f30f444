package eventlog

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Version is the major version of the format. A reader skips, and counts, lines
// of a higher one; fields may be added without a change of it.
const Version = 1

// A Kind says what an [Event] reports. Unknown kinds are kept by the reader and
// ignored by reports.
type Kind string

// The kinds. A request that is served writes Request, perhaps Queue, Grant and
// Release; one that is not ends with Withdraw. Everything about one request
// carries the same Event.Req.
const (
	Run       Kind = "run"        // a process began to write; first line of a file
	Pool      Kind = "pool"       // candidates known to exist: the long lists that Reqs leaves out
	TestStart Kind = "test.start" // a test began,
	TestPause Kind = "test.pause" // gave up its parallel slot,
	TestCont  Kind = "test.cont"  // got one back,
	TestEnd   Kind = "test.end"   // and ended
	Request   Kind = "request"    // somebody asked; begins the wait
	Queue     Kind = "queue"      // it still waits: place in line and blockers, or the store's error
	Grant     Kind = "grant"      // it got everything; ends the wait, begins the hold
	Withdraw  Kind = "withdraw"   // it gave up; ends the wait
	Unfit     Kind = "unfit"      // Prepare or Restore failed for what Chosen names
	RenewFail Kind = "renew_fail" // a renewal did not get through; the lease still lives
	Release   Kind = "release"    // it gave everything back; ends the hold
	Lost      Kind = "lost"       // the holder learnt that its lease is gone; ends the hold
	Expired   Kind = "expired"    // a lease ran out unrenewed; ends the hold
	Reclaim   Kind = "reclaim"    // a lease was taken from a holder known to be dead; ends the hold
	Action    Kind = "action"     // a person reserved, released, disabled, enabled or freed what Chosen names
)

// Kinds lists all kinds of this version.
var Kinds = []Kind{Run, Pool, TestStart, TestPause, TestCont, TestEnd, Request, Queue, Grant, Withdraw, Unfit, RenewFail, Release, Lost, Expired, Reclaim, Action}

// An Outcome says how a wait or a hold ended.
type Outcome string

// The outcomes. Skipped and Failed are what a policy made of a request that was
// not served; Event.Refusal says why it was not.
const (
	Acquired    Outcome = "acquired"
	TimedOut    Outcome = "timeout"
	Skipped     Outcome = "skipped"
	Failed      Outcome = "failed"
	Cancelled   Outcome = "cancelled"
	LeaseLost   Outcome = "lost"
	LeaseExpiry Outcome = "expired"
)

// A Verdict says how a test ended.
type Verdict string

// The verdicts. A test that left by runtime.Goexit without failing has panicked, as
// package testing has it. No verdict means that it is not known: the process was
// killed, or an older version wrote the log.
const (
	VerdictPassed   Verdict = "passed"
	VerdictFailed   Verdict = "failed"
	VerdictSkipped  Verdict = "skipped"
	VerdictPanicked Verdict = "panicked"
)

// Bad reports whether the test failed or panicked.
func (v Verdict) Bad() bool { return v == VerdictFailed || v == VerdictPanicked }

// A Refusal says why a request was not served.
type Refusal string

// The refusals.
const (
	RefusedBusy       Refusal = "busy"       // a single attempt found it taken
	RefusedTimeout    Refusal = "timeout"    // the wait was over
	RefusedOutage     Refusal = "outage"     // nothing that is in service could serve it
	RefusedStore      Refusal = "store"      // the store could not be asked
	RefusedImpossible Refusal = "impossible" // not even with everything free
	RefusedDeadlock   Refusal = "deadlock"   // waiters in a circle
	RefusedCancelled  Refusal = "cancelled"  // the caller went away
)

// An Event is one line of an event log. Empty fields are left out of the line.
//
// A producer fills what it knows; [Writer.Write] fills V, Seq, TS, MonoMS, Run,
// Host and PID. Durations are from the monotonic clock of the process, which also
// orders its events; TS is its wall clock, Srv the clock of the store where it is
// known, which orders events of several processes.
type Event struct {
	V      int       `json:"v"`
	Ev     Kind      `json:"ev"`
	Seq    uint64    `json:"seq"` // counts the events of one process, from 1; a gap means a loss
	TS     time.Time `json:"ts"`
	Srv    time.Time `json:"srv,omitzero"`
	MonoMS MS        `json:"mono_ms"` // since the writer was opened

	Run  RunInfo  `json:"run,omitzero"`
	Host string   `json:"host,omitempty"`
	PID  int      `json:"pid,omitempty"`
	Test TestInfo `json:"test,omitzero"`

	Req    string        `json:"req,omitempty"`    // identity of the request, unique over all machines
	Parent string        `json:"parent,omitempty"` // Req of the lease that the same test already held
	Reqs   []Requirement `json:"reqs,omitempty"`   // what is asked for; on Request, and on Queue when it changed
	Chosen []Chosen      `json:"chosen,omitempty"` // what was given; on Grant

	WaitedMS  MS        `json:"waited_ms,omitzero"`  // on Grant and Withdraw: all of it; on Queue: so far
	HeldMS    MS        `json:"held_ms,omitzero"`    // on what ends a hold
	KeptMS    MS        `json:"kept_ms,omitzero"`    // on Release: kept that much longer, for somebody to look at it
	PrepareMS MS        `json:"prepare_ms,omitzero"` // on Unfit, Release and Lost: how long Prepare took, which is part of neither wait nor hold
	RestoreMS MS        `json:"restore_ms,omitzero"` // on Unfit, Release and Lost: how long Restore took
	Polls     int       `json:"polls,omitempty"`     // how often the store was asked
	QueuePos  int       `json:"queue_pos,omitempty"`
	Since     time.Time `json:"since,omitzero"`     // on Queue and Withdraw: when it joined the line, by the clock of the store
	Priority  int       `json:"priority,omitempty"` // one level is worth a minute of waiting
	LeaseMS   MS        `json:"lease_ms,omitzero"`  // life of the lease between renewals
	ExpectMS  MS        `json:"expect_ms,omitzero"` // on Request: how long it says it will hold
	Deadline  time.Time `json:"deadline,omitzero"`  // when the wait would end
	Policy    string    `json:"policy,omitempty"`   // "fail" or "skip"
	Store     string    `json:"store,omitempty"`    // on Request: kind of the store, as the scheme of its URL says: "file", "redis"
	Outcome   Outcome   `json:"outcome,omitempty"`
	Verdict   Verdict   `json:"verdict,omitempty"` // on TestEnd
	Refusal   Refusal   `json:"cause,omitempty"`
	Error     string    `json:"error,omitempty"`

	// Backfilled says, on Grant, that it was served before somebody who came
	// earlier, out of what was reserved for them.
	Backfilled bool `json:"backfilled,omitempty"`

	// Blockers are those in the way at that moment, most relevant first: on
	// Queue, on Withdraw, and on Request where they are known at once.
	Blockers     []Blocker `json:"blockers,omitempty"`
	BlockersMore int       `json:"blockers_more,omitempty"` // how many were left out

	// On Action: what was done ("reserve", "extend", "release", "disable", "enable",
	// "free"), by whom, why, and when that ends by itself.
	Action string    `json:"action,omitempty"`
	User   string    `json:"user,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Until  time.Time `json:"until,omitzero"`

	Dropped uint64 `json:"dropped,omitempty"` // events lost by this writer since its last line

	// At is when the event happened, on the clock that orders the whole input: the
	// store's where it is known. The reader fills it; it is not in the line.
	At time.Time `json:"-"`
	// Unplaced says that At comes from a machine whose clock could not be compared
	// with those of others in the input. The reader fills it, too.
	Unplaced bool `json:"-"`
	// Line is the line that the event was read from, without its end, if
	// Reader.KeepLines asks for it.
	Line []byte `json:"-"`
}

// RequestID is the identity of the request that an event is about: Req, and where
// a producer left it out, the test that asks. A test without request identities is
// taken to have one request at a time.
func (e *Event) RequestID() string {
	if e.Req != "" {
		return e.Req
	}
	return fmt.Sprintf("%s %d %s %s", e.Host, e.PID, e.Test.Pkg, e.Test.Name)
}

// Process is the process that wrote the event.
func (e *Event) Process() Process { return Process{e.Host, e.Run.ID, e.PID} }

// A Process is one process of a run. Machines use process numbers again, so the host and
// the run belong to it.
type Process struct {
	Host, Run string
	PID       int
}

// RunInfo identifies the run of a test suite that a process belongs to.
type RunInfo struct {
	ID      string `json:"id,omitempty"`      // the same in all its processes
	Attempt int    `json:"attempt,omitempty"` // of a CI job that was started again
	CI      string `json:"ci,omitempty"`      // "github", "gitlab", ...
	Job     string `json:"job,omitempty"`
	URL     string `json:"url,omitempty"`   // where a person can look at the job
	Shard   string `json:"shard,omitempty"` // index of a parallel job
}

// TestInfo names the test that asks.
type TestInfo struct {
	Pkg     string `json:"pkg,omitempty"` // import path
	Name    string `json:"name,omitempty"`
	Attempt int    `json:"attempt,omitempty"` // which run of it in this process: 2 is the second
	File    string `json:"file,omitempty"`    // of the call that asks
	Line    int    `json:"line,omitempty"`
	Runner  string `json:"runner,omitempty"` // "go test" if empty, else "ginkgo", ...
}

// A Requirement is one part of a request.
type Requirement struct {
	Name       string            `json:"name,omitempty"`
	Need       int               `json:"need,omitempty"` // 0 means 1
	Candidates []string          `json:"candidates,omitempty"`
	Count      int               `json:"count,omitempty"` // of the candidates, where the list is left out
	Hash       string            `json:"hash,omitempty"`  // of the candidates, where the list is left out; see CandidateHash
	Tags       map[string]string `json:"tags,omitempty"`  // those that all candidates have
	Shared     bool              `json:"shared,omitempty"`
	Seats      int               `json:"seats,omitempty"` // of each candidate
}

// A Chosen is one key that a request got.
type Chosen struct {
	Key   string            `json:"key"`
	Req   int               `json:"req"` // index into Event.Reqs of the request
	Tags  map[string]string `json:"tags,omitempty"`
	Fence uint64            `json:"fence,omitempty"`
}

// A Blocker is somebody in the way of a request.
type Blocker struct {
	Key     string    `json:"key,omitempty"`
	Req     string    `json:"req,omitempty"` // identity of its lease or ticket
	Run     string    `json:"run,omitempty"`
	URL     string    `json:"url,omitempty"`
	Pkg     string    `json:"pkg,omitempty"`
	Test    string    `json:"test,omitempty"`
	Host    string    `json:"host,omitempty"`
	PID     int       `json:"pid,omitempty"`
	User    string    `json:"user,omitempty"`  // the person who has reserved or disabled it
	State   string    `json:"state,omitempty"` // "held" if empty, "granted", "kept", "reserved", "disabled", "foreign" or "waiting"
	Since   time.Time `json:"since,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
}

// MS is a duration that is written as a number of milliseconds, with up to
// three decimals: milliseconds are what people compare, microseconds keep the
// sums of many short holds right.
type MS time.Duration

// Duration converts it.
func (m MS) Duration() time.Duration { return time.Duration(m) }

// Bounded is the duration in whole microseconds, cut to the range from 0 to a year. A
// broken line may say anything; sums of bounded durations do not overflow.
func (m MS) Bounded() time.Duration {
	return max(0, min(time.Duration(m), 365*24*time.Hour)).Round(time.Microsecond)
}

// MarshalJSON writes 1500, or 0.25.
func (m MS) MarshalJSON() ([]byte, error) {
	us := time.Duration(m).Round(time.Microsecond).Microseconds()
	if us%1000 == 0 {
		return strconv.AppendInt(nil, us/1000, 10), nil
	}
	return strconv.AppendFloat(nil, float64(us)/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads any JSON number; what exceeds a duration is cut to the
// longest one.
func (m *MS) UnmarshalJSON(b []byte) error {
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil && n > -maxMS && n < maxMS {
		*m = MS(n) * MS(time.Millisecond)
		return nil
	}
	if string(b) == "null" {
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil && f == 0 {
		return err
	}
	*m = MS(math.Round(max(-maxMS, min(maxMS, f))*1000)) * MS(time.Microsecond)
	return nil
}

// maxMS is the longest duration, in milliseconds, with room for the rounding of
// a float.
const maxMS = (1<<63-1)/1_000_000 - 1000
