package lockcore

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"time"
)

// Reserve takes what the request asks for on behalf of a person, for
// [Request.For] from the grant on. It waits in line as [Locker.Acquire] does; with
// Priority [FrontOfLine] at its front. What is reserved needs no renewal and no
// process: it is kept until its time is over, or until [Locker.EndReservation].
//
// The person is Owner.User of the request or of the options; default
// [CurrentUser]. The Holder returned tells what was obtained; its times are by the
// clock of this machine. The errors are those of Acquire.
func (l *Locker) Reserve(ctx context.Context, req Request) (Holder, error) {
	return l.reserve(ctx, req, true)
}

// TryReserve is Reserve without waiting: one attempt, and a [*BusyError] at once if
// something is missing or an earlier waiter has a claim on it.
func (l *Locker) TryReserve(ctx context.Context, req Request) (Holder, error) {
	return l.reserve(ctx, req, false)
}

func (l *Locker) reserve(ctx context.Context, req Request, wait bool) (Holder, error) {
	if err := l.usable(); err != nil {
		return Holder{}, err
	}
	if req.For <= 0 {
		return Holder{}, fmt.Errorf("lockcore: reserve %s: For is %s, it must be above 0", wanted(req.Requirements), req.For)
	}
	req.Owner = l.person(req.Owner)
	grant, err := l.obtain(ctx, &req, wait)
	if err != nil {
		return Holder{}, err
	}
	now := time.Now()
	return Holder{
		ID: grant.Ticket.ID, Requirements: grant.Ticket.Requirements, Obtained: grant.Obtained, Owner: grant.Ticket.Owner,
		Token: grant.Token, Since: now, Expires: now.Add(req.For), Expect: req.For, Reason: req.Reason, State: "reserved",
	}, nil
}

// obtain gets the grant of a reservation.
func (l *Locker) obtain(ctx context.Context, req *Request, wait bool) (*Grant, error) {
	if !l.begin() {
		return nil, errClosed
	}
	defer l.work.Done()
	w, err := l.newWait(ctx, req, wait)
	if err != nil {
		return nil, err
	}
	return w.run(ctx)
}

// CurrentUser returns the name that a reservation has by default: user@machine, the user
// of this process and the name of the machine.
func CurrentUser() string {
	host, _ := os.Hostname()
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return cmp.Or(name, os.Getenv("USER"), "somebody") + "@" + cmp.Or(host, "unknown")
}

// person completes the owner of what a person does.
func (l *Locker) person(o Owner) Owner {
	if o.User == "" && o.Test == "" {
		o.User = cmp.Or(l.opts.Owner.User, CurrentUser())
	}
	return l.complete(o)
}

// EndReservation gives back the keys that the person by has reserved, and hands them to
// the next in line; an empty by means [CurrentUser]. What was reserved together with a
// key stays reserved. With force it also ends reservations of other persons. It returns
// one [Holder] for each key, as it was before.
//
// It gives back none of the keys when one of them is not reserved, with an error that
// wraps [ErrNotHeld], or when without force another person has reserved one. Reservations
// end one after the other: when the store fails in between, the error tells which keys were
// given back, and they are returned beside it.
func (l *Locker) EndReservation(ctx context.Context, by string, force bool, keys ...string) ([]Holder, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	found, err := l.reservations(ctx, by, force, keys)
	if err != nil {
		return nil, err
	}
	var ended []Holder
	for len(found) > 0 {
		id := found[0].ID
		var own []string
		var one []Holder
		found = slices.DeleteFunc(found, func(h Holder) bool {
			if h.ID == id {
				own = append(own, h.Keys()...)
				one = append(one, h)
			}
			return h.ID == id
		})
		err := l.store.EndReservation(ctx, id, own)
		if err != nil && len(ended) > 0 {
			var back []string
			for _, h := range ended {
				back = append(back, h.Keys()...)
			}
			was := "was"
			if len(back) > 1 {
				was = "were"
			}
			return ended, fmt.Errorf("lockcore: cannot give back %s: %w; %s %s given back before", quoteAll(own), err, quoteAll(back), was)
		}
		if err != nil {
			return nil, fmt.Errorf("lockcore: cannot give back %s: %w", quoteAll(own), err)
		}
		ended = append(ended, one...)
	}
	return ended, nil
}

// ExtendReservation moves the end of what the person by has reserved to d from now,
// unless it ends later anyway; the rest as for [Locker.EndReservation]. Keys that were
// reserved together have one end. It returns the reservations of the keys, with their
// new ends.
func (l *Locker) ExtendReservation(ctx context.Context, by string, force bool, d time.Duration, keys ...string) ([]Holder, error) {
	if err := l.usable(); err != nil {
		return nil, err
	}
	if d <= 0 {
		return nil, fmt.Errorf("lockcore: extend %s by %s: it must be above 0", quoteAll(keys), d)
	}
	found, err := l.reservations(ctx, by, force, keys)
	if err != nil {
		return nil, err
	}
	ends := make(map[string]time.Time)
	for i, h := range found {
		if _, done := ends[h.ID]; !done {
			if ends[h.ID], err = l.store.ExtendReservation(ctx, h.ID, d); err != nil {
				return nil, fmt.Errorf("lockcore: cannot extend %s: %w", quoteAll(h.Keys()), err)
			}
		}
		found[i].Expires = ends[h.ID]
	}
	return found, nil
}

// reservations finds the reservations of the keys, one Holder a key, and refuses
// those of others.
//
// It looks at a snapshot, and the store then acts on the reservation of that
// identity: one that somebody else makes in between has another.
func (l *Locker) reservations(ctx context.Context, by string, force bool, keys []string) ([]Holder, error) {
	by = cmp.Or(by, l.opts.Owner.User, CurrentUser())
	s, err := l.store.Snapshot(ctx)
	if err != nil {
		return nil, l.cannotAsk("who has reserved "+quoteAll(keys), err)
	}
	var found []Holder
	for _, k := range keys {
		h, other := s.reservation(k)
		switch {
		case h == nil && other != nil:
			return nil, fmt.Errorf("lockcore: %s is not reserved: %s: %w", quote(k), blocker(k, other).describe(s.Time), ErrNotHeld)
		case h == nil:
			return nil, fmt.Errorf("lockcore: %s is not reserved: %w; %s", quote(k), ErrNotHeld, s.reserved())
		case h.Owner.User != by && !force:
			return nil, fmt.Errorf("lockcore: %s, not by %s: only force ends it", blocker(k, h).describe(s.Time), by)
		}
		one := *h
		one.Requirements, one.Obtained = nil, [][]string{{k}}
		found = append(found, one)
	}
	return found, nil
}

// reservation finds who has reserved a key, or else another holder of it.
func (s *Snapshot) reservation(key string) (h, other *Holder) {
	for i := range s.Holders {
		if !slices.Contains(s.Holders[i].Keys(), key) {
			continue
		}
		if s.Holders[i].State == "reserved" {
			return &s.Holders[i], nil
		}
		other = &s.Holders[i]
	}
	return nil, other
}

// reserved says which keys are reserved, to whoever spelled one wrong.
func (s *Snapshot) reserved() string {
	var keys []string
	for _, h := range s.Holders {
		if h.State == "reserved" {
			keys = append(keys, h.Keys()...)
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	const shown = 20
	switch n := len(keys); {
	case n == 0:
		return "nothing is"
	case n > shown:
		return fmt.Sprintf("reserved are %s and %d more", quoteAll(keys[:shown]), n-shown)
	}
	return "reserved are " + quoteAll(keys)
}

func blocker(key string, h *Holder) Blocker {
	return Blocker{Key: key, ID: h.ID, Holder: h.Owner, State: h.State, Since: h.Since, Expires: h.Expires, Reason: h.Reason}
}
