package lockcore

import (
	"fmt"
	"slices"
	"time"
)

// defaultTTL is what a TTL of 0 means.
const defaultTTL = 30 * time.Second

// invalid words a request that no store should see.
func invalid(r *Requirement, format string, args ...any) error {
	return fmt.Errorf("lockcore: requirement %s: %s: %w", r, fmt.Sprintf(format, args...), ErrUnsatisfiable)
}

// validate refuses what can never be served, before any I/O. Its cost does not
// grow with a hash of every candidate: duplicates in long lists are found by
// feasible, which runs only when a request has to wait.
func validate(reqs []Requirement) error {
	for i := range reqs {
		r := &reqs[i]
		switch {
		case r.Need < 0:
			return invalid(r, "need is %d, it must be at least 1", r.Need)
		case r.Seats < 0:
			return invalid(r, "seats is %d, it must be at least 1, or 0 for exclusive use", r.Seats)
		case r.Shared && r.Seats > 0:
			return invalid(r, "shared and seats exclude each other: choose one")
		case len(r.Candidates) == 0:
			return invalid(r, "it has no candidates")
		case r.Units() > len(r.Candidates)*max(1, r.Seats):
			return invalid(r, "need is %d, but it has only %s%s", r.Units(), count(len(r.Candidates), "candidate"), seatsNote(r))
		}
		for j := range r.Candidates {
			if r.Candidates[j].Key == "" {
				return invalid(r, "the key of candidate %d is empty", j+1)
			}
		}
		if len(r.Candidates) <= fewCandidates {
			if err := distinct(r); err != nil {
				return err
			}
		}
	}
	if len(reqs) < 2 {
		return nil
	}
	if err := oneKind(reqs); err != nil {
		return err
	}
	if !surelyFeasible(reqs) {
		return feasible(reqs)
	}
	return nil
}

// fewCandidates is where looking for duplicates beforehand starts to cost more
// than a grant.
const fewCandidates = 64

func seatsNote(r *Requirement) string {
	if r.Seats > 0 {
		return " with " + count(r.Seats, "seat") + " each"
	}
	return ""
}

func distinct(r *Requirement) error {
	seen := make(map[string]struct{}, len(r.Candidates))
	for _, c := range r.Candidates {
		if _, dup := seen[c.Key]; dup {
			return invalid(r, "candidate %s is listed twice", quote(c.Key))
		}
		seen[c.Key] = struct{}{}
	}
	return nil
}

// oneKind refuses a key that one request wants both by the seat and as a whole,
// or with two numbers of seats: whatever the grant were, one of the
// requirements would call it wrong.
func oneKind(reqs []Requirement) error {
	if !slices.ContainsFunc(reqs, func(r Requirement) bool { return r.Seats != reqs[0].Seats }) {
		return nil
	}
	seats := make(map[string]int)
	for i := range reqs {
		for _, c := range reqs[i].Candidates {
			if n, ok := seats[c.Key]; ok && n != reqs[i].Seats {
				return invalid(&reqs[i], "%s is asked for with %s here and with %s in another requirement of the request", quote(c.Key), seatWords(reqs[i].Seats), seatWords(n))
			}
			seats[c.Key] = reqs[i].Seats
		}
	}
	return nil
}

func seatWords(n int) string {
	if n == 0 {
		return "no seats"
	}
	return count(n, "seat")
}

// surelyFeasible is a sufficient condition that needs no look at the keys:
// served from the shortest list to the longest, each requirement still finds
// enough, whatever the earlier ones took.
func surelyFeasible(reqs []Requirement) bool {
	order := make([]int, len(reqs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return len(reqs[a].Candidates) - len(reqs[b].Candidates) })
	taken := 0
	for _, i := range order {
		taken += reqs[i].Units()
		if taken > len(reqs[i].Candidates) {
			return false
		}
	}
	return true
}

// feasible reports by ErrUnsatisfiable a request that could not be served with
// every resource free.
func feasible(reqs []Requirement) error {
	for i := range reqs {
		if err := distinct(&reqs[i]); err != nil {
			return err
		}
	}
	_, ok := Match(reqs, func(r int, _ string) int { return max(1, reqs[r].Seats) }, nil)
	if !ok {
		return fmt.Errorf("lockcore: %s cannot be had together, even with all of them free: the requirements overlap: %w", wanted(reqs), ErrUnsatisfiable)
	}
	return nil
}
