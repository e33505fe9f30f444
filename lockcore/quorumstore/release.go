package quorumstore

import (
	"context"
	"fmt"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// stoneLife is how long a server refuses what was undone before it arrived.
const stoneLife = 30 * time.Second

// release ends a lease on one server. units are its keys, if they are known.
func (n *node) release(ctx context.Context, id string, attempt int64, keep time.Duration, stone bool, units []unit) (held bool, err error) {
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
		return false, err
	}
	count, ok := v.(int64)
	if !ok {
		return false, badReply(v)
	}
	return count == 1, nil
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
	r.linger(time.Since(r.start) + lingerMin)
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
	*gathering[bool]
	start  time.Time
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
	given, unsure, attempt := append([]bool(nil), k.given...), append(make([]bool, 0, n), k.unsure...), k.attempt
	units := unitsOf(k.t.Requirements, k.obtained)
	s.mu.Unlock()
	unsure = append(unsure, make([]bool, n-len(unsure))...)
	r := &releasing{start: time.Now(), ballot: newBallot(n, 0), errs: make([]error, n)}
	note := func(i int, held bool, err error) reply {
		switch {
		case err != nil:
			if keep == 0 {
				s.owe(s.nodes[i], k.id, attempt, k.t.TTL)
			}
			return down
		case !held && !given[i]:
			return no
		}
		s.mu.Lock()
		k.given[i] = true
		s.mu.Unlock()
		if keep == 0 {
			s.ended(i, k.id, attempt)
		}
		return yes
	}
	r.gathering = gather(s, hearing[bool]{
		to: s.everyone(), limit: s.limit(k.t.TTL),
		ask: func(ctx context.Context, n *node) (bool, error) {
			return n.release(ctx, k.id, attempt, keep, unsure[n.index], units)
		},
		take: func(i int, held bool, err error) bool {
			r.errs[i] = err
			r.ballot.replies[i] = note(i, held, err)
			return r.ballot.verdict(0) != pending
		},
		late: func(i int, held bool, err error) { note(i, held, err) },
	})
	return r
}

// takeBack ends an attempt on some servers, and returns when they have answered
// or failed to.
func (s *Store) takeBack(id string, attempt int64, ttl time.Duration, from []int) {
	g := gather(s, hearing[bool]{
		to: from, limit: s.limit(ttl),
		ask: func(ctx context.Context, n *node) (bool, error) { return n.release(ctx, id, attempt, 0, false, nil) },
		take: func(i int, _ bool, err error) bool {
			if err != nil {
				s.owe(s.nodes[i], id, attempt, ttl)
			} else {
				s.ended(i, id, attempt)
			}
			return false
		},
	})
	_ = g.wait(context.Background()) // the time limit ends it
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
		r.linger(time.Since(r.start) + lingerMin)
	}
	// A ticket that waits left nothing on the servers: lost attempts were undone.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(k)
	s.dispatch(time.Now())
	return nil
}
