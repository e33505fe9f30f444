package quorumstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Renew implements [lockcore.Store]. A server that does not have the lease, because
// it was down or has restarted, takes it in if nobody else holds the keys there. Its
// confirmation counts at once if the lease has not expired and another server still
// had it: only then is it certain that nobody else had the keys in between.
func (s *Store) Renew(ctx context.Context, grants []*lockcore.Grant) ([]error, error) {
	errs := make([]error, 0, len(grants))
	unreached := 0
	var why error
	for len(grants) > 0 {
		n := min(len(grants), renewMax)
		some, err := s.renew(ctx, grants[:n])
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			why = err
			unreached += n
			some = make([]error, n)
			for i := range some {
				some[i] = err
			}
		}
		errs = append(errs, some...)
		grants = grants[n:]
	}
	if why != nil && unreached == len(errs) {
		return nil, why
	}
	return errs, nil
}

// renewMax is how many leases go into one call of the script, so that it does
// not keep a server too long.
const renewMax = 200

// A renewal is a call for several leases under way.
type renewal struct {
	*gathering[fields]
	s       *Store
	leases  []*renewed
	errs    []error
	sent    time.Time
	args    []any
	settled chan struct{}
}

// renewed is one lease of a renewal.
type renewed struct {
	grant   *lockcore.Grant
	ticket  *ticket // nil if it was granted to another process
	attempt int64
	valid   time.Time // until when servers may take it in; zero: never
	ballot  ballot
	live    int    // servers that had it
	joined  []int  // servers that took it in
	words   string // why a server does not have it
}

// verdict is that of the ballot, with one exception: servers that took the lease in
// do not count when no other server still had it, or when it had expired.
func (l *renewed) verdict(now time.Time) verdict {
	v := l.ballot.verdict(0)
	switch {
	case v != won || l.live >= majority(len(l.ballot.replies)), l.live > 0 && now.Before(l.valid):
		return v
	case l.ballot.count(silent) > 0:
		return pending
	case l.ballot.count(down) > 0:
		return unclear
	}
	return lost
}

func (s *Store) renew(ctx context.Context, grants []*lockcore.Grant) ([]error, error) {
	r := &renewal{s: s, sent: time.Now(), errs: make([]error, len(s.nodes)), settled: make(chan struct{}), args: []any{s.config.LockDelay.Microseconds()}}
	limit := max(slowLimit, s.config.NodeTimeout)
	for _, g := range grants {
		r.add(g)
		limit = min(limit, s.limit(g.Ticket.TTL))
	}
	r.gathering = gather(s, question[fields]{
		to: s.everyone(), limit: limit,
		ask:  func(ctx context.Context, n *node) (fields, error) { return n.fields(ctx, renewScript(), r.args...) },
		take: r.take, late: r.late,
	})
	err := r.wait(ctx)
	defer close(r.settled)
	if err != nil {
		for _, l := range r.leases {
			r.mark(l)
		}
		return nil, err
	}
	errs := make([]error, len(r.leases))
	now := time.Now()
	unsure := 0
	for i, l := range r.leases {
		r.mark(l)
		switch l.verdict(now) {
		case won:
			r.extended(l)
		case lost:
			errs[i] = r.gone(l)
		default:
			errs[i] = r.unclear(l)
			unsure++
		}
	}
	if unsure == len(errs) {
		return nil, errs[0]
	}
	return errs, nil
}

// add puts a lease on the list.
func (r *renewal) add(g *lockcore.Grant) {
	s := r.s
	l := &renewed{grant: g, ballot: newBallot(len(s.nodes), 0)}
	join, unrenewed := 0, 0
	s.mu.Lock()
	l.ticket = s.tickets[g.Ticket.ID]
	if k := l.ticket; k != nil {
		l.attempt = k.attempt
		if k.unrenewed {
			unrenewed = 1
		}
		k.unrenewed = true // until this one succeeds
		if r.sent.Before(k.valid) && !k.releasing && g.Ticket.For == 0 {
			// While the lease stands, nobody else has a majority: so a server that has
			// lost its data cannot have granted the keys to somebody else.
			join, l.valid = 1, k.valid
		}
	}
	s.mu.Unlock()
	r.leases = append(r.leases, l)
	r.args = append(r.args, g.Ticket.ID, l.attempt, (g.Ticket.TTL + grace).Microseconds(),
		encode(unitsOf(g.Ticket.Requirements, g.Obtained)), infoOf(g.Ticket, g.Obtained), join, unrenewed)
}

// take notes what a server said about all the leases.
func (r *renewal) take(i int, f fields, err error) progress {
	if err == nil && len(f) != len(r.leases) {
		err = badReply(f)
	}
	r.errs[i] = err
	p, now := enough, time.Now()
	for j, l := range r.leases {
		if err != nil {
			l.ballot.replies[i] = down
		} else {
			l.ballot.replies[i] = l.note(i, f.sub(j))
		}
		switch v := l.verdict(now); {
		case v == won, v == lost:
		case l.ballot.quorate():
			p = min(p, nearly)
		default:
			p = open
		}
	}
	return p
}

// note takes in what one server said about the lease.
func (l *renewed) note(i int, f fields) reply {
	switch f.text(0) {
	case "live":
		l.live++
		return yes
	case "joined":
		l.joined = append(l.joined, i)
		return yes
	case "gone":
		l.words = f.text(1)
	case "taken":
		if l.words == "" {
			l.words = fmt.Sprintf("it expired, and %q is held by %s now", f.text(1), ownerIn(f.text(2)))
		}
	}
	return no
}

// mark notes the servers that have to refuse what may arrive after the release: a
// renewal that they have not answered, or, where a renewal brought the lease, the bid
// before it. It would take the keys again, and nobody would give them back.
func (r *renewal) mark(l *renewed) {
	k := l.ticket
	if k == nil || l.live == len(l.ballot.replies) {
		return
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	k.refuseLater(l.ballot.replies)
	for _, i := range l.joined {
		k.tombstones[i] = true
	}
}

// refuseLater notes the servers that have not said yes. Store.mu is held.
func (k *ticket) refuseLater(replies []reply) {
	if k.tombstones == nil {
		k.tombstones = make([]bool, len(replies))
	}
	for i, v := range replies {
		if v != yes {
			k.tombstones[i] = true
		}
	}
}

// unclear words a renewal that too few servers have confirmed, while others may
// still do so.
func (r *renewal) unclear(l *renewed) error {
	if !l.ballot.quorate() {
		return r.s.noQuorum(r.errs)
	}
	var silentOnes []string
	for i, v := range l.ballot.replies {
		switch {
		case v == silent:
			silentOnes = append(silentOnes, r.s.nodes[i].name+": no answer yet")
		case v == down:
			silentOnes = append(silentOnes, r.s.nodes[i].name+": "+r.errs[i].Error())
		}
	}
	return fmt.Errorf("redlock: %d of %d servers have the lease, it takes %d (%s): %w", l.ballot.count(yes), len(l.ballot.replies), majority(len(l.ballot.replies)), strings.Join(silentOnes, "; "), lockcore.ErrNoQuorum)
}

// extended records a renewal that a majority confirmed.
func (r *renewal) extended(l *renewed) {
	s, t := r.s, l.grant.Ticket
	s.mu.Lock()
	defer s.mu.Unlock()
	k := l.ticket
	if k == nil || s.tickets[t.ID] != k {
		return
	}
	k.valid, k.unrenewed = r.sent.Add(validity(t.TTL, 0)), false
	for i := range s.view.servers {
		if h := s.view.servers[i].leases[t.ID]; h != nil {
			h.until = r.sent.Add(t.TTL)
		}
	}
}

// gone records that a lease is lost, and releases it where it still is.
func (r *renewal) gone(l *renewed) error {
	s, id := r.s, l.grant.Ticket.ID
	s.mu.Lock()
	if k := l.ticket; k != nil {
		k.releasing, k.obtained = true, nil
		s.forget(k)
	}
	s.mu.Unlock()
	back := releaseRequest{id: id, attempt: l.attempt}
	if back.attempt == 0 {
		back.attempt, back.refuse = time.Now().UnixMicro(), refuseGuess
	}
	s.spawn(func() { s.takeBackAs(back, l.grant.Ticket.TTL, s.everyone()) })
	if l.words == "" {
		l.words = "most of the servers no longer have it: it expired, or they lost their data"
	}
	return fmt.Errorf("%s: %w", l.words, lockcore.ErrLost)
}

// late deals with servers that answered after the vote. One that took in a lease
// which has ended meanwhile must drop it again.
func (r *renewal) late(i int, f fields, err error) {
	<-r.settled
	for j, l := range r.leases {
		if err != nil || l.ticket == nil {
			continue
		}
		if f.sub(j).text(0) == "joined" && r.s.over(l.ticket) {
			r.s.takeBack(l.ticket.id, l.attempt, l.grant.Ticket.TTL, []int{i})
		}
	}
}
