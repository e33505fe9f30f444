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
	args    []any // of the script

	// Guarded by the gathering under way.
	ballot ballot
	errs   []error
	have   map[string]*other // what else the ticket holds already, by what it is
	outrun bool              // the server that was asked first refused

	settled chan struct{} // closed when granted says how it ended
	granted bool
}

// other is a lease that another bid for the ticket obtained: an ask was repeated
// after its reply got lost.
type other struct {
	servers int
	attempt int64
	units   []unit
	counts  []int
}

// answer is what a server said to a bid.
type answer struct {
	yes  bool
	seen fields // who is in the way
	have fields
}

// vote asks for the keys. It returns them if a majority gave them, and else the
// chooser to go on with, or nil to stop here.
func (a *asking) vote(ctx context.Context, picks [][]string) ([][]string, chooser, error) {
	b := a.bid(picks)
	g := gather(a.s, hearing[answer]{to: a.s.everyone(), lead: a.gate + 1, limit: a.limit, ask: b.ask, take: b.take, late: b.late})
	if err := g.wait(ctx); err != nil {
		return b.fail(err)
	}
	if b.outrun {
		close(b.settled)
		return nil, a.behind(), nil
	}
	v := b.ballot.verdict(time.Since(a.start))
	switch v {
	case won:
		b.granted = true
		close(b.settled)
		b.s.mu.Lock()
		b.s.view.hold(&seen{id: a.k.id, attempt: b.attempt, until: a.start.Add(a.t.TTL), units: unitsOf(a.t.Requirements, picks)}, b.ballot.replies)
		b.s.mu.Unlock()
		return picks, nil, nil
	case late:
		return b.fail(fmt.Errorf("redlock: most servers granted it, but after %s, too late for a TTL of %s: raise the TTL: %w",
			time.Since(a.start).Round(time.Millisecond), a.t.TTL, lockcore.ErrNoQuorum))
	}
	if b.adopt() {
		return b.adopted(ctx)
	}
	if v != lost && !b.ballot.quorate() { // half of an even number can refuse, and is no majority
		return b.fail(a.s.noQuorum(b.errs))
	}
	return b.refused(ctx)
}

// behind says how to go on when the first server refused what it had seemed to
// have: a rival came first. If that was the gate, all rivals of this moment are
// behind that one now, and going on elsewhere would only stand in its way.
func (a *asking) behind() chooser {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.gate == a.s.gate(time.Now()) {
		return a.byGate
	}
	return a.bySurvey
}

func (a *asking) bid(picks [][]string) *bid {
	attempt, void := a.s.number(a.k)
	n := len(a.s.nodes)
	b := &bid{asking: a, picks: picks, attempt: attempt, ballot: newBallot(n, a.t.TTL), errs: make([]error, n), settled: make(chan struct{})}
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
func (b *bid) ask(ctx context.Context, n *node) (ans answer, err error) {
	v, err := n.run(ctx, takeScript, b.args...)
	if err != nil {
		return ans, err
	}
	if v == int64(1) {
		return answer{yes: true}, nil
	}
	f, err := asFields(v)
	switch {
	case err != nil:
	case f.text(0) == "no":
		ans.seen = f.sub(1)
	case f.text(0) == "have":
		ans.have = f
	default:
		err = badReply(f)
	}
	return ans, err
}

// take notes what a server said. Once enough have answered and one of them has
// refused, the bid may be won yet by those that are slow, but rivals are waiting
// for what it has.
func (b *bid) take(i int, ans answer, err error) progress {
	r := no
	if err == nil && ans.yes {
		r = yes
	} else if err == nil {
		err = b.learn(i, ans)
	}
	if err != nil {
		r = down
	}
	b.ballot.replies[i], b.errs[i] = r, err
	if r == no && i == b.gate && b.ballot.answered() == 1 {
		b.outrun = true // the others were not asked, or did not answer yet
		return enough
	}
	switch v := b.ballot.verdict(time.Since(b.start)); {
	case v == won, v == lost, v == late:
		return enough
	case !b.ballot.quorate():
		return open
	case b.ballot.hopeless():
		return enough
	}
	return nearly
}

// learn takes into the view what a refusal says.
func (b *bid) learn(i int, ans answer) error {
	if ans.have == nil {
		b.s.mu.Lock()
		heard := b.heard
		b.s.mu.Unlock()
		return b.s.observe(i, b.keys, ans.seen, heard)
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
			b.have = make(map[string]*other)
		}
		b.have[what] = &other{attempt: attempt, units: units, counts: in.Counts}
	}
	b.have[what].servers++
	return nil
}

// adopt makes this process the keeper of what the ticket turns out to hold on a
// majority already.
func (b *bid) adopt() bool {
	for _, o := range b.have {
		if o.servers < majority(len(b.s.nodes)) {
			continue
		}
		b.s.mu.Lock()
		b.k.attempt, b.k.obtained, b.k.valid = o.attempt, byRequirement(o.units, o.counts), time.Time{}
		b.s.mu.Unlock()
		close(b.settled)
		return true
	}
	return false
}

// adopted renews what was adopted: it was granted to an earlier ask and is about
// to end, and the caller counts its time from this one.
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
	if b.gate >= 0 && b.ballot.replies[b.gate] == yes && b.ballot.count(no) >= majority(len(b.s.nodes)) {
		b.s.nodes[b.gate].stray(time.Now().Add(oddFor))
	}
	b.s.mu.Lock()
	if b.heard == nil {
		b.heard = make([]bool, len(b.s.nodes))
		for i, r := range b.ballot.replies {
			b.heard[i] = r == yes || r == no
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

// undo takes back what servers gave, and does not return before those that
// answered have done so: rivals need it. Those that answer late see to it
// themselves.
func (b *bid) undo() {
	close(b.settled)
	var to []int
	for i, r := range b.ballot.replies {
		switch {
		case r == yes:
			to = append(to, i)
		case r == down && sent(b.errs[i]):
			b.owe(i)
		}
	}
	if len(to) > 0 {
		b.s.takeBack(b.k.id, b.attempt, b.t.TTL, to)
	}
}

// late deals with an answer that nobody waited for.
func (b *bid) late(i int, ans answer, err error) {
	<-b.settled
	switch {
	case err != nil:
		if !b.granted && sent(err) {
			b.owe(i)
		}
	case ans.seen != nil:
		_ = b.s.observe(i, b.keys, ans.seen, nil) // worth knowing, and no matter if not
	case ans.yes && !b.granted:
		b.s.takeBack(b.k.id, b.attempt, b.t.TTL, []int{i})
	}
}

func (b *bid) owe(i int) { b.s.owe(b.s.nodes[i], b.k.id, b.attempt, b.t.TTL) }
