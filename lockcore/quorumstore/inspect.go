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

// A reportedLease is a lease as servers report it.
type reportedLease struct {
	holder lockcore.Holder
	units  []unit
	counts []int // of keys, by requirement
	// Of the servers that have it with these keys, in the same order:
	ends    []time.Time
	servers []int
	attempt int64 // the last that one of them has
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
	snap := lockcore.Snapshot{Time: c.at, Holders: holdersOf(c.leases(need-silent, need)), Endings: c.lastUses()}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.line {
		if k.stale(c.at) {
			continue
		}
		snap.Waiters = append(snap.Waiters, lockcore.Waiter{
			ID: k.id, Requirements: k.t.Requirements, Owner: k.t.Owner, Priority: k.t.Priority, Since: k.rank.Add(time.Duration(k.t.Priority) * sched.Level),
			Expires: k.lastAsked.Add(3 * sched.Poll(k.t.TTL)), Reason: k.t.Reason, Parents: k.t.Parents,
			Expect: k.t.Expect, For: k.t.For,
		})
	}
	return snap, nil
}

// Free implements [lockcore.Store]. A server to which the grant is still on its way
// refuses it when it comes. One that is down is told when it is back, as long as this
// store is open; else it keeps the lease until it expires there. The holder loses the
// lease all the same, as a majority has dropped it.
func (s *Store) Free(ctx context.Context, key, why string) ([]lockcore.Holder, error) {
	c, err := s.collect(ctx, freeScript(), func(n *node) []any {
		return []any{key, why, n.channel, freedLife.Microseconds()}
	})
	if err != nil {
		return nil, err
	}
	s.endElsewhere(c, why)
	if freed := holdersOf(c.leases(1, majority(len(s.nodes)))); freed != nil {
		return freed, nil
	}
	return nil, fmt.Errorf("%s: %q: %w", s.where, key, lockcore.ErrNotHeld)
}

// endElsewhere ends leases that servers took away from their holders, on the servers
// that did not have them or did not answer: the grant may still be on its way there.
//
// What a minority had may be an attempt that is under way, or a grant that was made just
// after this began. So another server keeps it where it has it, and refuses it else.
func (s *Store) endElsewhere(c *collection, why string) {
	var wg sync.WaitGroup
	for _, l := range c.found {
		missed := slices.DeleteFunc(s.everyone(), func(i int) bool { return slices.Contains(l.servers, i) })
		if len(missed) == 0 {
			continue
		}
		r := releaseRequest{id: l.holder.ID, attempt: l.attempt, refuse: refuseOnly, freed: why}
		if len(l.servers) >= majority(len(s.nodes)) {
			r.refuse, r.units, r.since = refuseAlways, l.units, l.holder.Since
			if l.holder.State != "kept" { // its use had ended
				r.ending = endingText(lockcore.Unknown)
			}
		}
		wg.Go(func() { s.takeBackAs(r, l.remaining(), missed) })
	}
	wg.Wait()
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
	found  map[string]*reportedLease // by id and keys
	// endings says how the last use of keys ended, by server, where it knows that it was
	// not as Released.
	endings []map[string]lockcore.Ending
}

// inspectLinger is how long a snapshot waits for the last servers: with them it does
// not show what has just been released.
const inspectLinger = 100 * time.Millisecond

// collect asks all servers for leases.
func (s *Store) collect(ctx context.Context, script *redis.Script, args func(n *node) []any) (*collection, error) {
	n := len(s.nodes)
	c := &collection{ballot: newBallot(n, 0), errs: make([]error, n), found: make(map[string]*reportedLease), endings: make([]map[string]lockcore.Ending, n)}
	asked := make([]time.Time, n)
	g := gather(s, question[fields]{
		to: s.everyone(), limit: max(slowLimit, s.config.NodeTimeout),
		ask: func(ctx context.Context, n *node) (fields, error) {
			asked[n.index] = time.Now()
			return n.fields(ctx, script, args(n)...)
		},
		take: func(i int, f fields, err error) progress {
			if c.note(i, f, err, asked[i]) == won {
				return enough
			}
			return open
		},
		late: func(i int, f fields, err error) { c.note(i, f, err, asked[i]) },
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

// note takes in what a server reported: {leases, key, how its use ended, key...}.
func (c *collection) note(i int, f fields, err error, asked time.Time) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return won
	}
	var leases []*reportedLease
	for j, reported := 0, f.sub(0); err == nil && j < len(reported); j++ {
		var l *reportedLease
		if l, err = readReportedLease(reported.sub(j), asked); err == nil {
			leases = append(leases, l)
		}
	}
	c.ballot.replies[i], c.errs[i] = yes, err
	if err != nil {
		c.ballot.replies[i] = down
		return c.ballot.verdict(0)
	}
	for _, l := range leases {
		what := l.holder.ID + " " + encode(l.units)
		if known := c.found[what]; known != nil {
			known.ends, known.servers = append(known.ends, l.ends...), append(known.servers, i)
			known.attempt = max(known.attempt, l.attempt)
		} else {
			l.servers = []int{i}
			c.found[what] = l
		}
	}
	if len(f) > 1 {
		c.endings[i] = addEndings(nil, f[1:])
	}
	return c.ballot.verdict(0)
}

var states = map[int64]string{1: "kept", 3: "reserved", 4: "disabled"}

// forever is beyond every end that somebody chose: what ends later never does.
const forever = 100 * 365 * 24 * time.Hour

// readReportedLease reads {id, time left, age, state, takes, info, end,
// attempt}. Moments are
// put on the clock of this process, from when the server was asked: those of the
// servers may differ from each other. The end of a reservation is by the clock of who
// made it, so that it is the same whoever looks; if that clock is wrong, it is by this
// one.
func readReportedLease(f fields, asked time.Time) (*reportedLease, error) {
	left, err1 := strconv.ParseInt(f.text(1), 10, 64)
	age, err2 := strconv.ParseInt(f.text(2), 10, 64)
	units, err3 := decode(f.text(4))
	var in info
	err4 := json.Unmarshal([]byte(f.text(5)), &in)
	end, err5 := strconv.ParseInt(f.text(6), 10, 64)
	attempt, err6 := strconv.ParseInt(f.text(7), 10, 64)
	if cmp.Or(err1, err2, err3, err4, err5, err6) != nil {
		return nil, badReply(f)
	}
	number, _ := f[3].(int64)
	state, ok := states[number]
	if !ok {
		state = "held"
	}
	ends := asked.Add(time.Duration(left) * time.Microsecond)
	if chosen := time.UnixMicro(end); state == "reserved" && chosen.Sub(ends).Abs() < 2*time.Second {
		ends = chosen
	}
	return &reportedLease{units: units, counts: in.Counts, attempt: attempt, ends: []time.Time{ends}, holder: lockcore.Holder{
		ID: f.text(0), Requirements: in.Reqs, Obtained: byRequirement(units, in.Counts), Owner: in.Owner,
		Since:  asked.Add(-time.Duration(age) * time.Microsecond),
		Expect: in.Expect, Reason: in.Reason, Parents: in.Parents, State: state,
	}}, nil
}

// lastUses is how the last use of keys ended, as a bid for them would be told: by
// servers that are not behind, as long as these are a majority. A server is behind if
// the end of a lease of the key has not reached it, or the grant of one.
func (c *collection) lastUses() map[string]lockcore.Ending {
	need := majority(len(c.endings))
	behind := make(map[string][]bool) // by key and server
	for _, l := range c.found {
		held := len(l.servers) >= need
		for _, u := range l.units {
			b := behind[u.name]
			if b == nil {
				b = make([]bool, len(c.endings))
				behind[u.name] = b
			}
			for i := range b {
				b[i] = b[i] || held != slices.Contains(l.servers, i)
			}
		}
	}
	var all map[string]lockcore.Ending
	for i, endings := range c.endings {
		for key, e := range endings {
			b := behind[key]
			current := 0
			for j, r := range c.ballot.replies {
				if r == yes && (b == nil || !b[j]) {
					current++
				}
			}
			if current >= need && b != nil && b[i] || e <= all[key] {
				continue
			}
			if all == nil {
				all = make(map[string]lockcore.Ending)
			}
			all[key] = e
		}
	}
	return all
}

// remaining is how long the last server has the lease, unless somebody extends it.
func (l *reportedLease) remaining() time.Duration {
	return min(time.Until(slices.MaxFunc(l.ends, time.Time.Compare)), forever)
}

// leases lists what at least so many servers have, oldest first. A lease expires when
// fewer than need servers have it; with fewer reports, when the last of these has it no
// more.
func (c *collection) leases(atLeast, need int) []*reportedLease {
	byID := make(map[string]*reportedLease)
	for _, l := range c.found {
		if len(l.ends) < atLeast {
			continue
		}
		// A reservation that is just given back in part has fewer keys on some servers.
		if o := byID[l.holder.ID]; o == nil || len(l.ends) > len(o.ends) || len(l.ends) == len(o.ends) && len(l.units) < len(o.units) {
			byID[l.holder.ID] = l
		}
	}
	var out []*reportedLease
	for _, l := range byID {
		slices.SortFunc(l.ends, func(a, b time.Time) int { return b.Compare(a) })
		l.holder.Expires = l.ends[min(need, len(l.ends))-1]
		if l.holder.Expires.Sub(c.at) > forever {
			l.holder.Expires = time.Time{}
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *reportedLease) int {
		return cmp.Or(a.holder.Since.Compare(b.holder.Since), cmp.Compare(a.holder.ID, b.holder.ID))
	})
	return out
}

func holdersOf(leases []*reportedLease) (out []lockcore.Holder) {
	for _, l := range leases {
		out = append(out, l.holder)
	}
	return out
}
