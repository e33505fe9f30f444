// Package nested lets a program use what a program above it holds, instead of
// waiting for it until the end of the one that started it:
//
//	rtest-report lock board-1 -- go test ./...    a test asks for board-1
//
// The program above hands the identity of its lease down in the environment, in
// RTEST_HELD. The one below looks in the store whether the lease is still there, and
// then asks for the resource within that lease: for a key of its own, "board-1 within
// ID", that only programs below the same lease ask for. So two tests below one lock
// still take turns, with everything that a line has, and outsiders see one holder.
//
// As long as somebody below uses a resource, he renews the lease above, too: it
// outlives the program above, should that be killed. When the lease above is lost,
// so is every lease within it.
package nested

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// variable hands leases down.
const variable = "RTEST_HELD"

// A lease is one of a program above, as the variable has it.
type lease struct {
	ID     string                 `json:"id"`
	TTL    time.Duration          `json:"ttl"`
	Token  uint64                 `json:"token"`
	Owner  lockcore.Owner         `json:"owner"`
	Reqs   []lockcore.Requirement `json:"reqs"`   // without candidates
	Keys   [][]string             `json:"keys"`   // as programs call them
	Stored [][]string             `json:"stored"` // as the store calls them
}

func (l *lease) grant() *lockcore.Grant {
	return &lockcore.Grant{
		Ticket: &lockcore.Ticket{ID: l.ID, Requirements: l.Reqs, Owner: l.Owner, TTL: l.TTL}, Obtained: l.Stored, Token: l.Token,
	}
}

// within is what the store calls a key inside a lease.
func (l *lease) within(key string) string { return key + " within " + l.ID }

// above are the leases of the programs above, the nearest last.
func above() ([]*lease, error) {
	text := os.Getenv(variable)
	if text == "" {
		return nil, nil
	}
	var leases []*lease
	if err := json.Unmarshal([]byte(text), &leases); err != nil {
		return nil, fmt.Errorf("the environment variable %s is not what a program above has written: %w", variable, err)
	}
	for _, l := range leases {
		if l == nil || l.ID == "" || len(l.Keys) != len(l.Reqs) || len(l.Stored) != len(l.Reqs) {
			return nil, fmt.Errorf("the environment variable %s is not what a program above has written", variable)
		}
		for i := range l.Keys {
			if len(l.Keys[i]) != len(l.Stored[i]) {
				return nil, fmt.Errorf("the environment variable %s is not what a program above has written", variable)
			}
		}
	}
	return leases, nil
}

// stored has the grants of this process as the store has them, by identity, where
// the names of keys differ.
var stored sync.Map

// Environ is a setting for the environment of a process that this one starts and
// that may use what the leases hold: RTEST_HELD with them and with what programs
// above hold. It is "" when that cannot be told.
func Environ(leases ...*lockcore.Lease) string {
	all, err := above()
	if err != nil {
		all = nil
	}
	for _, le := range leases {
		g := le.Grant()
		l := &lease{ID: g.Ticket.ID, TTL: g.Ticket.TTL, Token: g.Token, Owner: g.Ticket.Owner, Keys: g.Obtained, Stored: g.Obtained}
		if s, ok := stored.Load(l.ID); ok {
			l.Stored = s.(*lockcore.Grant).Obtained
		}
		for _, r := range g.Ticket.Requirements {
			r.Candidates = nil
			l.Reqs = append(l.Reqs, r)
		}
		all = append(all, l)
	}
	b, err := json.Marshal(all)
	if err != nil {
		return ""
	}
	return variable + "=" + string(b)
}

// Parent is the identity of the lease of the nearest program above that hands one
// down, whether or not that has ended; "" without one. Event logs name it, so that a
// use of what a lease above holds can be told from one beside it.
func Parent() string {
	all, err := above()
	if err != nil || len(all) == 0 {
		return ""
	}
	return all[len(all)-1].ID
}

// Join returns the store as a program below sees it: what leases above hold is
// asked for within them. Without leases above it is the store itself. The error is
// about RTEST_HELD.
func Join(s lockcore.Store) (lockcore.Store, error) {
	leases, err := above()
	if err != nil || len(leases) == 0 {
		return s, err
	}
	return &store{Store: s, above: leases, asked: map[string]*request{}}, nil
}

// A store is one that is used below a lease.
type store struct {
	lockcore.Store
	above []*lease

	mu    sync.Mutex
	asked map[string]*request
}

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

// Renew implements [lockcore.Store].
func (s *store) Renew(ctx context.Context, grants []*lockcore.Grant) ([]error, error) {
	all := make([]*lockcore.Grant, len(grants))
	uses := make([][]int, len(grants)) // where in all the leases are that a grant is within
	place := map[*lease]int{}
	for i, g := range grants {
		all[i] = asStored(g)
		s.mu.Lock()
		q := s.asked[g.Ticket.ID]
		s.mu.Unlock()
		if q == nil {
			continue
		}
		for _, l := range q.holding(all[i]) {
			if _, known := place[l]; !known {
				place[l] = -1
			}
		}
	}
	for l := range place {
		place[l] = len(all)
		all = append(all, l.grant())
	}
	for i, g := range grants {
		s.mu.Lock()
		q := s.asked[g.Ticket.ID]
		s.mu.Unlock()
		if q != nil {
			for _, l := range q.holding(all[i]) {
				uses[i] = append(uses[i], place[l])
			}
		}
	}
	errs, err := s.Store.Renew(ctx, all)
	if err != nil {
		return nil, err
	}
	for i := range grants {
		for _, at := range uses[i] {
			if errs[i] == nil && errors.Is(errs[at], lockcore.ErrLost) {
				errs[i] = fmt.Errorf("the lease above, within which it is, has ended: %w", errs[at])
			}
		}
	}
	return errs[:len(grants)], nil
}

func asStored(g *lockcore.Grant) *lockcore.Grant {
	if s, ok := stored.Load(g.Ticket.ID); ok {
		return s.(*lockcore.Grant)
	}
	return g
}

// Release implements [lockcore.Store].
func (s *store) Release(ctx context.Context, g *lockcore.Grant, keep time.Duration) error {
	in := *asStored(g)
	in.Ending = g.Ending
	err := s.Store.Release(ctx, &in, keep)
	if err == nil || errors.Is(err, lockcore.ErrNotHeld) {
		s.forget(g.Ticket.ID)
	}
	return err
}

// Withdraw implements [lockcore.Store].
func (s *store) Withdraw(ctx context.Context, id string) error {
	err := s.Store.Withdraw(ctx, id)
	if err == nil {
		s.forget(id)
	}
	return err
}

func (s *store) forget(id string) {
	stored.Delete(id)
	s.mu.Lock()
	delete(s.asked, id)
	s.mu.Unlock()
}

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

// History is that of the store below.
func (s *store) History(ctx context.Context) ([]lockcore.Usage, error) {
	if h, ok := s.Store.(interface {
		History(context.Context) ([]lockcore.Usage, error)
	}); ok {
		return h.History(ctx)
	}
	return nil, fmt.Errorf("%s: this store does not learn how long tests hold: %w", s.Store, errors.ErrUnsupported)
}

// ExpectedStarts is that of the store below.
func (s *store) ExpectedStarts(snap lockcore.Snapshot, id string) map[string]time.Time {
	if f, ok := s.Store.(interface {
		ExpectedStarts(lockcore.Snapshot, string) map[string]time.Time
	}); ok {
		return f.ExpectedStarts(snap, id)
	}
	return nil
}
