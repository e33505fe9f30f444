package lockcore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Outage takes keys out of service, see [Locker.Disable].
type Outage struct {
	Keys   []string
	Owner  Owner // by whom; Owner.User for a person
	Reason string
	// Now takes the keys from those who hold them, with everything else of their
	// leases, in the same step. Otherwise holders keep them until they give them
	// back.
	Now bool
	// For is how long the keys stay out of service; 0 means until somebody enables them.
	// A program that has found a resource unfit sets it. Each outage of a key lasts
	// twice as long as the one before, up to a day, until a use of the key ends as
	// [Released] or somebody enables it. It changes nothing for a key that is out of
	// service already.
	For time.Duration
}

// Disable takes keys out of service: from now on nobody is given them, however
// many wait, until [Locker.Enable]. It does not wait; a key that is held goes out
// of service when its holder gives it back, or at once with [Outage.Now]. It
// returns those who hold the keys, or with Now those who have lost them. To disable
// a disabled key again changes the reason and by whom, not since when.
func (l *Locker) Disable(ctx context.Context, o Outage) ([]Holder, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	o.Owner = l.person(o.Owner)
	if len(o.Keys) == 0 || slices.Contains(o.Keys, "") {
		return nil, errors.New("lockcore: disable: no key, or an empty one")
	}
	if o.For < 0 {
		return nil, fmt.Errorf("lockcore: disable %s: For is %s, it may not be negative", quoteAll(o.Keys), o.For)
	}
	held, err := l.store.Disable(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("lockcore: cannot disable %s: %w", quoteAll(o.Keys), err)
	}
	return held, nil
}

// Enable puts keys back into service; the next in line get them at once. It returns one
// [Holder] for each key that was disabled. The error wraps [ErrNotHeld] when none of
// them was.
func (l *Locker) Enable(ctx context.Context, keys ...string) ([]Holder, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	enabled, err := l.store.Enable(ctx, keys)
	switch {
	case err != nil:
		return nil, fmt.Errorf("lockcore: cannot enable %s: %w", quoteAll(keys), err)
	case len(enabled) == 0:
		return nil, fmt.Errorf("lockcore: enable %s: not disabled: %w", quoteAll(keys), ErrNotHeld)
	}
	return enabled, nil
}

func quoteAll(keys []string) string {
	quoted := make([]string, len(keys))
	for i, k := range keys {
		quoted[i] = quote(k)
	}
	return strings.Join(quoted, ", ")
}

// needsDisabled reports whether the requirements cannot be met without keys that
// are disabled, though they could be with them.
func needsDisabled(reqs []Requirement, disabled []string) bool {
	if len(disabled) == 0 {
		return false
	}
	out := make(map[string]bool, len(disabled))
	for _, k := range disabled {
		out[k] = true
	}
	free := func(r int, key string) int { return max(1, reqs[r].Seats) }
	if _, ok := Match(reqs, func(r int, key string) int {
		if out[key] {
			return 0
		}
		return free(r, key)
	}, nil); ok {
		return false
	}
	_, ok := Match(reqs, free, nil)
	return ok
}

// outOfService is the error of a request that could be served only by keys that
// are disabled; nil if it is not one, or no longer.
func (w *wait1) outOfService(ctx context.Context) error {
	if w.req.WaitForDisabled || !needsDisabled(w.ticket.Requirements, w.disabled) {
		return nil
	}
	e := &BusyError{Requirements: w.ticket.Requirements, Waited: time.Since(w.start)}
	s, err := w.snapshot(ctx)
	if err != nil { // then the message has no details
		for _, k := range w.disabled {
			e.Outages = append(e.Outages, Blocker{Key: k, State: "disabled"})
		}
		return e
	}
	w.standing(e, &s)
	wanted := keysOf(w.ticket.Requirements)
	for i := range s.Holders {
		if h := &s.Holders[i]; h.State == "disabled" {
			for _, k := range h.Keys() {
				if wanted[k] {
					e.Outages = append(e.Outages, blocker(k, h))
				}
			}
		}
	}
	if !needsDisabled(w.ticket.Requirements, keysIn(e.Outages)) {
		return nil // enabled meanwhile
	}
	return e
}

func keysIn(blockers []Blocker) []string {
	keys := make([]string, len(blockers))
	for i := range blockers {
		keys[i] = blockers[i].Key
	}
	return keys
}

func keysOf(reqs []Requirement) map[string]bool {
	keys := make(map[string]bool)
	for i := range reqs {
		for _, c := range reqs[i].Candidates {
			keys[c.Key] = true
		}
	}
	return keys
}
