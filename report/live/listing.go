package live

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// An Item is a resource that the inventory of a lab lists.
type Item struct {
	Key   string
	Pool  string
	Tags  map[string]string
	Seats int // 0 for one that is used by one at a time
}

// A Listing is who holds and who waits for what, as `rtest-report ls --format json`
// prints it and /api/v1/snapshot begins.
type Listing struct {
	Store   string    `json:"store"`
	Time    time.Time `json:"time"` // the store's clock
	Holders []Holding `json:"holders"`
	Waiters []Waiting `json:"waiters"`
	Free    []Free    `json:"free,omitempty"` // of the inventory
}

// A Free is a resource of the inventory that nobody holds.
type Free struct {
	Key  string            `json:"key"`
	Pool string            `json:"pool"`
	Tags map[string]string `json:"tags,omitempty"`
	Last string            `json:"last,omitempty"` // how its last use ended, if not in order
}

// A Holding is a lease, a reservation, or a resource that is out of service.
type Holding struct {
	ID      string         `json:"id"`
	Keys    []string       `json:"keys"`
	State   string         `json:"state"` // as lockcore.Holder has it
	Owner   lockcore.Owner `json:"owner"`
	Token   uint64         `json:"token,omitempty"`
	Since   time.Time      `json:"since"`
	For     eventlog.MS    `json:"for_ms"`
	Expires time.Time      `json:"expires,omitzero"`
	EndsIn  eventlog.MS    `json:"expires_in_ms"`
	// Expect is how long it is expected to be held in all, where that is known.
	Expect eventlog.MS `json:"expect_ms,omitzero"`
	Reason string      `json:"reason,omitempty"`
}

// A Waiting is a request in line.
type Waiting struct {
	Place    int            `json:"place"` // 1 is served first
	ID       string         `json:"id"`
	Wants    []string       `json:"wants"`
	Owner    lockcore.Owner `json:"owner"`
	Priority int            `json:"priority,omitempty"`
	Since    time.Time      `json:"since"`
	For      eventlog.MS    `json:"for_ms"`
	Reserved []string       `json:"reserved,omitempty"` // free keys kept aside for it
	Start    time.Time      `json:"expected,omitzero"`  // when it is expected to be served
	StartIn  eventlog.MS    `json:"expected_in_ms,omitzero"`
	Reason   string         `json:"reason,omitempty"`
}

// List makes the listing of a snapshot of a store. items are those of the inventory;
// nil if there is none.
func List(store string, s lockcore.Snapshot, items []Item) *Listing {
	return list(store, s, items, lockcore.Requirement.String)
}

// list is List with other words for what a waiter wants.
func list(store string, s lockcore.Snapshot, items []Item, wants func(lockcore.Requirement) string) *Listing {
	l := &Listing{Store: store, Time: s.Time.UTC(), Holders: []Holding{}, Waiters: []Waiting{}}
	taken := map[string]bool{}
	for _, h := range s.Holders {
		l.Holders = append(l.Holders, HoldingOf(h, s.Time))
		for _, k := range h.Keys() {
			taken[k] = true
		}
	}
	for i, w := range s.Waiters {
		v := Waiting{Place: i + 1, ID: w.ID, Owner: w.Owner, Priority: w.Priority, Since: w.Since.UTC(), For: eventlog.MS(s.Time.Sub(w.Since)), Reserved: w.Reserved, Reason: w.Reason}
		for _, r := range w.Requirements {
			v.Wants = append(v.Wants, wants(r))
		}
		if !w.Start.IsZero() {
			v.Start, v.StartIn = w.Start.UTC(), eventlog.MS(max(0, w.Start.Sub(s.Time)))
		}
		l.Waiters = append(l.Waiters, v)
	}
	if items == nil {
		return l
	}
	l.Free = []Free{}
	for _, i := range items {
		if taken[i.Key] {
			continue
		}
		taken[i.Key] = true // an item may stand in several pools
		f := Free{Key: i.Key, Pool: i.Pool, Tags: i.Tags}
		if e, known := s.Endings[i.Key]; known {
			f.Last = e.String()
		}
		l.Free = append(l.Free, f)
	}
	return l
}

// HoldingOf describes a holder at a moment of the store's clock. A zero moment means
// that it is unknown: then ages are left out.
func HoldingOf(h lockcore.Holder, now time.Time) Holding {
	v := Holding{ID: h.ID, Keys: h.Keys(), State: h.State, Owner: h.Owner, Token: h.Token, Reason: h.Reason, Since: h.Since.UTC(), Expect: eventlog.MS(h.Expect)}
	if !h.Since.IsZero() && !now.IsZero() {
		v.For = eventlog.MS(now.Sub(h.Since))
	}
	if !h.Expires.IsZero() {
		v.Expires = h.Expires.UTC()
		if !now.IsZero() {
			v.EndsIn = eventlog.MS(h.Expires.Sub(now))
		}
	}
	return v
}

// Outline is the part of a listing that changes only when something happens. Two
// listings with the same outline differ in ages alone.
func (l *Listing) Outline() string {
	var b strings.Builder
	for i := range l.Holders {
		h := &l.Holders[i]
		fmt.Fprintf(&b, "%q %q %s %q %s\n", h.ID, h.Keys, h.State, h.Reason, h.Owner)
	}
	for i := range l.Waiters {
		w := &l.Waiters[i]
		fmt.Fprintf(&b, "%d %q %q %q %d\n", w.Place, w.ID, w.Wants, w.Reserved, w.Priority)
	}
	for _, f := range l.Free {
		fmt.Fprintf(&b, "%q %s\n", f.Key, f.Last)
	}
	return b.String() + "." // never empty: an empty one stands for «not looked yet»
}

// expectedStep is how far an expected start must move to be a change: it does so by
// itself while a holder takes longer than it was expected to.
const expectedStep = 5 * time.Second

// outline is Outline, and the times that somebody can change: ends of reservations,
// and expected starts.
func (l *Listing) outline() string {
	var b strings.Builder
	b.WriteString(l.Outline())
	for i := range l.Holders {
		if h := &l.Holders[i]; h.endsByItself() {
			fmt.Fprintf(&b, " %d", h.Expires.Unix())
		}
	}
	for i := range l.Waiters {
		fmt.Fprintf(&b, " %d", l.Waiters[i].Start.Truncate(expectedStep).Unix())
	}
	return b.String()
}

// endsByItself reports whether nobody moves the end of it all the time, as a lease's
// is moved by each renewal.
func (h *Holding) endsByItself() bool {
	return slices.Contains([]string{"reserved", "disabled", "kept"}, h.State) && !h.Expires.IsZero()
}
