package quorumstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A reservation is won as a lease, in one vote, and made a reservation by a second
// one. A client that dies in between leaves a lease, which expires after its TTL, and
// no reservation on a minority of the servers, which would be in the way for hours.

// reserve makes a lease that was just granted a reservation, or looks whether it is
// one. since is when it was asked for: while its TTL lasts, servers that do not have it
// take it in; zero: they do not.
func (s *Store) reserve(ctx context.Context, k *ticket, obtained [][]string, since time.Time) error {
	n := len(s.nodes)
	s.mu.Lock()
	t, attempt := k.t, k.attempt
	s.mu.Unlock()
	join := "0"
	if !since.IsZero() && validity(t.TTL, time.Since(since)) > 0 {
		join = "1"
	}
	args := []any{t.ID, attempt, (t.For + grace).Microseconds(), time.Now().Add(t.For).UnixMicro(), s.config.LockDelay.Microseconds(), join,
		encode(unitsOf(t.Requirements, obtained)), infoOf(t, obtained)}
	v, errs, err := s.poll(ctx, s.limit(t.TTL), func(ctx context.Context, n *node) (bool, error) {
		v, err := n.run(ctx, reserveScript(), args...)
		return v == int64(1), err
	})
	s.mu.Lock()
	k.refuseLater(v.replies) // or the question comes after a release, and reserves for nobody
	s.mu.Unlock()
	switch {
	case err != nil:
		return err
	case v.verdict(0) == won:
		s.mu.Lock()
		for i := range s.view.servers {
			if l := s.view.servers[i].leases[t.ID]; l != nil {
				l.until = time.Now().Add(t.For)
			}
		}
		s.mu.Unlock()
		return nil
	case v.count(no) > n-majority(n):
		return fmt.Errorf("its time is over, or somebody ended it: %w", lockcore.ErrLost)
	}
	return s.noQuorum(errs)
}

// poll asks all servers a question that each answers with yes or no.
func (s *Store) poll(ctx context.Context, limit time.Duration, ask func(ctx context.Context, n *node) (bool, error)) (ballot, []error, error) {
	b, errs := newBallot(len(s.nodes), 0), make([]error, len(s.nodes))
	g := gather(s, question[bool]{
		to: s.everyone(), limit: limit, ask: ask,
		take: func(i int, said bool, err error) progress {
			errs[i] = err
			switch {
			case err != nil:
				b.replies[i] = down
			case said:
				b.replies[i] = yes
			default:
				b.replies[i] = no
			}
			if v := b.verdict(0); v == won || v == lost {
				return nearly
			}
			return open
		},
	})
	err := g.wait(ctx)
	return b, errs, err
}

// reservation finds the reservation with an id on a majority.
func (s *Store) reservation(ctx context.Context, id string) (*reportedLease, error) {
	c, err := s.collect(ctx, snapshotScript(), func(*node) []any { return nil })
	if err != nil {
		return nil, err
	}
	need := majority(len(s.nodes))
	for _, l := range c.leases(need-(len(s.nodes)-c.ballot.count(yes)), need) {
		if l.holder.ID == id && l.holder.State == "reserved" {
			return l, nil
		}
	}
	return nil, s.noReservation(id)
}

func (s *Store) noReservation(id string) error {
	return fmt.Errorf("%s: reservation %s: %w", s.where, id, lockcore.ErrNotHeld)
}

// ExtendReservation implements [lockcore.Store]. The new end holds as soon as a
// majority has it.
func (s *Store) ExtendReservation(ctx context.Context, id string, d time.Duration) (time.Time, error) {
	end := time.Now().Add(d)
	c, err := s.collect(ctx, extendScript(), func(*node) []any {
		return []any{id, (d + grace).Microseconds(), end.UnixMicro()}
	})
	if err != nil {
		return time.Time{}, err
	}
	need := majority(len(s.nodes))
	for _, l := range c.leases(need, need) {
		return l.holder.Expires, nil
	}
	if c.ballot.count(yes) < len(s.nodes) && len(c.found) > 0 {
		return time.Time{}, s.noQuorum(c.errs) // those that did not answer would decide
	}
	return time.Time{}, s.noReservation(id)
}

// giveBackTries bounds how often EndReservation looks anew when others give back keys
// of the same reservation at the same time.
const giveBackTries = 5

// EndReservation implements [lockcore.Store].
func (s *Store) EndReservation(ctx context.Context, id string, keys []string) error {
	k, err := s.known(ctx, id)
	if err != nil {
		return err
	}
	if k == nil { // made by another process
		k = &ticket{id: id, turn: make(chan struct{}, 1)}
		k.turn <- struct{}{}
	}
	defer k.leave()
	for range giveBackTries {
		l, err := s.reservation(ctx, id)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if !slices.ContainsFunc(l.units, func(u unit) bool { return u.name == key }) {
				return fmt.Errorf("%s: reservation %s does not hold %q: %w", s.where, id, key, lockcore.ErrNotHeld)
			}
		}
		done, err := s.giveBack(ctx, k, l, keys)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: reservation %s changes while keys of it are given back: try again", s.where, id)
}

// giveBack ends the reservation of some keys, and with the last of them the whole. It
// reports false if the reservation has other keys than l says.
func (s *Store) giveBack(ctx context.Context, k *ticket, l *reportedLease, keys []string) (done bool, err error) {
	left := lockcore.Ticket{ID: k.id, Requirements: l.holder.Requirements, Owner: l.holder.Owner, Expect: l.holder.Expect, Reason: l.holder.Reason, Parents: l.holder.Parents}
	var obtained [][]string
	rest := 0
	for _, o := range l.holder.Obtained {
		o = slices.DeleteFunc(slices.Clone(o), func(key string) bool { return slices.Contains(keys, key) })
		obtained = append(obtained, o)
		rest += len(o)
	}
	if rest == 0 {
		left.For = l.remaining()
		s.mu.Lock()
		k.t, k.obtained, k.attempt, k.since = &left, l.holder.Obtained, l.attempt, l.holder.Since
		s.mu.Unlock()
		r := s.releasing(k, 0, endingText(lockcore.Released))
		if err := r.wait(ctx); err != nil {
			return false, err
		}
		if v := r.ballot.verdict(0); v != won && v != lost && !r.ballot.quorate() {
			return false, s.noQuorum(r.errs)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.forget(k)
		s.dispatch(time.Now())
		return true, nil
	}
	attempt, before := s.number(k)
	isGivenBack := func(u unit) bool { return slices.Contains(keys, u.name) }
	restUnits := slices.DeleteFunc(slices.Clone(l.units), isGivenBack)
	givenBack := slices.DeleteFunc(slices.Clone(l.units), func(u unit) bool { return !isGivenBack(u) })
	b, errs, err := s.poll(ctx, max(slowLimit, s.config.NodeTimeout), func(ctx context.Context, n *node) (bool, error) {
		v, err := n.run(ctx, giveBackScript(), k.id, encode(l.units), attempt, encode(restUnits), infoOf(&left, obtained), n.channel, tombstoneLife.Microseconds(), time.Since(l.holder.Since).Microseconds())
		if v == int64(1) {
			s.ended(n.index, k.id, before)
		}
		return v == int64(1), err
	})
	switch {
	case err != nil:
		return false, err
	case b.verdict(0) == won:
		s.mu.Lock()
		if k.obtained != nil {
			k.obtained = obtained
		}
		s.dispatch(time.Now())
		s.mu.Unlock()
		for i, r := range b.replies {
			if r == down {
				// It would keep the keys that were given back until the end of the reservation.
				s.releaseLater(s.nodes[i], releaseRequest{id: k.id, attempt: attempt, ending: endingText(lockcore.Released), units: givenBack, since: l.holder.Since}, l.remaining())
			}
		}
		return true, nil
	case b.verdict(0) == lost:
		return false, nil
	}
	return false, s.noQuorum(errs)
}
