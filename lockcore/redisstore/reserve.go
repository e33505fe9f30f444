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
	v, err := s.run(ctx, s.scripts.extend, encodeID(id), micros(d))
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
	v, err := s.run(ctx, s.scripts.disable, appendArgs([]any{rand.Text(), length, why, info}, o.Keys)...)
	return holders(v, ""), err
}

// Enable implements [lockcore.Store].
func (s *Store) Enable(ctx context.Context, keys []string) ([]lockcore.Holder, error) {
	v, err := s.run(ctx, s.scripts.enable, appendArgs([]any{rand.Text()}, keys)...)
	return holders(v, ""), err
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
