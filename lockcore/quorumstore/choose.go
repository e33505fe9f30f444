package quorumstore

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A chooser picks keys, and sets asking.lead to the server to ask for them first. It
// reports false when too few are free.
type chooser func() ([][]string, bool)

// first returns the chooser for the first vote of an ask, or nil if there is nothing
// to vote on.
func (a *asking) first(ctx context.Context) (chooser, error) {
	a.s.mu.Lock()
	h, waiting := a.k.hint, a.k.waiting
	a.k.hint = none
	a.s.mu.Unlock()
	if h == freeAtLeader {
		return a.byLeader, nil
	}
	if waiting || leastRecent(a.t.Requirements, nil) != nil {
		return a.survey(ctx)
	}
	picks, ok, later := a.guess()
	switch {
	case ok:
		return func() ([][]string, bool) { return picks, true }, nil
	case later && a.t.Wait:
		return nil, nil
	}
	return a.survey(ctx)
}

// guess chooses by what this process last saw. If too few keys are free, later
// reports that only this process itself is in the way: another of its requests is
// about to take the keys, or it has just released them and leaves them to other
// processes for headStart.
func (a *asking) guess() (picks [][]string, ok, later bool) {
	s, v, reqs, now := a.s, &a.s.view, a.t.Requirements, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a.lead = -1
	free := v.freeByMajority(nil, now)
	if picks, ok = a.match(v.beside(reqs, v.except(&v.leftToOthers, free, now), now)); ok {
		return picks, true, false
	}
	if picks, ok = a.match(v.beside(reqs, free, now)); ok && a.t.Wait {
		v.claims.drop(a.k.id)
		a.k.after = now.Add(headStart)
		return nil, false, true
	} else if ok {
		return picks, true, false
	}
	_, later = lockcore.Match(reqs, v.bare(reqs, free), nil)
	return nil, false, later
}

// byLeader chooses by what the lead server says is free.
func (a *asking) byLeader() ([][]string, bool) {
	s, now := a.s, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a.lead, a.answered = s.leader(now), nil
	return a.match(s.view.beside(a.t.Requirements, s.view.freeAt(a.lead, now), now))
}

// bySurvey chooses by what a majority says is free, and asks the first server that can
// say yes first. A server that is in good health, but was too slow for the survey,
// counts with what it said before. Without it, two of three servers would have to
// agree, and a stale holder on one of them (its client died in the midst of a vote)
// would keep everybody from the key until its TTL is over.
func (a *asking) bySurvey() ([][]string, bool) {
	s, now := a.s, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := make([]bool, len(s.nodes))
	for i, n := range s.nodes {
		cold, _ := n.health()
		counts[i] = !cold || a.answered == nil || a.answered[i]
	}
	free := s.view.freeByMajority(counts, now)
	picks, ok := a.match(s.view.beside(a.t.Requirements, free, now))
	if !ok && !a.t.Wait {
		// A single attempt does not stand back for a rival, which may yet fail.
		picks, ok = a.match(s.view.bare(a.t.Requirements, free))
	}
	if ok {
		g := s.leader(now)
		if a.lead = s.opener(a.t.Requirements, picks, now); a.lead >= 0 && a.lead != g {
			s.nodes[g].skip(now.Add(skipStaleHolder))
		}
	}
	return picks, ok
}

// match chooses keys and claims them, so that other requests of this process choose
// different ones. Store.mu is held.
func (a *asking) match(free func(int, string) int) ([][]string, bool) {
	a.s.view.claims.drop(a.k.id)
	picks, ok := lockcore.Match(a.t.Requirements, free, a.s.view.order(a.t.Requirements, rand.IntN))
	if ok {
		a.s.claim(a.k, picks, time.Now().Add(a.limit))
	}
	return picks, ok
}

// claim notes what a ticket is about to take. Store.mu is held.
func (s *Store) claim(k *ticket, picks [][]string, until time.Time) {
	s.view.claims.put(&knownLease{id: k.id, until: until, units: unitsOf(k.t.Requirements, picks)})
}

// leader is the server that waiters ask first. It is the same for all processes as
// long as they agree on which servers are in good health. Store.mu is held.
func (s *Store) leader(now time.Time) int {
	for i, n := range s.nodes {
		if n.mayLead(now) {
			return i
		}
	}
	return 0
}

// opener is the server to ask first for these keys: the lead server, or the next one
// if the keys are taken there by a lease that a majority does not have. It is -1 if
// there is no such server. Store.mu is held.
func (s *Store) opener(reqs []lockcore.Requirement, picks [][]string, now time.Time) int {
	only := make([]lockcore.Requirement, len(reqs))
	for r := range reqs {
		only[r] = reqs[r]
		only[r].Need, only[r].Candidates = len(picks[r]), nil
		for _, key := range picks[r] {
			only[r].Candidates = append(only[r].Candidates, lockcore.Candidate{Key: key})
		}
	}
	for i, n := range s.nodes {
		if !n.mayLead(now) {
			continue
		}
		if _, ok := lockcore.Match(only, s.view.bare(only, s.view.freeAt(i, now)), nil); ok {
			return i
		}
	}
	return -1
}

// survey asks the servers for the leases on the keys.
func (a *asking) survey(ctx context.Context) (chooser, error) {
	s := a.s
	n := len(s.nodes)
	answered, b := make([]bool, n), newBallot(n, 0)
	errs := make([]error, n)
	lru := leastRecent(a.t.Requirements, nil)
	note := func(i int, f fields, err error) error {
		if err == nil {
			err = s.observe(i, a.keys, f.sub(0), answered)
			s.observeUse(i, lru, f.sub(1))
		}
		return err
	}
	g := gather(s, question[fields]{
		to: s.everyone(), limit: a.limit,
		ask: func(ctx context.Context, n *node) (fields, error) {
			return n.fields(ctx, lookScript(), s.config.LockDelay.Microseconds(), a.looks, encode(lru))
		},
		take: func(i int, f fields, err error) progress {
			b.replies[i] = yes
			if errs[i] = note(i, f, err); errs[i] != nil {
				b.replies[i] = down
			}
			if b.verdict(0) == won {
				return nearly // with a bare majority, a stale holder on one of them hides a key
			}
			return open
		},
		late: func(i int, f fields, err error) { _ = note(i, f, err) },
	})
	if err := g.wait(ctx); err != nil {
		return nil, err
	}
	if b.verdict(0) != won {
		return nil, s.noQuorum(errs)
	}
	a.answered = answered
	return a.bySurvey, nil
}

// observe takes an answer about keys into the view. It also sets the server's element
// of answered, unless that is nil.
func (s *Store) observe(i int, keys []string, reply fields, answered []bool) error {
	now := time.Now()
	var leases []*knownLease
	for ; len(reply) >= 4; reply = reply[4:] {
		attempt, err1 := strconv.ParseInt(reply.text(1), 10, 64)
		left, err2 := strconv.ParseInt(reply.text(2), 10, 64)
		units, err3 := decode(reply.text(3))
		if err1 != nil || err2 != nil || err3 != nil {
			return badReply(reply[:4])
		}
		leases = append(leases, &knownLease{id: reply.text(0), attempt: attempt, until: now.Add(time.Duration(left) * time.Microsecond), units: units})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view.servers[i].observe(keys, leases)
	if answered != nil {
		answered[i] = true
	}
	return nil
}

// observeUse takes last uses into the view.
func (s *Store) observeUse(i int, keys []unit, reply fields) {
	if len(keys) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &s.view.servers[i]
	g.used = make(map[string]int64, len(keys))
	for j, u := range keys {
		g.used[u.name], _ = strconv.ParseInt(reply.text(j), 10, 64) // unreadable: never used
	}
}
