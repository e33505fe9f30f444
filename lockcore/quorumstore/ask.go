package quorumstore

import (
	"context"
	"errors"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// Ask implements [lockcore.Store]. A ticket that is not granted leaves nothing on the
// servers: only this process knows its place in line.
func (s *Store) Ask(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	if err := ctx.Err(); err != nil {
		return lockcore.Answer{}, err
	}
	if t.Priority >= lockcore.FrontOfLine {
		return lockcore.Answer{}, &noFrontError{s.where}
	}
	k, err := s.enter(ctx, t)
	if err != nil {
		return lockcore.Answer{}, err
	}
	defer k.leave()
	if g, err := s.confirm(ctx, k); g != nil || err != nil {
		return lockcore.Answer{Grant: g}, err
	}
	a := newAsking(s, k)
	obtained, err := a.run(ctx)
	switch {
	case err != nil:
	case obtained != nil && t.For > 0:
		if err = s.reserve(ctx, k, obtained, a.start); err != nil {
			obtained = nil
			// The second vote may still be on its way to a server.
			r := releaseRequest{id: t.ID, attempt: k.attempt, refuse: refuseAlways}
			s.spawn(func() { s.takeBackAs(r, max(t.TTL, t.For), s.everyone()) })
			if errors.Is(err, lockcore.ErrLost) {
				err = nil // it was freed in between: the request goes on
			}
		}
	case obtained == nil && a.disabledSomewhere():
		_, err = a.survey(ctx) // so that the answer is what a majority says
	}
	return s.settle(a, obtained, err, wake)
}

// A noFrontError refuses what would be granted in no other order than without it.
type noFrontError struct{ where string }

func (e *noFrontError) Error() string {
	return e.where + " serves in no order, so nobody can stand in front of all who wait: leave out --next (the priority FrontOfLine)"
}

// Unwrap says that another store can do it.
func (e *noFrontError) Unwrap() error { return errors.ErrUnsupported }

// confirm returns the grant of a ticket that was granted before, if a renewal shows
// that it still stands.
func (s *Store) confirm(ctx context.Context, k *ticket) (*lockcore.Grant, error) {
	s.mu.Lock()
	obtained := k.obtained
	s.mu.Unlock()
	if obtained == nil {
		return nil, nil
	}
	s.mu.Lock()
	g := &lockcore.Grant{Ticket: k.t, Obtained: obtained, Last: k.last}
	s.mu.Unlock()
	var errs []error
	var err error
	if k.t.For > 0 {
		errs = []error{s.reserve(ctx, k, obtained, time.Time{})}
	} else {
		errs, err = s.Renew(ctx, []*lockcore.Grant{g})
	}
	switch {
	case err != nil:
		return nil, err
	case errors.Is(errs[0], lockcore.ErrLost):
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tickets[k.id] = k
		k.obtained, k.releasing, k.confirmed = nil, false, nil
		return nil, nil // then it is a new request
	case errs[0] != nil:
		return nil, errs[0]
	}
	return g, nil
}

// settle enters the outcome of an ask: the ticket is granted, waits, or is
// forgotten.
func (s *Store) settle(a *asking, obtained [][]string, err error, wake func(*lockcore.Grant)) (ans lockcore.Answer, _ error) {
	k, now := a.k, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	k.asking = false
	defer func() { k.recheck = false }()
	s.view.claims.drop(k.id)
	switch {
	case err != nil:
	case obtained != nil:
		k.obtained, k.valid, k.collisions = obtained, a.start.Add(max(a.t.For, validity(a.t.TTL, 0))), 0
		k.last, k.since = a.last, a.since
		s.tickets[k.id] = k
		s.removeFromLine(k)
		ans.Grant = &lockcore.Grant{Ticket: a.t, Obtained: obtained, Last: k.last}
	case a.t.Wait:
		s.addToLine(k, wake)
		ans.Poll = jitter(sched.Poll(a.t.TTL))
		if k.recheck {
			ans.Poll = jitter(collide)
		}
		if k.after.After(now) {
			ans.Poll = min(ans.Poll, k.after.Sub(now))
		}
		s.listen()
	default:
		s.forget(k)
	}
	if err == nil && obtained == nil {
		ans.Disabled = s.view.disabled(a.t.Requirements, now, majority(len(s.nodes)))
	}
	// Another waiter may get what this one claimed and did not obtain.
	s.dispatch(now)
	return ans, err
}

// An asking is one Ask under way. It looks at what is free, chooses keys and has the
// servers vote on them, until it has everything or knows that it cannot.
//
// A new request trusts what this process last saw, and asks all servers at once: one
// round trip. Waiters are many. If all of them asked all servers when something comes
// free, some servers would say yes to one and some to another, and nobody would have a
// majority. So waiters ask one server first, the lead server, which is the same for
// all of them:
//
//	A asks server 0: yes       B asks server 0: no
//	A asks servers 1 and 2     B waits, and has nothing to undo
//
// This is no election: a waiter that takes another server to lead costs an attempt,
// and never safety.
type asking struct {
	s     *Store
	k     *ticket
	t     *lockcore.Ticket
	start time.Time
	limit time.Duration // for one server
	keys  []string      // to report on; nil: everything
	looks string        // the same for the scripts

	last  map[string]lockcore.Ending // how the last use of the keys obtained ended
	since time.Time                  // when the bid was sent that was granted

	// Where the next vote begins; the chooser sets it.
	lead     int    // the server to ask first; -1: all at once
	answered []bool // servers whose view is fresh, guarded by Store.mu; nil: only the lead server's view counts
}

func newAsking(s *Store, k *ticket) *asking {
	a := &asking{s: s, k: k, t: k.t, start: time.Now(), limit: s.limit(k.t.TTL), lead: -1}
	a.keys, a.looks = candidates(k.t.Requirements)
	return a
}

// rounds bounds the votes in one ask.
const rounds = 6

// run returns what was obtained, or nil if something is missing.
func (a *asking) run(ctx context.Context) ([][]string, error) {
	choose, err := a.first(ctx)
	for round := 0; err == nil && choose != nil; round++ {
		if round == rounds || validity(a.t.TTL, time.Since(a.start)) < a.t.TTL/2 {
			// The TTL of a lease would count from the start of this ask, so too little of
			// it would be left. The caller asks again.
			a.collided()
			return nil, nil
		}
		picks, ok := choose()
		if !ok {
			return nil, nil
		}
		var got [][]string
		got, choose, err = a.vote(ctx, picks)
		if got != nil {
			return got, nil
		}
	}
	return nil, err
}

// collide is how long a request pauses after a vote in which rivals got some of the
// servers. Every further collision doubles it.
const collide = 2 * time.Millisecond

// collided puts off the next attempt, and returns for how long.
func (a *asking) collided() time.Duration {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	d := jitter(min(collide<<min(a.k.collisions, 3), sched.Poll(a.t.TTL)))
	a.k.collisions++
	a.k.after = time.Now().Add(d)
	return d
}

// pause puts off the next vote after a collision. A waiter does not pause here: it
// goes back into line, and its caller is asked to come again.
func (a *asking) pause(ctx context.Context) (chooser, error) {
	d := a.collided()
	if a.t.Wait {
		return nil, nil
	}
	select {
	case <-time.After(d):
		return a.survey(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
