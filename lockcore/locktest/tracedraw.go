package locktest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// drawn is what kind of requests a trace has. Where time passes, whatever happens
// concerns everybody in line, so that it does not matter whether a store looks at
// those whom it does not concern.
type drawn struct {
	policy  lockcore.QueuePolicy
	delay   time.Duration
	wide    bool // every requirement lists every key; else all requests share one
	seats   bool // most requests take seats, often in several requirements
	nested  bool // many requests are made under leases that stand
	liars   bool // many say that they take a moment, and take minutes
	expires bool // leases expire, and some come back
}

func draw(rnd *rand.Rand) drawn {
	d := drawn{wide: rnd.IntN(2) == 0, seats: rnd.IntN(3) == 0, nested: rnd.IntN(3) == 0, liars: rnd.IntN(3) == 0, expires: rnd.IntN(3) == 0}
	if rnd.IntN(6) == 0 {
		d.policy = lockcore.FIFO
	}
	if d.expires && rnd.IntN(2) == 0 {
		d.delay = time.Duration(1+rnd.IntN(10)) * time.Second
	}
	return d
}

// pass lets some time go by, never so much that somebody in line is dropped who polls
// at every step.
func (tr *trace) pass() {
	if tr.stage == nil {
		return
	}
	longest := 4 * time.Second
	if tr.rnd.IntN(5) == 0 || tr.liars && tr.rnd.IntN(2) == 0 {
		longest = 14 * time.Second
	}
	tr.stage.Pass(time.Duration(1+tr.rnd.IntN(int(longest.Microseconds()))) * time.Microsecond)
}

func (tr *trace) operation() {
	timed := tr.stage != nil
	if tr.rnd.IntN(6) == 0 {
		tr.administer()
		return
	}
	op := tr.rnd.IntN(12)
	if tr.liars && tr.rnd.IntN(3) == 0 {
		op = 0 // they come often, and stay
	}
	switch {
	case op < 5 && len(tr.tickets) < 9:
		tr.request()
	case op < 9:
		id, ok := one(tr.rnd, tr.held)
		if !ok {
			return
		}
		switch what := tr.rnd.IntN(10); {
		case timed && what == 9:
			tr.free(tr.held[id].Keys()[0])
		case timed && what > 9-4*toInt(tr.expires) && tr.held[id].Ticket.For == 0:
			tr.renew(id)
		default:
			tr.giveBack(id)
		}
	case op == 9:
		if id, ok := one(tr.rnd, tr.tickets); ok && tr.rnd.IntN(2) == 0 {
			tr.withdraw(id)
		}
	case op == 10:
		if id, ok := one(tr.rnd, tr.tickets); ok && tr.tickets[id].TTL >= watchdog {
			t := tr.tickets[id]
			t.Requirements = tr.requirements()
			t.Revision++
			tr.note("revise %s to %v", id, brief(t))
			tr.ask(t)
		}
	}
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (tr *trace) giveBack(id string) {
	if tr.held[id].Ticket.For > 0 {
		tr.endReservation(id)
		return
	}
	if tr.stage != nil {
		var keep time.Duration
		if tr.rnd.IntN(8) == 0 {
			keep = time.Duration(1+tr.rnd.IntN(60_000_000)) * time.Microsecond
		}
		tr.release(id, keep)
		return
	}
	keep, keys := time.Duration(tr.rnd.IntN(6)/5)*watchdog, tr.held[id].Keys()
	tr.release(id, keep)
	if keep > 0 && tr.rnd.IntN(2) == 0 && len(keys) > 0 {
		tr.free(keys[0])
	}
}

func (tr *trace) request() {
	tr.n++
	t := ticket(fmt.Sprint("t", tr.n), watchdog, tr.requirements()...)
	if tr.stage == nil {
		t.Wait = tr.rnd.IntN(4) > 0
		t.Priority = 2 * tr.rnd.IntN(3) // two minutes apart: more than the trace takes
		if !tr.expectAtRest(t) {
			return
		}
	} else {
		tr.timed(t)
	}
	tr.note("ask %s (%s) for %v, priority %d, waited %s, expect %s, wait %v, ttl %s, parents %v", t.ID, t.Owner.Test, brief(t), t.Priority, t.Waited, t.Expect, t.Wait, t.TTL, t.Parents)
	tr.ask(t)
}

func (tr *trace) timed(t *lockcore.Ticket) {
	t.TTL = 2 * time.Hour
	t.Owner.Test = fmt.Sprint("T", tr.rnd.IntN(7))
	if t.Owner.Test == "T0" {
		t.Owner.Test = ""
	}
	switch {
	case tr.liars && tr.rnd.IntN(2) == 0:
		t.Expect = time.Duration(1+tr.rnd.IntN(3_000_000)) * time.Microsecond
	case tr.rnd.IntN(3) == 0:
		t.Expect = time.Duration(1+tr.rnd.IntN(60_000_000)) * time.Microsecond
	}
	exclusive := !slices.ContainsFunc(t.Requirements, func(r lockcore.Requirement) bool { return r.Shared || r.Seats > 0 })
	if tr.expires && exclusive && (t.Expect > 0 || t.Owner.Test == "") {
		// A store may forget of an expired lease what was learned of it, and whether who
		// shared its keys came before or after its end.
		t.TTL = time.Duration(16+tr.rnd.IntN(60)) * time.Second
	}
	t.Wait = tr.rnd.IntN(6) > 0
	t.Priority = max(-1, tr.rnd.IntN(8)-5) / 2 * toInt(tr.rnd.IntN(2) == 0)
	if tr.rnd.IntN(6) == 0 {
		t.Waited = time.Duration(tr.rnd.IntN(200_000_000)) * time.Microsecond // it comes back after the store was away
	}
	if tr.nested && tr.rnd.IntN(2) == 0 {
		for range 1 + tr.rnd.IntN(2) {
			if id, ok := one(tr.rnd, tr.held); ok && !slices.Contains(t.Parents, id) {
				t.Parents = append(t.Parents, id)
			}
		}
	}
}

// expectAtRest draws what is known of how long the ticket will be held, so that it does
// not matter how long the store really takes: powers of two, in hours, of which no two
// are the same at a time, so that nothing that is expected differs from anything else
// by less than an hour; and one that takes next to nothing, of which never two are about:
// a test that is learned about, or one of which nothing is known, as soon as others have
// taught what is usual. It reports false if all powers are about.
func (tr *trace) expectAtRest(t *lockcore.Ticket) bool {
	usual := tr.model.Snapshot(tr.now(), inOrder).Usual > 0
	moment := tr.some(func(o *lockcore.Ticket) bool {
		return o.Owner.Test == "learner" || usual && o.Expect == 0 && o.For == 0
	})
	switch {
	case tr.rnd.IntN(4) == 0 && !moment:
		t.Owner.Test = "learner"
		return true
	case tr.rnd.IntN(3) == 0 && !(usual && moment):
		return true
	}
	for range 100 {
		if d := time.Hour << tr.rnd.IntN(16); !tr.expected(d) {
			t.Expect = d
			return true
		}
	}
	return false
}

// expected reports whether somebody is expected to hold for as long already.
func (tr *trace) expected(d time.Duration) bool {
	return tr.some(func(o *lockcore.Ticket) bool { return o.Expect == d || o.For == d })
}

// some reports whether f holds for one who waits or holds.
func (tr *trace) some(f func(*lockcore.Ticket) bool) bool {
	for _, w := range tr.tickets {
		if f(w) {
			return true
		}
	}
	for _, g := range tr.held {
		if f(g.Ticket) {
			return true
		}
	}
	return false
}

// requirements draws what can be met with everything free.
func (tr *trace) requirements() []lockcore.Requirement {
	keys := []string{"a", "b", "c", "d", "e"}
	for {
		var reqs []lockcore.Requirement
		seats := 0
		if tr.rnd.IntN(4) == 0 || tr.seats && tr.rnd.IntN(3) > 0 {
			seats = 2 + tr.rnd.IntN(2)
		}
		for range 1 + tr.rnd.IntN(8)/5*(1+tr.rnd.IntN(2)) {
			tr.rnd.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			n := 1 + tr.rnd.IntN(len(keys))
			if tr.stage != nil && tr.wide {
				n = len(keys)
				if tr.rnd.IntN(3) > 0 {
					slices.Sort(keys) // so that some ask for the same
				}
			}
			r := of(1+tr.rnd.IntN(1+tr.rnd.IntN(n)), keys[:n]...)
			if r.Seats = seats; seats == 0 {
				r.Shared = tr.rnd.IntN(5) == 0
			}
			reqs = append(reqs, r)
		}
		if tr.stage != nil && !tr.wide {
			r := of(1, "z")
			r.Shared = true
			reqs = append(reqs, r)
		}
		for i := range reqs {
			reqs[i].Choice = lockcore.InOrder
		}
		if _, ok := lockcore.Match(reqs, func(r int, _ string) int { return max(1, reqs[r].Seats) }, nil); ok {
			return reqs
		}
	}
}

func brief(t *lockcore.Ticket) (out []string) {
	for i := range t.Requirements {
		r, keys := &t.Requirements[i], ""
		for _, c := range r.Candidates {
			keys += c.Key
		}
		how := ""
		switch {
		case r.Shared:
			how = " shared"
		case r.Seats > 0:
			how = fmt.Sprintf(" by the seat, of %d", r.Seats)
		}
		out = append(out, fmt.Sprintf("%d of %s%s", r.Units(), keys, how))
	}
	return out
}
