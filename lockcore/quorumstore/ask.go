package quorumstore

import (
	"context"
	"errors"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// Ask implements [lockcore.Store]. A ticket that is not granted leaves nothing
// on the servers: its place in line is known to this process alone.
func (s *Store) Ask(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	if err := ctx.Err(); err != nil {
		return lockcore.Answer{}, err
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
	return s.settle(a, obtained, err, wake)
}

// confirm answers for a ticket that was granted before: with the grant, if it
// still stands.
func (s *Store) confirm(ctx context.Context, k *ticket) (*lockcore.Grant, error) {
	s.mu.Lock()
	obtained := k.obtained
	s.mu.Unlock()
	if obtained == nil {
		return nil, nil
	}
	g := &lockcore.Grant{Ticket: k.t, Obtained: obtained}
	errs, err := s.Renew(ctx, []*lockcore.Grant{g})
	switch {
	case err != nil:
		return nil, err
	case errors.Is(errs[0], lockcore.ErrLost):
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tickets[k.id] = k
		k.obtained, k.leaving, k.given = nil, false, nil
		return nil, nil // a new request then
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
	defer func() { k.again = false }()
	s.view.claims.drop(k.id)
	switch {
	case err != nil:
	case obtained != nil:
		k.obtained, k.valid, k.misses = obtained, a.start.Add(validity(a.t.TTL, 0)), 0
		s.tickets[k.id] = k
		s.unline(k)
		ans.Grant = &lockcore.Grant{Ticket: a.t, Obtained: obtained}
	case a.t.Wait:
		s.enline(k, wake)
		ans.Poll = jitter(sched.Poll(a.t.TTL))
		if k.again {
			ans.Poll = jitter(collide)
		}
		if k.after.After(now) {
			ans.Poll = min(ans.Poll, k.after.Sub(now))
		}
		s.listen()
	default:
		s.forget(k)
	}
	// What this one claimed and did not get may serve another.
	s.dispatch(now)
	return ans, err
}

// An asking is one Ask on its way: looks at what is free, chooses, and votes,
// until it has everything or knows that it cannot.
//
// A fresh request takes what it last saw to be still so and asks all servers at
// once, which costs one round trip. Those that wait are many, and would split the
// servers among themselves when something comes free: so they ask one server
// first, the same for all, and only the one that gets its yes goes on to the
// others. One that is refused there has nothing to undo.
type asking struct {
	s     *Store
	k     *ticket
	t     *lockcore.Ticket
	start time.Time
	limit time.Duration // for one server
	keys  []string      // to report on; nil: everything
	looks string        // the same for the scripts

	// Where the next vote starts, set by the chooser.
	gate  int    // the server to ask first; -1: all at once
	heard []bool // servers whose view is fresh, guarded by Store.mu; nil: the choice goes by the gate alone
}

func newAsking(s *Store, k *ticket) *asking {
	a := &asking{s: s, k: k, t: k.t, start: time.Now(), limit: s.limit(k.t.TTL), gate: -1}
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
			// A lease would count from the start of this ask: better to be asked anew.
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

// collide is how long to stay away after a vote that rivals split, doubled with
// every further one.
const collide = 2 * time.Millisecond

// collided puts off the next attempt and returns for how long.
func (a *asking) collided() time.Duration {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	d := jitter(min(collide<<min(a.k.misses, 3), sched.Poll(a.t.TTL)))
	a.k.misses++
	a.k.after = time.Now().Add(d)
	return d
}

// pause stays away for a moment after a collision. A waiter does so in line,
// where it does not keep its caller.
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
