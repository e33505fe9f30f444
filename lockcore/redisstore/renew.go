package redisstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Renew implements [lockcore.Store]. Leases that the server does not have are
// brought back in a second call, which tells it all about them.
func (s *Store) Renew(ctx context.Context, grants []*lockcore.Grant) ([]error, error) {
	if len(grants) == 0 {
		return nil, nil
	}
	args := make([]any, 0, 3*len(grants))
	for _, g := range grants {
		s.hub.remove(encodeID(g.Ticket.ID))
		args = append(args, encodeID(g.Ticket.ID), micros(g.Ticket.TTL), g.Token)
	}
	replies, err := s.confirmed(ctx, s.scripts.renew, args, grants)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(grants))
	var missing []int
	for i, r := range replies {
		switch {
		case r == replyMissing && grants[i].Ticket.For > 0:
			errs[i] = fmt.Errorf("the time of the reservation is over: %w", lockcore.ErrLost)
		case r == replyMissing:
			missing = append(missing, i)
		default:
			errs[i] = s.lost(r)
		}
	}
	if len(missing) == 0 {
		return errs, nil
	}
	args = args[:0]
	var lost []*lockcore.Grant
	for _, i := range missing {
		g := grants[i]
		lost = append(lost, g)
		args = append(args, encodeID(g.Ticket.ID), g.Token, micros(g.Ticket.TTL), micros(s.opts.LockDelay), encodeIDs(g.Ticket.Parents), infoOf(g.Ticket), encodeGot(g),
			s.generations.lastOf(g.Ticket.ID))
	}
	if replies, err = s.confirmed(ctx, s.scripts.assert, args, lost); err != nil {
		return nil, err
	}
	for n, i := range missing {
		errs[i] = s.lost(replies[n])
	}
	return errs, nil
}

// confirmed runs a script that answers in a word for each of the grants and the
// generation of the data, and sees to it that enough replicas have what it wrote. A
// renewal that they do not have does not count: the one among them that becomes
// master would give the keys away too early.
func (s *Store) confirmed(ctx context.Context, sc *script, args []any, grants []*lockcore.Grant) (replies []string, err error) {
	var v any
	acks := 0
	if s.opts.MinReplicas > 0 {
		v, acks, err = s.runAcknowledged(ctx, sc, args...)
	} else {
		v, err = s.run(ctx, sc, args...)
	}
	if err != nil {
		return nil, err
	}
	if acks < s.opts.MinReplicas {
		return nil, fmt.Errorf("%s: %d of min_replicas=%d replicas have the renewal: see INFO replication", s, acks, s.opts.MinReplicas)
	}
	for _, r := range list(v) {
		replies = append(replies, text(r))
	}
	n := len(grants)
	if len(replies) != n+1 {
		return nil, fmt.Errorf("%s: the script gave %d answers to %d leases", s, len(replies), n)
	}
	s.generations.told(replies[n])
	for i, g := range grants {
		switch replies[i] {
		case "":
			s.generations.confirmed(g.Ticket.ID, replies[n])
		case replyMissing: // it may come back
		default:
			s.generations.forget(g.Ticket.ID)
		}
	}
	return replies[:n], nil
}

// lost turns an answer about a lease into an error: nil for an empty one, "T"
// and why it has ended, or "H", a key and what is known of its holder.
func (s *Store) lost(answer string) error {
	kind, rest, _ := strings.Cut(answer, " ")
	switch kind {
	case "":
		return nil
	case replyDisabled:
		return fmt.Errorf("it expired, and %q is out of service now: %w", unescape(rest), lockcore.ErrLost)
	case replyHeld:
		key, holder, _ := strings.Cut(rest, " ")
		if holder == "" {
			return fmt.Errorf("it expired, and %q was given to somebody else since: %w", unescape(key), lockcore.ErrLost)
		}
		in := decodeInfo(holder)
		return fmt.Errorf("it expired, and %q is held by %s now: %w", unescape(key), in.Owner, lockcore.ErrLost)
	}
	return fmt.Errorf("%s: %w", ended(rest), lockcore.ErrLost)
}
