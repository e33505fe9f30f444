package quorumstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// disabledID is the id of the lease that keeps a key out of service.
func disabledID(key string) string { return "disabled:" + key }

// disabledSomewhere reports whether some server says that a candidate is disabled, but
// not so many that it is certain.
func (a *asking) disabledSomewhere() bool {
	s, now := a.s, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	some := s.view.disabled(a.t.Requirements, now, 1)
	return len(some) > len(s.view.disabled(a.t.Requirements, now, majority(len(s.nodes))))
}

// Disable implements [lockcore.Store]. It stands once a majority of the servers has
// it. Each server keeps the outage in its data, and counts those in a row by itself.
func (s *Store) Disable(ctx context.Context, o lockcore.Outage) ([]lockcore.Holder, error) {
	now := "0"
	if o.Now {
		now = "1"
	}
	why := "it was taken out of service by " + o.Owner.String()
	if o.Reason != "" {
		why += ": " + o.Reason
	}
	attempt := time.Now().UnixMicro()
	c, err := s.collect(ctx, disableScript(), func(n *node) []any {
		args := []any{keyList(o.Keys), attempt, now, why, o.For.Microseconds(), n.channel, freedLife.Microseconds()}
		for _, k := range o.Keys {
			t := lockcore.Ticket{Owner: o.Owner, Reason: o.Reason, Requirements: []lockcore.Requirement{{Need: 1}}}
			args = append(args, infoOf(&t, [][]string{{k}}))
		}
		return args
	})
	if err != nil {
		return nil, err
	}
	if o.Now {
		s.endElsewhere(c, why)
	}
	for _, k := range o.Keys {
		s.outOfService(k)
	}
	need := majority(len(s.nodes))
	return holdersOf(c.leases(need-(len(s.nodes)-c.ballot.count(yes)), need)), nil
}

// Enable implements [lockcore.Store]. A key that a minority has disabled, which others
// forgot, counts as disabled, too.
func (s *Store) Enable(ctx context.Context, keys []string) ([]lockcore.Holder, error) {
	c, err := s.collect(ctx, enableScript(), func(n *node) []any { return []any{keyList(keys), n.channel} })
	if err != nil {
		return nil, err
	}
	out := holdersOf(c.leases(1, majority(len(s.nodes))))
	slices.SortStableFunc(out, func(a, b lockcore.Holder) int {
		return cmp.Compare(slices.Index(keys, a.Keys()[0]), slices.Index(keys, b.Keys()[0]))
	})
	for i := range s.nodes {
		for _, h := range out {
			s.forgotten(i, h.ID)
		}
	}
	return out, nil
}

// forgotten takes out of the view what a server no longer has.
func (s *Store) forgotten(i int, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view.servers[i].drop(id)
	s.dispatch(time.Now())
}

// keyList lists keys as the scripts read it.
func keyList(keys []string) string {
	units := make([]unit, len(keys))
	for i, k := range keys {
		units[i].name = k
	}
	return encode(units)
}
