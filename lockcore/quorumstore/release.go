package quorumstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// tombstoneLife is how long a server refuses a request that was undone before it
// arrived.
const tombstoneLife = 30 * time.Second

// releaseReply is what a server says to a release.
type releaseReply struct {
	held      bool // it had the lease
	listeners int  // subscribers to which its end was published
}

// A releaseRequest is what a server is told about the end of a lease.
type releaseRequest struct {
	id      string
	attempt int64
	keep    time.Duration // above 0: its keys stay aside for so long
	refuse  refusal       // of requests for the lease that are still on their way
	ending  string        // how its use ended, the number of a lockcore.Ending; noUse if there was none
	units   []unit        // its keys, if they are known
	since   time.Time     // when the bid was sent that was granted; zero: another process knows
	freed   string        // why it was freed; "": it was given back
}

// A refusal says when a server leaves a tombstone. Every one of them leaves it where the
// lease never arrived.
type refusal string

const (
	refuseMissing refusal = "0"
	refuseAlways  refusal = "1"
	refuseOnly    refusal = "2" // a server that has the lease keeps it
	refuseGuess   refusal = "3" // the attempt is a guess, later than all there were: any lease of that id is the one meant
)

// noUse is the ending of what was granted and not used: attempts that were undone,
// requests that were withdrawn.
const noUse = ""

// release ends a lease on one server.
func (n *node) release(ctx context.Context, r releaseRequest) (releaseReply, error) {
	refuse, why, life := cmp.Or(r.refuse, refuseMissing), "it was given back", tombstoneLife
	if r.freed != "" {
		why, life = r.freed, freedLife
	}
	takes, age := "", ""
	if r.ending != noUse && !r.since.IsZero() {
		takes, age = encode(r.units), strconv.FormatInt(time.Since(r.since).Microseconds(), 10)
	}
	args := append(make([]any, 0, 11+len(r.units)), r.id, number(r.attempt), r.keep.Microseconds(), n.channel, life.Microseconds(), string(refuse), r.ending, why, takes, age)
	if r.keep == 0 && refuse == refuseMissing && (r.ending == noUse || r.ending == endingText(lockcore.Released)) {
		args = simple(args, r.id, r.units)
	}
	v, err := n.run(ctx, releaseScript(), args...)
	if err != nil {
		return releaseReply{}, err
	}
	count, ok := v.(int64)
	if !ok {
		return releaseReply{}, badReply(v)
	}
	return releaseReply{held: count%2 == 1, listeners: int(count / 2)}, nil
}

// Release implements [lockcore.Store]. It goes to all servers. To a server that
// cannot be reached it goes again when the server is back, as long as this store is
// open; else the server drops the lease at its expiry.
func (s *Store) Release(ctx context.Context, g *lockcore.Grant, keep time.Duration) error {
	k, err := s.known(ctx, g.Ticket.ID)
	if err != nil {
		return err
	}
	if k == nil { // granted to another process
		k = foreign(g.Ticket)
	}
	defer k.leave()
	r := s.releasing(k, keep, endingText(g.Ending))
	if err := r.wait(ctx); err != nil {
		return err
	}
	v := r.ballot.verdict(0)
	if v != won && v != lost && !r.ballot.quorate() {
		return s.noQuorum(r.errs)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(k)
	s.dispatch(time.Now())
	if v == lost {
		return fmt.Errorf("%s: lease %s: %w", s.where, k.id, lockcore.ErrNotHeld)
	}
	return nil
}

// A releasing is a release under way.
type releasing struct {
	*gathering[releaseReply]
	ballot ballot
	errs   []error
}

// releasing asks all servers to end a lease. A release that is repeated counts
// what was confirmed the first time.
func (s *Store) releasing(k *ticket, keep time.Duration, ending string) *releasing {
	n := len(s.nodes)
	s.mu.Lock()
	if k.confirmed == nil {
		k.confirmed = make([]bool, n)
	}
	k.releasing = true
	confirmed, tombstones, attempt := slices.Clone(k.confirmed), slices.Clone(k.tombstones), k.attempt
	units := unitsOf(k.t.Requirements, k.obtained)
	request := releaseRequest{id: k.id, attempt: attempt, keep: keep, ending: ending, units: units, since: k.since}
	guessed := k.guessed
	s.mu.Unlock()
	r := &releasing{ballot: newBallot(n, 0), errs: make([]error, n)}
	note := func(i int, p releaseReply, err error, final bool) reply {
		switch {
		case err != nil:
			if keep == 0 && (final || sent(err)) {
				s.releaseLater(s.nodes[i], request, max(k.t.TTL, k.t.For))
			}
			return down
		case !p.held && !confirmed[i]:
			s.ended(i, k.id, attempt)
			return no
		}
		s.mu.Lock()
		k.confirmed[i] = true
		s.mu.Unlock()
		if keep == 0 {
			s.leaveToOthers(i, k.id, units, p.listeners)
			s.ended(i, k.id, attempt)
		}
		return yes
	}
	r.gathering = gather(s, question[releaseReply]{
		to: s.everyone(), limit: s.limit(k.t.TTL),
		ask: func(ctx context.Context, n *node) (releaseReply, error) {
			r := request
			switch {
			case tombstones != nil && tombstones[n.index]:
				r.refuse = refuseAlways
			case guessed:
				r.refuse = refuseGuess
			}
			return n.release(ctx, r)
		},
		take: func(i int, p releaseReply, err error) progress {
			r.errs[i] = err
			r.ballot.replies[i] = note(i, p, err, false)
			if r.ballot.quorate() {
				return nearly
			}
			return open
		},
		late: func(i int, p releaseReply, err error) { note(i, p, err, true) },
	})
	return r
}

// headStart is how long this process leaves the keys that it gave back to waiters of
// other processes. These learn of it a network's delay later than this process could
// ask again, and would starve beside a process that acquires and releases in a loop.
const headStart = 2 * time.Millisecond

// leaveToOthers leaves keys that were given back to the processes that the server
// told of it, if there are any besides this one.
func (s *Store) leaveToOthers(i int, id string, units []unit, listeners int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nodes[i].subscribed {
		listeners--
	}
	if listeners <= 0 {
		return
	}
	now := time.Now()
	s.view.leftToOthers.prune(now)
	s.view.leftToOthers.put(&knownLease{id: id, until: now.Add(headStart), units: units})
}

// takeBack ends an attempt on some servers. It waits for them, but not long: the
// keys should be free there before this ask, or a rival's, tries again.
func (s *Store) takeBack(id string, attempt int64, ttl time.Duration, from []int) {
	s.takeBackAs(releaseRequest{id: id, attempt: attempt}, ttl, from)
}

func (s *Store) takeBackAs(r releaseRequest, ttl time.Duration, from []int) {
	g := gather(s, question[releaseReply]{
		to: from, limit: s.limit(ttl),
		ask: func(ctx context.Context, n *node) (releaseReply, error) {
			return n.release(ctx, r)
		},
		take: func(i int, _ releaseReply, err error) progress {
			switch {
			case r.refuse == refuseOnly: // it may be there and stay
			case err == nil:
				s.ended(i, r.id, r.attempt)
			case sent(err), r.ending != noUse:
				s.releaseLater(s.nodes[i], r, ttl)
			}
			return open
		},
	})
	g.linger(reserveAfter)
}

// Withdraw implements [lockcore.Store].
func (s *Store) Withdraw(ctx context.Context, id string) error {
	k, err := s.known(ctx, id)
	if err != nil {
		return err
	}
	if k == nil {
		// It may have been granted to another process.
		k = foreign(&lockcore.Ticket{ID: id})
		k.obtained = [][]string{}
	}
	defer k.leave()
	s.mu.Lock()
	granted := k.obtained != nil
	s.mu.Unlock()
	if granted {
		r := s.releasing(k, 0, noUse)
		if err := r.wait(ctx); err != nil {
			return err
		}
		if v := r.ballot.verdict(0); v != won && v != lost && !r.ballot.quorate() {
			return s.noQuorum(r.errs)
		}
	}
	// A ticket that waits has nothing on the servers: failed attempts were undone.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(k)
	s.dispatch(time.Now())
	return nil
}
