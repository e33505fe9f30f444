package whatif

import (
	"slices"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A program below one that holds something may use that, too. It asks for it within
// the lease above, for a key that only programs below ask for, as package nested of
// the stores has it:
//
//	lock board-1 -- go test ./...   two of its tests take turns with board-1
//
// In a replay the two take turns with "board-1 within the lock", of which there is as
// long as the lock holds.

// deepest bounds how many programs deep a lease may be within others.
const deepest = 100

// ancestors lists the requests, counted from 1, whose leases the one who makes this
// request holds, the nearest first.
func (t *threading) ancestors(r *report.Request) (l []int) {
	for id := r.Parent; id != "" && len(l) < deepest; {
		i := t.index[id]
		if i == 0 || slices.Contains(l, i) {
			break
		}
		l = append(l, i)
		id = t.requests[i-1].Parent
	}
	return l
}

// above lists the requests of the programs above the one of a request, whose leases
// it may use, the nearest first. What the same process holds is none of these.
func (t *threading) above(r *report.Request) (l []*report.Request) {
	for _, i := range t.ancestors(r) {
		if a := &t.requests[i-1]; processOf(a) != processOf(r) {
			l = append(l, a)
		}
	}
	return l
}

func processOf(r *report.Request) eventlog.Process {
	return eventlog.Process{Host: r.Host, Run: r.Run.ID, PID: r.PID}
}

// within is what is asked for, and with how many seats, where leases above have some
// of it. If that is enough, nothing else is asked for.
func within(keys []string, need, seats int, above []*report.Request) ([]string, int) {
	if len(above) == 0 {
		return keys, seats
	}
	var inside, rest []string
	units, least := 0, 0
	for _, k := range keys {
		a, n, seated := holderOf(above, k)
		if a == nil {
			rest = append(rest, k)
			continue
		}
		inside = append(inside, insideName(k, a.ID))
		units += n
		if seated && (least == 0 || n < least) {
			least = n
		}
	}
	switch {
	case len(inside) == 0, units < need && least > 0:
		return keys, seats
	case units < need:
		return append(inside, rest...), seats
	case least > 0:
		return inside, least
	}
	return inside, seats
}

// insideName is a key within a lease; no recorded key has a zero byte in practice.
func insideName(key, id string) string { return key + "\x00within\x00" + id }

// holderOf finds the nearest request above that has a key, and how many units of it.
func holderOf(above []*report.Request, key string) (holder *report.Request, units int, seated bool) {
	for _, a := range above {
		for _, c := range a.Chosen {
			if c.Key != key {
				continue
			}
			units++
			seated = seated || c.Req >= 0 && c.Req < len(a.Reqs) && a.Reqs[c.Req].Seats > 0
		}
		if units > 0 {
			return a, units, seated
		}
	}
	return nil, 0, false
}

// asChosen is the key of a requirement that a request got, as its job asks for it.
func asChosen(candidates map[string]bool, key string, above []*report.Request) string {
	if a, _, _ := holderOf(above, key); a != nil && candidates[insideName(key, a.ID)] {
		return insideName(key, a.ID)
	}
	return key
}

// hidden reports whether a key stands for one within a lease, or for one that a
// change adds.
func hidden(key string) bool { return slices.Contains([]byte(key), 0) }
