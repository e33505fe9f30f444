package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// ExtendReservation implements [lockcore.Store].
func (s *Store) ExtendReservation(ctx context.Context, id string, d time.Duration) (end time.Time, err error) {
	v, err := s.runReplicated(ctx, s.scripts.extend, "the end of the reservation", encodeID(id), micros(d))
	switch at := text(v); {
	case err != nil:
		return end, err
	case at == "":
		return end, fmt.Errorf("%s: reservation %s: %w", s, id, lockcore.ErrNotHeld)
	default:
		return moment(at), nil
	}
}

// EndReservation implements [lockcore.Store].
func (s *Store) EndReservation(ctx context.Context, id string, keys []string) error {
	args := []any{rand.Text(), encodeID(id)}
	v, err := s.run(ctx, s.scripts.giveBack, appendArgs(args, keys)...)
	if err == nil && text(v) != "1" {
		err = fmt.Errorf("%s: reservation %s of %q: %w", s, id, keys, lockcore.ErrNotHeld)
	}
	return err
}

// Disable implements [lockcore.Store].
func (s *Store) Disable(ctx context.Context, o lockcore.Outage) ([]lockcore.Holder, error) {
	why := ""
	if o.Now {
		why = "it was taken out of service by " + o.Owner.String()
		if o.Reason != "" {
			why += ": " + o.Reason
		}
	}
	length := micros(o.For)
	if o.For > 0 {
		length = max(1, length)
	}
	info := infoOf(&lockcore.Ticket{Owner: o.Owner, Reason: o.Reason})
	v, err := s.runReplicated(ctx, s.scripts.disable, "the outage", appendArgs([]any{rand.Text(), length, why, info}, o.Keys)...)
	return holders(v, ""), err
}

// Enable implements [lockcore.Store].
func (s *Store) Enable(ctx context.Context, keys []string) ([]lockcore.Holder, error) {
	v, err := s.run(ctx, s.scripts.enable, appendArgs([]any{rand.Text()}, keys)...)
	return holders(v, ""), err
}

// runReplicated is run that fails if too few replicas have what the script wrote. It
// stands all the same, and can be written once more: only a fail-over would lose it.
func (s *Store) runReplicated(ctx context.Context, sc *script, what string, args ...any) (any, error) {
	if s.opts.MinReplicas == 0 {
		return s.run(ctx, sc, args...)
	}
	v, acks, err := s.runAcknowledged(ctx, sc, args...)
	if err == nil && acks < s.opts.MinReplicas {
		err = fmt.Errorf("%s: %d of min_replicas=%d replicas have %s, which a fail-over would lose: see INFO replication, and try again", s, acks, s.opts.MinReplicas, what)
	}
	return v, err
}

func appendArgs(args []any, keys []string) []any {
	for _, k := range keys {
		args = append(args, escape(k))
	}
	return args
}

// disabled picks the candidates of a ticket out of what is out of service.
func disabled(t *lockcore.Ticket, out []any) (keys []string) {
	if len(out) == 0 {
		return nil
	}
	all := make(map[string]bool)
	for i := range t.Requirements {
		for _, c := range t.Requirements[i].Candidates {
			all[c.Key] = true
		}
	}
	for _, k := range out {
		if key := unescape(text(k)); all[key] {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
