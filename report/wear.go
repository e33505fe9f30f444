package report

import "github.com/resourcelocker/resourcelocker/report/eventlog"

// A Wear compares the resources of a pool by how often they were used, as equal ones
// wear out together only when they are used alike. Holds without an end count for
// neither of them.
type Wear struct {
	Most  Use `json:"most"`
	Least Use `json:"least"`
}

// A Use is how much a resource was used.
type Use struct {
	Key  string      `json:"key"`
	Uses int         `json:"uses"` // holds
	Held eventlog.MS `json:"held_ms"`
}

// Imbalance is how many times as often the most used resource was used as the least
// used one; 0 if that one was never used.
func (w *Wear) Imbalance() float64 {
	if w.Least.Uses == 0 {
		return 0
	}
	return float64(w.Most.Uses) / float64(w.Least.Uses)
}

// add takes a resource of the pool.
func (w *Wear) add(u Use, first bool) {
	if first || u.more(w.Most) {
		w.Most = u
	}
	if first || w.Least.more(u) {
		w.Least = u
	}
}

func (u Use) more(o Use) bool {
	if u.Uses != o.Uses {
		return u.Uses > o.Uses
	}
	return u.Held > o.Held
}

// A Longest is the test that held a resource for the longest time, in all its holds.
type Longest struct {
	Holder
	Held eventlog.MS `json:"held_ms"`
}
