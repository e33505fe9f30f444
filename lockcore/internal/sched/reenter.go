package sched

import (
	"slices"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A store that keeps its state where somebody may delete it begins an empty one
// then, into which those who held something enter it again.

// Token is the last fencing token that was given out.
func (s *State) Token() uint64 { return s.fence }

// BeginTokens makes the tokens of an empty state rise from n.
func (s *State) BeginTokens(n uint64) { s.fence = max(s.fence, n) }

// Reenter puts a lease that was granted before the state was lost into it again,
// with its token and for a full TTL. since is the moment of the grant, at the
// latest now. Where two leases of before want the same key, as when one was taken
// by force and its holder had not been told, the later grant has it. It reports
// false if the lease cannot have its keys.
func (s *State) Reenter(now int64, g *lockcore.Grant, since int64, proc string, rnd Rand) bool {
	s.begin(now, rnd)
	id, reqs := g.Ticket.ID, g.Ticket.Requirements
	if s.leases[id] != nil {
		return true
	}
	for {
		k, busy := s.busyKey(reqs, g.Obtained)
		if !busy {
			break
		}
		held := s.keys[k].leases
		for _, l := range slices.Clone(held) {
			if l.token < g.Token && s.leases[l.id] == l {
				s.end(l, "the state was lost, and somebody else was granted a key of it later")
			}
		}
		if h := s.keys[k]; h != nil && len(h.leases) == len(held) {
			return false
		}
	}
	if w := s.waiting[id]; w != nil {
		s.remove(w)
	}
	l := newLease(g.Ticket, proc)
	if l.expect == 0 {
		l.expect = s.recall(l.owner, reqs)
	}
	l.token, l.reqs, l.obtained = g.Token, headings(reqs), slices.Clone(g.Obtained)
	l.since = min(since, s.now)
	l.expires = s.now + int64(l.ttl)
	s.put(l)
	s.expiresAt(l.expires)
	return true
}

// busyKey finds a key that cannot be had beside those who hold it.
func (s *State) busyKey(reqs []lockcore.Requirement, obtained [][]string) (key string, busy bool) {
	taken := make(map[string]units)
	for r, keys := range obtained {
		for _, k := range keys {
			u, ok := taken[k]
			if !ok {
				u = s.unitsOf(k)
			}
			if u.free(&reqs[r]) < 1 {
				return k, s.keys[k] != nil
			}
			u.add(&reqs[r])
			taken[k] = u
		}
	}
	return "", false
}
