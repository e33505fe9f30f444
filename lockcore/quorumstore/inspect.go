package quorumstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// A reportedLease is a lease as the servers report it.
type reportedLease struct {
	holder lockcore.Holder
	left   []time.Duration // until it ends, on each server that has it
}

// Snapshot implements [lockcore.Store]. It lists the leases that a majority has;
// servers that did not answer count as if they had all of them. Moments are on the
// clock of this process. It lists the waiters of this process only.
func (s *Store) Snapshot(ctx context.Context) (lockcore.Snapshot, error) {
	c, err := s.collect(ctx, snapshotScript(), func(*node) []any { return nil })
	if err != nil {
		return lockcore.Snapshot{}, err
	}
	need := majority(len(s.nodes))
	silent := len(s.nodes) - c.ballot.count(yes)
	snap := lockcore.Snapshot{Time: c.at, Holders: c.holders(need-silent, need)}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.line {
		if k.stale(c.at) {
			continue
		}
		snap.Waiters = append(snap.Waiters, lockcore.Waiter{
			ID: k.id, Requirements: k.t.Requirements, Owner: k.t.Owner, Priority: k.t.Priority, Since: k.rank.Add(time.Duration(k.t.Priority) * sched.Level),
			Expires: k.lastAsked.Add(3 * sched.Poll(k.t.TTL)), Reason: k.t.Reason, Parents: k.t.Parents,
		})
	}
	return snap, nil
}

// Free implements [lockcore.Store]. A server that is down keeps the lease until it
// expires there. The holder loses the lease all the same, as a majority has dropped it.
func (s *Store) Free(ctx context.Context, key, why string) ([]lockcore.Holder, error) {
	c, err := s.collect(ctx, freeScript(), func(n *node) []any {
		return []any{key, why, n.channel, freedLife.Microseconds()}
	})
	if err != nil {
		return nil, err
	}
	if freed := c.holders(1, majority(len(s.nodes))); freed != nil {
		return freed, nil
	}
	return nil, fmt.Errorf("%s: %q: %w", s.where, key, lockcore.ErrNotHeld)
}

// freedLife is how long a server can say why a lease was freed.
const freedLife = time.Hour

// A collection is what the servers report about leases.
type collection struct {
	at time.Time

	mu     sync.Mutex
	closed bool // it is being read: what comes now comes too late
	ballot ballot
	errs   []error
	found  map[string]*reportedLease
}

// inspectLinger is how long a snapshot waits for the last servers: with them it does
// not show what has just been released.
const inspectLinger = 100 * time.Millisecond

// collect asks all servers for leases.
func (s *Store) collect(ctx context.Context, script *redis.Script, args func(n *node) []any) (*collection, error) {
	n := len(s.nodes)
	c := &collection{ballot: newBallot(n, 0), errs: make([]error, n), found: make(map[string]*reportedLease)}
	g := gather(s, question[fields]{
		to: s.everyone(), limit: max(slowLimit, s.config.NodeTimeout),
		ask: func(ctx context.Context, n *node) (fields, error) { return n.fields(ctx, script, args(n)...) },
		take: func(i int, f fields, err error) progress {
			if c.note(i, f, err) == won {
				return enough
			}
			return open
		},
		late: func(i int, f fields, err error) { c.note(i, f, err) },
	})
	if err := g.wait(ctx); err != nil {
		return nil, err
	}
	g.linger(inspectLinger)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ballot.verdict(0) != won {
		return nil, s.noQuorum(c.errs)
	}
	c.at, c.closed = time.Now(), true
	return c, nil
}

// note takes in what a server reported.
func (c *collection) note(i int, f fields, err error) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return won
	}
	var leases []*reportedLease
	for j := 0; err == nil && j < len(f); j++ {
		var l *reportedLease
		if l, err = readReportedLease(f.sub(j)); err == nil {
			leases = append(leases, l)
		}
	}
	c.ballot.replies[i], c.errs[i] = yes, err
	if err != nil {
		c.ballot.replies[i] = down
		return c.ballot.verdict(0)
	}
	for _, l := range leases {
		if known := c.found[l.holder.ID]; known != nil {
			known.left = append(known.left, l.left...)
		} else {
			c.found[l.holder.ID] = l
		}
	}
	return c.ballot.verdict(0)
}

// readSighting reads {id, time left, age, kept, takes, info}. Moments are put on
// the clock of this process: those of the servers may differ from each other.
func readReportedLease(f fields) (*reportedLease, error) {
	left, err1 := strconv.ParseInt(f.text(1), 10, 64)
	age, err2 := strconv.ParseInt(f.text(2), 10, 64)
	units, err3 := decode(f.text(4))
	var in info
	err4 := json.Unmarshal([]byte(f.text(5)), &in)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		return nil, badReply(f)
	}
	state := "held"
	if len(f) > 3 && f[3] == int64(1) {
		state = "kept"
	}
	return &reportedLease{left: []time.Duration{time.Duration(left) * time.Microsecond}, holder: lockcore.Holder{
		ID: f.text(0), Requirements: in.Reqs, Obtained: byRequirement(units, in.Counts), Owner: in.Owner,
		Since:  time.Now().Add(-time.Duration(age) * time.Microsecond),
		Expect: in.Expect, Reason: in.Reason, Parents: in.Parents, State: state,
	}}, nil
}

// holders lists the leases that at least so many servers have, oldest first. A lease
// expires when fewer than need servers have it; with fewer reports, when the last of
// these has it no more.
func (c *collection) holders(atLeast, need int) []lockcore.Holder {
	var out []lockcore.Holder
	for _, l := range c.found {
		if len(l.left) < atLeast {
			continue
		}
		slices.Sort(l.left)
		slices.Reverse(l.left)
		l.holder.Expires = c.at.Add(l.left[min(need, len(l.left))-1])
		out = append(out, l.holder)
	}
	slices.SortFunc(out, func(a, b lockcore.Holder) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return out
}
