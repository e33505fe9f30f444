package quorumstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// stoneLife is how long a server refuses what was undone before it arrived.
const stoneLife = 30 * time.Second

// parting is what a server says to a release.
type parting struct {
	held bool // it had the lease
	ears int  // how many processes heard of its end
}

// release ends a lease on one server. units are its keys, if they are known.
func (n *node) release(ctx context.Context, id string, attempt int64, keep time.Duration, stone bool, units []unit) (parting, error) {
	flag := "0"
	if stone {
		flag = "1"
	}
	args := append(make([]any, 0, 7+len(units)), id, number(attempt), keep.Microseconds(), n.channel, stoneLife.Microseconds(), flag)
	if keep == 0 && !stone {
		args = simple(args, id, units)
	}
	v, err := n.run(ctx, releaseScript, args...)
	if err != nil {
		return parting{}, err
	}
	count, ok := v.(int64)
	if !ok {
		return parting{}, badReply(v)
	}
	return parting{held: count%2 == 1, ears: int(count / 2)}, nil
}

// Release implements [lockcore.Store]. It goes to all servers; those that cannot
// be told now are told when they are back, as long as this store lives, and drop
// the lease at its expiry otherwise.
func (s *Store) Release(ctx context.Context, g *lockcore.Grant, keep time.Duration) error {
	k, err := s.known(ctx, g.Ticket.ID)
	if err != nil {
		return err
	}
	if k == nil { // granted to another process
		k = &ticket{id: g.Ticket.ID, t: g.Ticket, attempt: time.Now().UnixMicro(), turn: make(chan struct{}, 1)}
		k.turn <- struct{}{}
	}
	defer k.leave()
	r := s.releasing(k, keep)
	if err := r.wait(ctx); err != nil {
		return err
	}
	v := r.ballot.verdict(0)
	if v != won && v != lost && !r.ballot.quorate() {
		return s.noQuorum(r.errs)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(k)
	s.dispatch(time.Now())
	if v == lost {
		return fmt.Errorf("%s: lease %s: %w", s.where, k.id, lockcore.ErrNotHeld)
	}
	return nil
}

// A releasing is a release under way.
type releasing struct {
	*gathering[parting]
	ballot ballot
	errs   []error
}

// releasing asks all servers to end a lease. A release that is repeated counts
// what was confirmed the first time.
func (s *Store) releasing(k *ticket, keep time.Duration) *releasing {
	n := len(s.nodes)
	s.mu.Lock()
	if k.given == nil {
		k.given = make([]bool, n)
	}
	k.leaving = true
	given, stones, attempt := slices.Clone(k.given), slices.Clone(k.stones), k.attempt
	units := unitsOf(k.t.Requirements, k.obtained)
	s.mu.Unlock()
	r := &releasing{ballot: newBallot(n, 0), errs: make([]error, n)}
	note := func(i int, p parting, err error, final bool) reply {
		switch {
		case err != nil:
			if keep == 0 && (final || sent(err)) {
				s.owe(s.nodes[i], k.id, attempt, k.t.TTL)
			}
			return down
		case !p.held && !given[i]:
			s.ended(i, k.id, attempt)
			return no
		}
		s.mu.Lock()
		k.given[i] = true
		s.mu.Unlock()
		if keep == 0 {
			s.yield(i, k.id, units, p.ears)
			s.ended(i, k.id, attempt)
		}
		return yes
	}
	r.gathering = gather(s, hearing[parting]{
		to: s.everyone(), limit: s.limit(k.t.TTL),
		ask: func(ctx context.Context, n *node) (parting, error) {
			return n.release(ctx, k.id, attempt, keep, stones != nil && stones[n.index], units)
		},
		take: func(i int, p parting, err error) progress {
			r.errs[i] = err
			r.ballot.replies[i] = note(i, p, err, false)
			if r.ballot.quorate() {
				return nearly
			}
			return open
		},
		late: func(i int, p parting, err error) { note(i, p, err, true) },
	})
	return r
}

// headStart is how long what this process has given back is left to those of
// other processes that wait. They learn of it a network's delay later than this
// process could ask again, and would starve beside one that loops.
const headStart = 2 * time.Millisecond

// yield leaves what was given back to the processes that heard of it, if any
// other than this one did.
func (s *Store) yield(i int, id string, units []unit, ears int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nodes[i].heard {
		ears--
	}
	if ears <= 0 {
		return
	}
	now := time.Now()
	s.view.courtesy.prune(now)
	s.view.courtesy.put(&seen{id: id, until: now.Add(headStart), units: units})
}

// takeBack ends an attempt on some servers. It gives them a moment to answer:
// whoever lost to a rival had better not be in its way the next time.
func (s *Store) takeBack(id string, attempt int64, ttl time.Duration, from []int) {
	g := gather(s, hearing[parting]{
		to: from, limit: s.limit(ttl),
		ask: func(ctx context.Context, n *node) (parting, error) { return n.release(ctx, id, attempt, 0, false, nil) },
		take: func(i int, _ parting, err error) progress {
			if err == nil {
				s.ended(i, id, attempt)
			} else if sent(err) {
				s.owe(s.nodes[i], id, attempt, ttl)
			}
			return open
		},
	})
	g.linger(reserveAfter)
}

// Withdraw implements [lockcore.Store].
func (s *Store) Withdraw(ctx context.Context, id string) error {
	k, err := s.known(ctx, id)
	if err != nil {
		return err
	}
	if k == nil {
		// Another process may have been granted it.
		k = &ticket{id: id, t: &lockcore.Ticket{ID: id}, attempt: time.Now().UnixMicro(), turn: make(chan struct{}, 1), obtained: [][]string{}}
		k.turn <- struct{}{}
	}
	defer k.leave()
	s.mu.Lock()
	granted := k.obtained != nil
	s.mu.Unlock()
	if granted {
		r := s.releasing(k, 0)
		if err := r.wait(ctx); err != nil {
			return err
		}
		if v := r.ballot.verdict(0); v != won && v != lost && !r.ballot.quorate() {
			return s.noQuorum(r.errs)
		}
	}
	// A ticket that waits left nothing on the servers: lost attempts were undone.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(k)
	s.dispatch(time.Now())
	return nil
}
