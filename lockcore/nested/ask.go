package nested

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A request is a ticket, and how the store was asked for it.
type request struct {
	revision int
	inside   []lockcore.Requirement
	outward  map[string]string // keys as programs call them, by what the store calls them
	used     []*lease          // whose resources may be among them
	parents  []string
}

// Ask implements [lockcore.Store].
func (s *store) Ask(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	q, err := s.request(ctx, t)
	if err != nil {
		return lockcore.Answer{}, err
	}
	if len(q.outward) == 0 {
		inside := *t
		inside.Parents = append(slices.Clone(t.Parents), q.parents...)
		ans, err := s.Store.Ask(ctx, &inside, wake)
		return ans, errors.Join(err, s.deadlock(ctx, t, ans, err))
	}
	inside := *t
	inside.Requirements, inside.Parents = q.inside, append(slices.Clone(t.Parents), q.parents...)
	// The grant is not used unasked: the lease above is to be looked at first.
	ans, err := s.Store.Ask(ctx, &inside, func(*lockcore.Grant) { wake(nil) })
	if err != nil || ans.Grant == nil {
		return ans, errors.Join(err, s.deadlock(ctx, t, ans, err))
	}
	g := ans.Grant
	used := q.holding(g)
	if len(used) > 0 {
		if err := s.renewAbove(ctx, used); err != nil {
			_ = s.Store.Withdraw(ctx, t.ID) // it expires otherwise
			return lockcore.Answer{}, err
		}
	}
	stored.Store(t.ID, g)
	out := *g
	out.Ticket, out.Obtained = t, make([][]string, len(g.Obtained))
	for i, keys := range g.Obtained {
		for _, k := range keys {
			out.Obtained[i] = append(out.Obtained[i], q.name(k))
		}
	}
	if g.Last != nil {
		out.Last = map[string]lockcore.Ending{}
		for k, e := range g.Last {
			out.Last[q.name(k)] = e
		}
	}
	ans.Grant = &out
	return ans, nil
}

// deadlock finds a circle through a lease above, which the program below does not
// know as its own.
func (s *store) deadlock(ctx context.Context, t *lockcore.Ticket, ans lockcore.Answer, err error) error {
	if err != nil || ans.Grant != nil || !t.Wait {
		return nil
	}
	snap, err := s.Store.Snapshot(ctx)
	if err != nil {
		return nil // the next ask looks again
	}
	if err := snap.Deadlock(t.ID); err != nil {
		_ = s.Store.Withdraw(ctx, t.ID) // it is dropped otherwise, when it is not heard of
		return err
	}
	return nil
}

func (q *request) name(k string) string {
	if n, ok := q.outward[k]; ok {
		return n
	}
	return k
}

// holding are the leases within which a grant is.
func (q *request) holding(g *lockcore.Grant) []*lease {
	var out []*lease
	for _, k := range g.Keys() {
		for _, l := range q.used {
			if strings.HasSuffix(k, l.within("")) && !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	return out
}

// renewAbove renews leases above, which makes this process one of those that keep
// them alive.
func (s *store) renewAbove(ctx context.Context, leases []*lease) error {
	grants := make([]*lockcore.Grant, len(leases))
	for i, l := range leases {
		grants[i] = l.grant()
	}
	errs, err := s.Store.Renew(ctx, grants)
	if err != nil {
		return err
	}
	for i, e := range errs {
		if e != nil {
			return fmt.Errorf("the lease of %s, within which this process is, has ended: %w", leases[i].Owner, e)
		}
	}
	return nil
}

// request works out what to ask the store for.
func (s *store) request(ctx context.Context, t *lockcore.Ticket) (*request, error) {
	s.mu.Lock()
	q := s.asked[t.ID]
	s.mu.Unlock()
	if q != nil && q.revision == t.Revision {
		return q, nil
	}
	snap, err := s.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	q = &request{revision: t.Revision, outward: map[string]string{}}
	var alive []*lease
	for _, l := range s.above {
		if slices.ContainsFunc(snap.Holders, func(h lockcore.Holder) bool { return h.ID == l.ID }) {
			alive = append(alive, l)
			q.parents = append(q.parents, l.ID)
		}
	}
	for _, r := range t.Requirements {
		in, err := q.translate(r, alive)
		if err != nil {
			return nil, err
		}
		q.inside = append(q.inside, in)
	}
	s.mu.Lock()
	s.asked[t.ID] = q
	s.mu.Unlock()
	return q, nil
}

// translate asks for what is held above within it. If that is enough, nothing else
// is asked for: who runs a program below a lock means that it should use it.
func (q *request) translate(r lockcore.Requirement, alive []*lease) (lockcore.Requirement, error) {
	inside := r
	inside.Candidates = nil
	var rest []lockcore.Candidate
	names := map[string]string{}
	units, seats := 0, 0
	var used []*lease
	for _, c := range r.Candidates {
		l, mode, n := holderOf(alive, c.Key)
		switch {
		case l == nil:
			rest = append(rest, c)
			continue
		case mode.Shared && !r.Shared:
			return r, fmt.Errorf("%q is held above, by %s, for reading only, so waiting for it would never end: %w", c.Key, l.Owner, lockcore.ErrDeadlock)
		case mode.Seats > 0 && (seats == 0 || n < seats):
			seats = n
		}
		k := l.within(c.Key)
		names[k] = c.Key
		inside.Candidates = append(inside.Candidates, lockcore.Candidate{Key: k, Tags: c.Tags})
		used = append(used, l)
		units += n
	}
	switch {
	case len(names) == 0:
		return r, nil
	case units < r.Units() && seats > 0:
		return r, nil // the seats above are not enough: take others beside them
	case units < r.Units():
		inside.Candidates = append(inside.Candidates, rest...)
	case seats > 0:
		inside.Seats, inside.Shared = seats, false
	}
	for k, n := range names {
		q.outward[k] = n
	}
	q.used = append(q.used, used...)
	return inside, nil
}

// holderOf finds the nearest lease above that has a key, how it has it, and how
// many units of it.
func holderOf(alive []*lease, key string) (l *lease, mode lockcore.Requirement, n int) {
	for i := len(alive) - 1; i >= 0; i-- {
		for j, keys := range alive[i].Keys {
			for _, k := range keys {
				if k == key {
					l, mode = alive[i], alive[i].Reqs[j]
					n++
				}
			}
		}
		if l != nil {
			return l, mode, n
		}
	}
	return nil, mode, 0
}
