package live

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// The states of a resource beside those of lockcore.Holder.
const free = "free"

// states are those of resources, in the order in which they are counted up.
var states = []string{"held", "granted", "kept", "reserved", "disabled", "foreign", free}

// A row is a resource.
type row struct {
	Key     string            `json:"key"`
	Pool    string            `json:"pool,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	State   string            `json:"state"`
	Last    string            `json:"last,omitempty"` // how its last use ended, if not in order
	Seats   int               `json:"seats,omitempty"`
	Waiting int               `json:"waiting"` // requests in line that could use it
	// IDs of its holders, the one first that says the state.
	Holders []string `json:"holders,omitempty"`

	holders []*Holding
	asideOf string // ID of the waiter it is kept aside for
}

// rowsOf lists the resources of the inventory in its order, and then those that only
// the store knows of.
func rowsOf(l *Listing, s *lockcore.Snapshot, items []Item) []row {
	index := map[string]int{}
	rows := make([]row, 0, len(items))
	find := func(key string) *row {
		i, ok := index[key]
		if !ok {
			i = len(rows)
			index[key] = i
			rows = append(rows, row{Key: key, State: free})
		}
		return &rows[i]
	}
	for _, i := range items {
		if _, twice := index[i.Key]; twice {
			continue
		}
		r := find(i.Key)
		r.Pool, r.Tags, r.Seats = i.Pool, i.Tags, i.Seats
	}
	listed := len(rows)
	for i := range l.Holders {
		h := &l.Holders[i]
		for n, k := range h.Keys {
			if slices.Contains(h.Keys[:n], k) {
				continue // several seats of it
			}
			r := find(k)
			r.holders = append(r.holders, h)
		}
	}
	for _, w := range s.Waiters {
		seen := map[string]bool{}
		for _, q := range w.Requirements {
			for _, c := range q.Candidates {
				if !seen[c.Key] {
					seen[c.Key] = true
					r := find(c.Key)
					r.Waiting++
					if r.Tags == nil { // the inventory knows better than who asks
						r.Tags = c.Tags
					}
				}
			}
		}
		for _, k := range w.Reserved {
			find(k).asideOf = w.ID
		}
	}
	for i := range rows {
		r := &rows[i]
		if e, known := s.Endings[r.Key]; known {
			r.Last = e.String()
		}
		// What is out of service is that, whoever still holds it.
		slices.SortStableFunc(r.holders, func(a, b *Holding) int {
			return cmp.Compare(btoi(b.State == "disabled"), btoi(a.State == "disabled"))
		})
		for _, h := range r.holders {
			r.Holders = append(r.Holders, h.ID)
		}
		if len(r.holders) > 0 {
			r.State = r.holders[0].State
		}
	}
	slices.SortFunc(rows[listed:], func(a, b row) int { return words.NaturalCompare(a.Key, b.Key) })
	return rows
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A wanted is what requests in line ask for, by the name of the requirement.
type wanted struct {
	Name    string      `json:"name"`
	Waiting int         `json:"waiting"`
	Longest eventlog.MS `json:"longest_ms"`
	Mean    eventlog.MS `json:"mean_ms"`
}

// wantedMost bounds what is listed as most waited for.
const wantedMost = 10

// wantedOf lists what most requests wait for now.
func wantedOf(s *lockcore.Snapshot) []wanted {
	by := map[string]*wanted{}
	for _, w := range s.Waiters {
		var names []string
		for _, r := range w.Requirements {
			name := r.Name
			if name == "" {
				r.Need, r.Shared, r.Seats = 0, false, 0
				name = r.Brief()
			}
			if slices.Contains(names, name) {
				continue
			}
			names = append(names, name)
			c := by[name]
			if c == nil {
				c = &wanted{Name: name}
				by[name] = c
			}
			waited := eventlog.MS(max(0, s.Time.Sub(w.Since)))
			c.Waiting++
			c.Mean += waited // the sum, for now
			c.Longest = max(c.Longest, waited)
		}
	}
	var l []wanted
	for _, c := range by {
		c.Mean /= eventlog.MS(c.Waiting)
		l = append(l, *c)
	}
	slices.SortFunc(l, func(a, b wanted) int {
		return cmp.Or(cmp.Compare(b.Waiting, a.Waiting), cmp.Compare(b.Longest, a.Longest), cmp.Compare(a.Name, b.Name))
	})
	return l[:min(wantedMost, len(l))]
}

// counts counts resources by state.
func counts(rows []row) map[string]int {
	n := map[string]int{}
	for i := range rows {
		n[rows[i].State]++
	}
	return n
}

// standing says in one line how things are.
func standing(rows []row, l *Listing) string {
	n := counts(rows)
	var parts []string
	for _, s := range states {
		if n[s] > 0 || s == free || s == "held" {
			parts = append(parts, fmt.Sprint(n[s], " ", s))
		}
	}
	line := strings.Join(parts, ", ") + "; "
	if len(l.Waiters) == 0 {
		return line + "nobody waits."
	}
	return line + fmt.Sprint(len(l.Waiters)) + " waiting."
}

// longest is the request that has waited for the longest time.
func longest(l *Listing) *Waiting {
	var best *Waiting
	for i := range l.Waiters {
		if w := &l.Waiters[i]; best == nil || w.For > best.For {
			best = w
		}
	}
	return best
}

// until is when a resource is expected to be free, and whether that is sure: the end
// of a reservation is, what a store has learned of a test is not.
func (h *Holding) until() (end time.Time, sure bool) {
	switch {
	case h.endsByItself():
		return h.Expires, true
	case h.Expect > 0 && !h.Since.IsZero():
		return h.Since.Add(h.Expect.Duration()), false
	}
	return time.Time{}, false
}
