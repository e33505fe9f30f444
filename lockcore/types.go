package lockcore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
)

// A Candidate is one resource that may satisfy a requirement.
type Candidate struct {
	// Key names the resource, the same on every machine. Any non-empty string
	// will do: spaces, slashes, quotes and Unicode are kept as they are.
	Key string `json:"key"`
	// Tags describe the resource in events and reports. Stores ignore them.
	Tags map[string]string `json:"tags,omitempty"`
}

// A Requirement asks for Need of its Candidates.
//
// Without Shared and Seats a candidate is taken exclusively: nobody else holds
// it in any way. Candidates must be distinct within one requirement; the same
// key may stand in several requirements of a request, and is then given to one
// of them.
type Requirement struct {
	Name       string      `json:"name,omitempty"` // what messages and reports call it
	Candidates []Candidate `json:"candidates"`
	Need       int         `json:"need,omitempty"`   // how many; 0 means 1
	Shared     bool        `json:"shared,omitempty"` // read access: shared with other shared holders
	// Seats, when above 0, says that each candidate has that many seats; every
	// unit of Need takes one seat, and several may come from one candidate.
	// Holders that disagree about the number are held to the lowest.
	Seats  int    `json:"seats,omitempty"`
	Choice Choice `json:"choice,omitempty"` // which of the free candidates; default Random
}

// Units is the number of keys the requirement asks for: Need, or 1.
func (r Requirement) Units() int {
	if r.Need == 0 {
		return 1
	}
	return r.Need
}

// FreeBeside is how many units of a key the requirement could take beside those
// who hold one unit each, in the way of the given requirements: 1 or 0, or a
// number of seats. It is the rule by which every store grants.
func (r Requirement) FreeBeside(held ...Requirement) int {
	var u modes.Units
	for i := range held {
		u.Add(held[i].mode())
	}
	return u.Free(r.mode())
}

func (r *Requirement) mode() modes.Mode { return modes.Mode{Shared: r.Shared, Seats: r.Seats} }

// A Choice is a rule for picking among free candidates.
type Choice int

// The choices. Random spreads wear and keeps clients that share a list from
// queueing for its first entry.
const (
	Random            Choice = iota
	InOrder                  // the first free one in the order of the candidates
	LeastRecentlyUsed        // the one whose last use under this choice is longest ago
)

// An Owner says who asks, for the messages that other waiters see. Every field
// may be empty; [New] fills Host and PID.
type Owner struct {
	Test    string `json:"test,omitempty"`    // name of the test, as go test prints it
	Package string `json:"package,omitempty"` // its import path
	Host    string `json:"host,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Run     string `json:"run,omitempty"`  // identity of the test run or CI job
	URL     string `json:"url,omitempty"`  // where a person can look at that job
	Site    string `json:"site,omitempty"` // file:line of the call that asked
	User    string `json:"user,omitempty"` // user@host of a person; empty when a program asks
}

// String is the owner in one line: test, package, host, pid and job URL, as far as they
// are known. Of a person it is the name, and the URL if there is one: the process that
// asked for the person has usually ended.
func (o Owner) String() string {
	var where []string
	if o.User != "" && o.Test == "" {
		if o.URL != "" {
			return o.User + " (" + o.URL + ")"
		}
		return o.User
	}
	if o.Package != "" {
		where = append(where, o.Package)
	}
	if o.Host != "" {
		where = append(where, o.Host)
	}
	if o.PID != 0 {
		where = append(where, fmt.Sprint("pid ", o.PID))
	}
	if o.URL != "" {
		where = append(where, o.URL)
	}
	name := o.Test
	if name == "" {
		name = o.Run
	}
	switch {
	case name == "" && len(where) == 0:
		return "an unnamed holder"
	case name == "":
		return strings.Join(where, ", ")
	case len(where) == 0:
		return name
	}
	return name + " (" + strings.Join(where, ", ") + ")"
}

// A Request is what [Locker.Acquire] takes: everything in Requirements or
// nothing. A request without requirements is legal and granted at once.
type Request struct {
	Requirements []Requirement
	Owner        Owner
	// Priority moves the request forward in line: one level is worth one minute
	// of waiting. Because everybody's waiting counts alike, a low priority is
	// overtaken for a bounded time only.
	Priority int
	TTL      time.Duration // life of the lease between renewals; 0 means 30 s
	Expect   time.Duration // how long it will be held; 0 means unknown
	Reason   string

	// ID is the identity of the request, and then of its lease, in the store; with it
	// the caller can name a request that still waits. It must be unique. If it is empty,
	// Acquire makes one.
	ID string
	// Holding lists leases that the caller will not release before this request
	// is served. The lease whose Context the acquiring ctx derives from counts
	// without being listed. They let a circle of waiters be recognised.
	Holding []*Lease
	// RenewUntil ends the renewals: the lease is lost one TTL after it. Zero
	// means never.
	RenewUntil time.Time
	// Rediscover, if set, is called about every 5 s while the request waits and
	// returns its requirements anew. The place in line is kept. An error leaves
	// the old requirements in force.
	Rediscover func(context.Context) ([]Requirement, error)
	// OnWait, if set, is called on the acquiring goroutine once the request has
	// waited for 1 s and then ever more rarely, with the error that it would end
	// with now.
	OnWait func(*BusyError)

	// For makes the request a reservation, see [Locker.Reserve]: how long it is kept.
	For time.Duration
	// Waited is how long the request has waited in an earlier attempt: the store places
	// it in line as if it had come that much earlier.
	Waited time.Duration
	// WaitForDisabled lets the request wait although it cannot be served before
	// somebody enables what is out of service. Without it, such a request ends at
	// once with [ErrOutOfService].
	WaitForDisabled bool
}

// FrontOfLine is the [Request.Priority] that puts a request before everybody who
// waits, except those who asked for the same before it. A store that serves in no
// order refuses it, with an error that wraps [errors.ErrUnsupported].
//
// It is the largest power of two of which so many minutes, before or after a moment of our
// days, fit into an int64 of nanoseconds and are exact as microseconds in the numbers of
// Lua, which end at 1<<53: stores order the line by such moments.
const FrontOfLine = 1 << 26

// A Ticket is a request as a [Store] sees it.
type Ticket struct {
	ID           string // unique; what makes every operation idempotent
	Requirements []Requirement
	Revision     int // counts changes of Requirements while waiting
	Owner        Owner
	Priority     int
	TTL, Expect  time.Duration
	Reason       string
	Parents      []string      // IDs of leases that the requester holds while it waits
	Wait         bool          // false: one attempt, not queued
	Waited       time.Duration // how long it has waited already, to regain its place in a store that lost it
	For          time.Duration // above 0: a reservation, which stays for so long without renewal; see Store
}

// A Grant is what a store gave for a ticket.
type Grant struct {
	Ticket   *Ticket
	Obtained [][]string // keys by requirement
	// Token is the fencing token: strictly increasing within a namespace, 0 where
	// the store has none.
	Token uint64
	// Backfilled says that it was served before somebody who came earlier, out of
	// what was reserved for them; see [Backfill].
	Backfilled bool
	// Last says how the last use of each key ended before this one, for keys whose
	// last use did not end as [Released].
	Last map[string]Ending
	// Ending is for Store.Release: how this use ended.
	Ending Ending
}

// Keys lists the keys granted, in the order of the requirements.
func (g *Grant) Keys() []string {
	var keys []string
	for _, o := range g.Obtained {
		keys = append(keys, o...)
	}
	return keys
}

// An Answer is a store's reply to a [Ticket]: a grant, or a place in line.
type Answer struct {
	Grant *Grant // nil: not granted
	// Poll is when to ask again at the latest, counted from the reply. Asking is
	// also the heartbeat that keeps the ticket in line.
	Poll time.Duration
	// Window is how long after the ask was sent a grant handed to wake may be
	// used without asking again. Zero: always ask.
	Window time.Duration
	// Latest is the highest token given out before this answer. A grant handed to
	// wake that has no higher one was made, and may have ended, before: messages
	// can lie around while a process does not run.
	Latest uint64
	// Disabled lists, when nothing was granted, the keys among the candidates that
	// are out of service. It may list other keys that are out of service, too.
	Disabled []string
}
