package nested

import (
	"context"
	"slices"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Snapshot implements [lockcore.Store]. It shows the store as it is for a program
// below: what leases above hold is free, unless somebody else below has it.
func (s *store) Snapshot(ctx context.Context) (lockcore.Snapshot, error) {
	snap, err := s.Store.Snapshot(ctx)
	if err != nil {
		return snap, err
	}
	name := func(k string) string {
		for _, l := range s.above {
			if key, ok := strings.CutSuffix(k, l.within("")); ok {
				return key
			}
		}
		return k
	}
	for i := range snap.Holders {
		h := &snap.Holders[i]
		mine := slices.ContainsFunc(s.above, func(l *lease) bool { return l.ID == h.ID })
		h.Obtained = slices.Clone(h.Obtained)
		for j, keys := range h.Obtained {
			var out []string
			for _, k := range keys {
				if !mine {
					out = append(out, name(k))
				}
			}
			h.Obtained[j] = out
		}
	}
	for i := range snap.Waiters {
		w := &snap.Waiters[i]
		w.Requirements = slices.Clone(w.Requirements)
		for j := range w.Requirements {
			cs := slices.Clone(w.Requirements[j].Candidates)
			for k := range cs {
				cs[k].Key = name(cs[k].Key)
			}
			w.Requirements[j].Candidates = cs
		}
	}
	return snap, nil
}

// Unwrap lets package lockcore find what else the store can do.
func (s *store) Unwrap() lockcore.Store { return s.Store }
