package sched

import (
	"cmp"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/modes"
)

// The constants of the protocol. They are the same for every store.
const (
	// Level is what one level of priority is worth in waiting time.
	Level = time.Minute
	// Provisional is how long a grant made to a waiter stands unconfirmed: long
	// enough for a waiter that is merely slow, short enough not to hold up the
	// line for one that died.
	Provisional = 5 * time.Second
	// Heartbeat bounds the time between two polls of a waiter.
	Heartbeat = 5 * time.Second
	// missed is how many polls a waiter may miss before it is dropped.
	missed = 3
	// lapsedKept is how long an expired lease may still be revived.
	lapsedKept = time.Hour
	// goneKept is how many ended leases are remembered, to tell their holders
	// why.
	goneKept = 64
)

// Poll is how often a waiter with the given TTL asks again.
func Poll(ttl time.Duration) time.Duration {
	return max(min(Heartbeat, ttl/pollsPerTTL), shortestPoll)
}

// Rand draws an integer from [0, n).
type Rand func(n int) int

// State is everything that is known about one namespace. The zero value is an
// empty one. Moments are nanoseconds since 1970 on the clock of the store.
type State struct {
	// LockDelay is how long the keys of an expired lease stay aside before they
	// are given to somebody else. It is configuration, not part of the encoding.
	LockDelay time.Duration
	// History is what was learned about how long tests hold. It is no part of the
	// encoding either; a nil one is made at the first step.
	History *History
	// Policy says whether a request may be served before an earlier one. All clients
	// of a state use the same; the encoding carries it.
	Policy lockcore.QueuePolicy
	// WaitersStay keeps waiters in line that do not ask again: for a simulation, in
	// which no process dies. It is no part of the encoding.
	WaitersStay bool
	// Passes says, if it is set, whether a request is let past another one, in place of
	// what is expected of them: for a simulation of decisions that were made. Policy has
	// to be Backfill. It is no part of the encoding.
	Passes func(id, other string) bool

	now      int64 // latest moment seen: the clock of a step never goes back
	fence    uint64
	seq      uint64 // counts arrivals
	leases   map[string]*lease
	lapsed   map[string]*lease // expired, but nothing was granted on their keys since
	queue    []*waiter         // by rank
	waiting  map[string]*waiter
	used     map[string]int64 // last use of keys that were chosen by LeastRecentlyUsed
	gone     []ended
	troubles map[string]trouble // by key, see endings.go
	look     int64              // when a waiter that lets others past it should have been served; 0: none does
	usual    int64              // see usual.go; 0: unknown

	// What follows is derived.
	keys       map[string]*holding
	classes    map[string]*class
	nested     int // waiters with parents
	passCount  uint64
	next       int64 // nothing expires before; a lower bound
	backfilled int   // leases that were
	outages    int   // keys that are disabled
	turned     turnLog
	byWeight   []*waiter // see sortByWeight; nil: not sorted
	looks      int       // at candidates and waiters, about: what passes have cost
	over       *pass     // see newPass
	forecast   bool      // passes have somebody look at the shadow of everybody with a claim
	playing    *playing  // set in a forecast
	granted    []Granted
	changes    *changes // since it was saved; nil: nobody wants to know
}

// A lease is a grant as the state knows it.
type lease struct {
	id          string
	reqs        []lockcore.Requirement // without candidates
	obtained    [][]string
	owner       lockcore.Owner
	token       uint64
	since       int64
	expires     int64
	provisional int64 // taken back then unless confirmed; 0: confirmed
	ttl         time.Duration
	expect      time.Duration
	guess       time.Duration // where nothing is expected: the usual time when it was granted, or came; 0: unknown
	reason      string
	parents     []string
	proc        string // of whom it must be taken when that process is dead
	kept        bool   // stays until it expires, whatever its process does
	kind        kind
	hold        time.Duration // of a reservation, from the moment it is taken up
	// Served out of what was reserved for earlier waiters, and where it stood in
	// line then.
	backfilled bool
	rank       int64
	seq        uint64
}

// A waiter is a ticket in line.
type waiter struct {
	id       string
	class    *class
	owner    lockcore.Owner
	priority int
	arrived  int64
	seq      uint64
	expires  int64
	ttl      time.Duration
	expect   time.Duration
	reason   string
	parents  []string
	revision int
	proc     string
	learned  time.Duration // what its test took the last times; 0: unknown
	guess    time.Duration // the usual time when it came, where nothing is known; 0: unknown
	fence    uint64        // the last token given out when it came
	hold     time.Duration // of a reservation; 0: it is none
	delayed  int64         // since when it waits only for those who were let past it; 0: it does not
	promise  int64         // see pass.promise; 0: it has none
	weight   float64       // as of when the queue was sorted by weights
	place    int           // in the queue then
	skipped  uint64        // the pass in which it is not considered, see shutFrom

	shadow     int64 // as of the pass shadowPass
	shadowPass uint64
}

// rank orders the queue.
func (w *waiter) rank() int64 { return w.arrived - int64(w.priority)*int64(Level) }

func byRank(a, b *waiter) int {
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.seq, b.seq))
}

// ended says why a lease is no more, for the renewal that asks.
type ended struct {
	id  string
	why string
}

// A Granted tells the store whom to wake.
type Granted struct {
	ID   string
	Proc string
}

// TakeGranted returns the waiters that were granted since the last call.
func (s *State) TakeGranted() []Granted {
	g := s.granted
	s.granted = nil
	return g
}

// Agree reports whether a client may use the state under the policy: if that is
// the policy of the state, or nobody holds or waits, so that it can become it. Keys
// out of service, which may be so for months, are no obstacle.
func (s *State) Agree(p lockcore.QueuePolicy) bool {
	if len(s.leases)-s.outages+len(s.queue) == 0 {
		s.Policy = p
	}
	return s.Policy == p
}

func (s *State) init() {
	if s.History == nil {
		s.History = new(History)
	}
	if s.leases == nil {
		s.leases = make(map[string]*lease)
		s.lapsed = make(map[string]*lease)
		s.waiting = make(map[string]*waiter)
		s.used = make(map[string]int64)
		s.troubles = make(map[string]trouble)
		s.keys = make(map[string]*holding)
		s.classes = make(map[string]*class)
	}
}

// units counts how a key is taken, by mode. Which modes go together is the rule
// of package modes.
type units struct{ modes.Units }

// modeOf is how the requirement takes its keys.
func modeOf(r *lockcore.Requirement) modes.Mode { return modes.Mode{Shared: r.Shared, Seats: r.Seats} }

// free is how many units of a key the requirement could take.
func (u units) free(r *lockcore.Requirement) int { return u.Units.Free(modeOf(r)) }

// add takes one unit in the mode of the requirement.
func (u *units) add(r *lockcore.Requirement) { u.Units.Add(modeOf(r)) }

func (u units) plus(v units) units { return units{u.Plus(v.Units)} }

// A holding is how a key is taken by leases.
type holding struct {
	units
	leases []*lease // one entry a unit
}

// occupy enters a lease into the holdings of its keys.
func (s *State) occupy(l *lease) {
	for r, keys := range l.obtained {
		for _, k := range keys {
			h := s.keys[k]
			if h == nil {
				h = new(holding)
				s.keys[k] = h
			}
			was := len(h.leases) == 0 || h.open()
			h.add(&l.reqs[r])
			h.leases = append(h.leases, l)
			if h.open() != was {
				s.noteTurn(k, !was)
			}
		}
	}
	if l.backfilled {
		s.backfilled++
	}
	if l.kind == disabled {
		s.outages++
	}
}

// vacate takes a lease out of the holdings of its keys.
func (s *State) vacate(l *lease) {
	if l.backfilled {
		s.backfilled--
	}
	if l.kind == disabled {
		s.outages--
	}
	for _, keys := range l.obtained {
		for _, k := range keys {
			h := s.keys[k]
			if h == nil {
				continue
			}
			was := h.open()
			h.leases = slices.DeleteFunc(h.leases, func(o *lease) bool { return o == l })
			if len(h.leases) == 0 {
				delete(s.keys, k)
			} else {
				h.recount(k)
			}
			if s.keys[k].open() != was {
				s.noteTurn(k, !was)
			}
		}
	}
}

// recount derives the units from the leases. Several units of one lease stand
// in h.leases as often.
func (h *holding) recount(key string) {
	h.units = units{}
	var last *lease
	for _, l := range h.leases {
		if l == last {
			continue // its units were all counted when it was first met
		}
		last = l
		for r, keys := range l.obtained {
			for _, k := range keys {
				if k == key {
					h.add(&l.reqs[r])
				}
			}
		}
	}
}

func (s *State) unitsOf(key string) units {
	if h := s.keys[key]; h != nil {
		return h.units
	}
	return units{}
}
