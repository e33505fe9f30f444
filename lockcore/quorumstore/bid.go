package quorumstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A bid is one attempt to take a set of keys on a majority of the servers.
type bid struct {
	*asking
	picks   [][]string
	attempt int64
	made    time.Time
	args    []any // of the script

	// Guarded by the gathering under way.
	ballot        ballot
	errs          []error
	last          map[string]lockcore.Ending // how the last use of the keys ended
	have          map[string]*otherGrant     // what the ticket holds already, by attempt and keys
	leaderRefused bool                       // the server that was asked first refused

	settled chan struct{} // closed when granted says how it ended
	granted bool
}

// An otherGrant is what an earlier bid for the same ticket obtained: the reply to it
// got lost, and the caller asked again.
type otherGrant struct {
	servers int
	attempt int64
	units   []unit
	counts  []int
	last    map[string]lockcore.Ending
}

// takeReply is what a server said to a bid.
type takeReply struct {
	yes      bool
	endings  fields // how the last use of keys ended: key, how, key, how...
	inTheWay fields // leases on the keys
	have     fields
}

// vote asks the servers for the keys. It returns the keys if a majority gave them.
// Else it returns the chooser for the next vote, or nil if there is to be none.
func (a *asking) vote(ctx context.Context, picks [][]string) ([][]string, chooser, error) {
	b := a.bid(picks)
	g := gather(a.s, question[takeReply]{to: a.s.everyone(), lead: a.lead + 1, limit: a.limit, ask: b.ask, take: b.take, late: b.late})
	if err := g.wait(ctx); err != nil {
		return b.fail(err)
	}
	if b.leaderRefused {
		close(b.settled)
		return nil, a.behind(), nil
	}
	v := b.ballot.verdict(time.Since(a.start))
	switch v {
	case won:
		b.granted, a.last, a.since = true, b.last, b.made
		close(b.settled)
		b.s.mu.Lock()
		b.s.view.hold(&knownLease{id: a.k.id, attempt: b.attempt, until: a.start.Add(a.t.TTL), units: unitsOf(a.t.Requirements, picks)}, b.ballot.replies)
		b.s.mu.Unlock()
		return picks, nil, nil
	case late:
		return b.fail(fmt.Errorf("redlock: most servers granted it, but after %s, too late for a TTL of %s: raise the TTL: %w",
			time.Since(a.start).Round(time.Millisecond), a.t.TTL, lockcore.ErrNoQuorum))
	}
	if b.adopt() {
		return b.adopted(ctx)
	}
	if v != lost && !b.ballot.quorate() { // of an even number, half can refuse: they are too few for a verdict
		return b.fail(a.s.noQuorum(b.errs))
	}
	return b.refused(ctx)
}

// behind says how to go on when the server that was asked first refused: a rival was
// faster. If that server is the lead server, the rival goes on to the other servers
// now, so asking them would only take away its majority.
func (a *asking) behind() chooser {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.lead == a.s.leader(time.Now()) {
		return a.byLeader
	}
	return a.bySurvey
}

func (a *asking) bid(picks [][]string) *bid {
	attempt, void := a.s.number(a.k)
	n := len(a.s.nodes)
	b := &bid{asking: a, picks: picks, attempt: attempt, made: time.Now(), ballot: newBallot(n, a.t.TTL), errs: make([]error, n), settled: make(chan struct{})}
	units := unitsOf(a.t.Requirements, picks)
	b.args = append(make([]any, 0, 12+len(units)),
		a.k.id, number(attempt), void, number((a.t.TTL + grace).Microseconds()), a.s.config.LockDelay.Microseconds(),
		encode(units), a.looks, encode(leastRecent(a.t.Requirements, picks)), infoOf(a.t, picks), sweep(),
	)
	if b.args[7] == "" && b.args[9] == "" {
		b.args = simple(b.args, a.k.id, units)
	}
	return b
}

// ask puts the bid to one server.
func (b *bid) ask(ctx context.Context, n *node) (ans takeReply, err error) {
	v, err := n.run(ctx, takeScript(), b.args...)
	if err != nil {
		return ans, err
	}
	if v == int64(1) {
		return takeReply{yes: true}, nil
	}
	f, err := asFields(v)
	switch {
	case err != nil:
	case f.text(0) == "given":
		ans.yes, ans.endings = true, f.sub(1)
	case f.text(0) == "no":
		ans.inTheWay = f.sub(1)
	case f.text(0) == "have":
		ans.have = f
	default:
		err = badReply(f)
	}
	return ans, err
}

// take notes what a server said. When a majority has answered and one of them has
// refused, slow servers could still make a majority; the bid does not wait long for
// them, because rivals wait for the keys that it has.
func (b *bid) take(i int, ans takeReply, err error) progress {
	r := no
	if err == nil && ans.yes {
		r = yes
		b.last = addEndings(b.last, ans.endings)
	} else if err == nil {
		err = b.learn(i, ans)
	}
	if err != nil {
		r = down
	}
	b.ballot.replies[i], b.errs[i] = r, err
	if r == no && i == b.lead && b.ballot.answered() == 1 {
		b.leaderRefused = true // the others were not asked, or did not answer yet
		return enough
	}
	switch v := b.ballot.verdict(time.Since(b.start)); {
	case v == won, v == lost, v == late:
		return enough
	case !b.ballot.quorate():
		return open
	case b.ballot.cannotWin():
		return enough
	}
	return nearly
}

// learn takes into the view what a server that refused says.
func (b *bid) learn(i int, ans takeReply) error {
	if ans.have == nil {
		b.s.mu.Lock()
		answered := b.answered
		b.s.mu.Unlock()
		return b.s.observe(i, b.keys, ans.inTheWay, answered)
	}
	what := ans.have.text(1) + " " + ans.have.text(2)
	if b.have[what] == nil {
		var in info
		attempt, err1 := strconv.ParseInt(ans.have.text(1), 10, 64)
		units, err2 := decode(ans.have.text(2))
		err3 := json.Unmarshal([]byte(ans.have.text(3)), &in)
		if err1 != nil || err2 != nil || err3 != nil {
			return badReply(ans.have)
		}
		if b.have == nil {
			b.have = make(map[string]*otherGrant)
		}
		b.have[what] = &otherGrant{attempt: attempt, units: units, counts: in.Counts}
	}
	b.have[what].servers++
	b.have[what].last = addEndings(b.have[what].last, ans.have.sub(4))
	return nil
}

// adopt reports whether a majority already holds something else for the ticket, and
// makes it the ticket's grant.
func (b *bid) adopt() bool {
	for _, o := range b.have {
		if o.servers < majority(len(b.s.nodes)) {
			continue
		}
		b.s.mu.Lock()
		b.k.attempt, b.k.obtained, b.k.valid = o.attempt, byRequirement(o.units, o.counts), time.Time{}
		b.k.last, b.last = o.last, o.last
		b.s.mu.Unlock()
		close(b.settled)
		return true
	}
	return false
}

// adopted renews what was adopted: it was granted to an earlier Ask, and the caller
// counts its TTL from this one.
func (b *bid) adopted(ctx context.Context) ([][]string, chooser, error) {
	g, err := b.s.confirm(ctx, b.k)
	if g == nil {
		return nil, nil, err
	}
	return g.Obtained, nil, nil
}

// refused undoes a lost bid and says how to go on.
func (b *bid) refused(ctx context.Context) ([][]string, chooser, error) {
	split := b.ballot.count(yes) > 0
	if b.lead >= 0 && b.ballot.replies[b.lead] == yes && b.ballot.count(no) >= majority(len(b.s.nodes)) {
		b.s.nodes[b.lead].skip(time.Now().Add(skipRestarted))
	}
	b.s.mu.Lock()
	if b.answered == nil {
		b.answered = make([]bool, len(b.s.nodes))
		for i, r := range b.ballot.replies {
			b.answered[i] = r == yes || r == no
		}
	}
	b.s.mu.Unlock()
	b.undo()
	if split {
		c, err := b.pause(ctx)
		return nil, c, err
	}
	return nil, b.bySurvey, nil
}

// fail undoes a bid that ends the ask.
func (b *bid) fail(err error) ([][]string, chooser, error) {
	b.undo()
	return nil, nil, err
}

// undo releases what servers gave. It waits for those that answered the bid, because
// rivals need the keys; late does the same for those that answer later.
func (b *bid) undo() {
	close(b.settled)
	var to []int
	for i, r := range b.ballot.replies {
		switch {
		case r == yes:
			to = append(to, i)
		case r == down && sent(b.errs[i]):
			b.releaseLater(i)
		}
	}
	if len(to) > 0 {
		b.s.takeBack(b.k.id, b.attempt, b.t.TTL, to)
	}
}

// late deals with an answer that came after the vote.
func (b *bid) late(i int, ans takeReply, err error) {
	<-b.settled
	switch {
	case err != nil:
		if !b.granted && sent(err) {
			b.releaseLater(i)
		}
	case ans.inTheWay != nil:
		_ = b.s.observe(i, b.keys, ans.inTheWay, nil) // the view may as well learn it; an unreadable answer does no harm
	case ans.yes && !b.granted:
		b.s.takeBack(b.k.id, b.attempt, b.t.TTL, []int{i})
	}
}

func (b *bid) releaseLater(i int) {
	b.s.releaseLater(b.s.nodes[i], releaseRequest{id: b.k.id, attempt: b.attempt}, b.t.TTL)
}
