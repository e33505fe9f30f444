package quorumstore

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A chooser picks keys and says, in asking.gate, which server to ask for them
// first. It reports false when there are not enough free ones.
type chooser func() ([][]string, bool)

// first is where an ask begins. A nil chooser says that it need not.
func (a *asking) first(ctx context.Context) (chooser, error) {
	a.s.mu.Lock()
	h, waiting := a.k.hint, a.k.waiting
	a.k.hint = none
	a.s.mu.Unlock()
	if h == byGate {
		return a.byGate, nil
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

// guess chooses by what was last seen. When that is too little, later says that
// it would do but for this process itself: another of its requests is about to
// take the keys, or it has just given them back and leaves them to others for a
// moment.
func (a *asking) guess() (picks [][]string, ok, later bool) {
	s, v, reqs, now := a.s, &a.s.view, a.t.Requirements, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a.gate = -1
	free := v.freeByMajority(nil, now)
	if picks, ok = a.match(v.beside(reqs, v.except(&v.courtesy, free, now), now)); ok {
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

// byGate chooses by what the server says that waiters ask first.
func (a *asking) byGate() ([][]string, bool) {
	s, now := a.s, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a.gate, a.heard = s.gate(now), nil
	return a.match(s.view.beside(a.t.Requirements, s.view.freeAt(a.gate, now), now))
}

// bySurvey chooses by what a majority says, and asks first the first server that
// can say yes. A server that is well, and was only too slow for the survey, counts
// with what it said before: else a holder that one of the others alone knows of, a
// ghost, could stand for a majority for as long as it lasts.
func (a *asking) bySurvey() ([][]string, bool) {
	s, now := a.s, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := make([]bool, len(s.nodes))
	for i, n := range s.nodes {
		cold, _ := n.health()
		counts[i] = !cold || a.heard == nil || a.heard[i]
	}
	free := s.view.freeByMajority(counts, now)
	picks, ok := a.match(s.view.beside(a.t.Requirements, free, now))
	if !ok && !a.t.Wait {
		// A single attempt does not leave anything to a rival that may yet fail.
		picks, ok = a.match(s.view.bare(a.t.Requirements, free))
	}
	if ok {
		g := s.gate(now)
		if a.gate = s.opener(a.t.Requirements, picks, now); a.gate >= 0 && a.gate != g {
			s.nodes[g].stray(now.Add(ghostFor))
		}
	}
	return picks, ok
}

// match chooses keys and claims them, so that others in this process choose
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
	s.view.claims.put(&seen{id: k.id, until: until, units: unitsOf(k.t.Requirements, picks)})
}

// gate is the server that waiters ask first: the same for all processes, as long
// as they agree on which servers are well. Store.mu is held.
func (s *Store) gate(now time.Time) int {
	for i, n := range s.nodes {
		if n.leads(now) {
			return i
		}
	}
	return 0
}

// opener is the server to ask first for these keys: the gate, or if something
// there is taken, which a majority does not know of, the next one. -1 stands for
// none. Store.mu is held.
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
		if !n.leads(now) {
			continue
		}
		if _, ok := lockcore.Match(only, s.view.bare(only, s.view.freeAt(i, now)), nil); ok {
			return i
		}
	}
	return -1
}

// survey asks the servers who holds what.
func (a *asking) survey(ctx context.Context) (chooser, error) {
	s := a.s
	n := len(s.nodes)
	heard, b := make([]bool, n), newBallot(n, 0)
	errs := make([]error, n)
	lru := leastRecent(a.t.Requirements, nil)
	note := func(i int, f fields, err error) error {
		if err == nil {
			err = s.observe(i, a.keys, f.sub(0), heard)
			s.observeUse(i, lru, f.sub(1))
		}
		return err
	}
	g := gather(s, hearing[fields]{
		to: s.everyone(), limit: a.limit,
		ask: func(ctx context.Context, n *node) (fields, error) {
			return n.fields(ctx, lookScript, s.config.LockDelay.Microseconds(), a.looks, encode(lru))
		},
		take: func(i int, f fields, err error) progress {
			b.replies[i] = yes
			if errs[i] = note(i, f, err); errs[i] != nil {
				b.replies[i] = down
			}
			if b.verdict(0) == won {
				return nearly // what a bare majority sees hides keys that one of it has a stale holder for
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
	a.heard = heard
	return a.bySurvey, nil
}

// observe takes an answer about keys into the view. heard, if given, notes that
// the server was heard.
func (s *Store) observe(i int, keys []string, reply fields, heard []bool) error {
	now := time.Now()
	var leases []*seen
	for ; len(reply) >= 4; reply = reply[4:] {
		attempt, err1 := strconv.ParseInt(reply.text(1), 10, 64)
		left, err2 := strconv.ParseInt(reply.text(2), 10, 64)
		units, err3 := decode(reply.text(3))
		if err1 != nil || err2 != nil || err3 != nil {
			return badReply(reply[:4])
		}
		leases = append(leases, &seen{id: reply.text(0), attempt: attempt, until: now.Add(time.Duration(left) * time.Microsecond), units: units})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view.servers[i].observe(keys, leases)
	if heard != nil {
		heard[i] = true
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
