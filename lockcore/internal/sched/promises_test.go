package sched

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// The promises of the package doc, on random traces over small instances, where
// every assignment can be tried. A failure prints the trace, and how to replay it.

func TestPromisesOnRandomTraces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"ask":      m.ask,
			"once":     m.once,
			"release":  m.release,
			"withdraw": m.withdraw,
			"poll":     m.poll,
			"renew":    m.renew,
			"pass":     m.pass,
			"reap":     m.reap,
			"free":     m.free,
			"reserve":  m.reserve,
			"extend":   m.extend,
			"give":     m.giveBack,
			"disable":  m.disable,
			"enable":   m.enable,
			"revise":   m.revise,
			"":         m.check,
		})
	})
}

// model drives a state and remembers only what the promises are about.
type model struct {
	state   State
	now     int64
	rnd     *rand.Rand
	n       int
	tickets map[string]*lockcore.Ticket
	rank    map[string]int64           // of every ticket ever asked, in arrival order within a rank
	order   map[string]int             // arrival
	atEntry map[string]map[string]bool // the leases that stood when a waiter arrived
	token   uint64
	live    map[string]bool // leases after the last step
	before  *State          // that of the last step

	promised map[string]int64 // to waiters
	asked    string           // once, in this step
}

var keys = []string{"a", "b", "c", "d"}

var endings = []lockcore.Ending{lockcore.Released, lockcore.Released, lockcore.TestFailed}

func newModel(t *rapid.T) *model {
	seed := rapid.Uint64().Draw(t, "seed")
	policy := rapid.SampledFrom([]lockcore.QueuePolicy{lockcore.FIFO, lockcore.Backfill}).Draw(t, "policy")
	return &model{state: State{Policy: policy}, rnd: rand.New(rand.NewPCG(seed, 0)), now: int64(time.Hour), tickets: make(map[string]*lockcore.Ticket), rank: make(map[string]int64),
		order: make(map[string]int), atEntry: make(map[string]map[string]bool), live: make(map[string]bool), promised: make(map[string]int64)}
}

func drawRequirements(t *rapid.T) []lockcore.Requirement {
	n := rapid.IntRange(1, 3).Draw(t, "requirements")
	seats := rapid.Bool().Draw(t, "seats") // by the seat all or none: a mixture is refused before it gets here
	var reqs []lockcore.Requirement
	for range n {
		r := lockcore.Requirement{}
		for _, k := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 1, 4, rapid.ID).Draw(t, "candidates") {
			r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
		}
		r.Need = rapid.IntRange(1, len(r.Candidates)).Draw(t, "need")
		if seats {
			r.Seats = 2
		} else {
			r.Shared = rapid.IntRange(0, 3).Draw(t, "shared") == 0
		}
		reqs = append(reqs, r)
	}
	return reqs
}

// possible reports whether the requirements can be met with everything free.
func possible(reqs []lockcore.Requirement) bool {
	return assignable(reqs, func(string) units { return units{} })
}

func (m *model) newTicket(t *rapid.T) *lockcore.Ticket {
	m.n++
	tk := &lockcore.Ticket{ID: fmt.Sprint("t", m.n), Owner: lockcore.Owner{Test: fmt.Sprint("Test", m.n%5)}, TTL: 30 * time.Second, Wait: true}
	for tk.Requirements = drawRequirements(t); !possible(tk.Requirements); {
		tk.Requirements = drawRequirements(t)
	}
	tk.Priority = rapid.SampledFrom([]int{0, 0, 0, 1, -1}).Draw(t, "priority")
	tk.Expect = rapid.SampledFrom([]time.Duration{0, 0, time.Second, 10 * time.Second, time.Minute, 2 * time.Minute}).Draw(t, "expect")
	m.tickets[tk.ID] = tk
	m.order[tk.ID] = m.n
	m.rank[tk.ID] = m.now - int64(tk.Priority)*int64(time.Minute)
	return tk
}

func (m *model) ask(t *rapid.T) {
	tk := m.newTicket(t)
	m.atEntry[tk.ID] = make(map[string]bool)
	m.state.Tick(m.now, m.rnd.IntN) // what expires now was not there any more
	for id := range m.state.leases {
		m.atEntry[tk.ID][id] = true
	}
	proc := rapid.SampledFrom([]string{"", "p1", "p2"}).Draw(t, "proc")
	m.state.Ask(m.now, tk, proc, m.rnd.IntN)
}

func (m *model) once(t *rapid.T) {
	tk := m.newTicket(t)
	tk.Wait = false
	m.asked = tk.ID
	g, _ := m.state.Ask(m.now, tk, "", m.rnd.IntN)
	if g == nil && (m.state.waiting[tk.ID] != nil || m.state.leases[tk.ID] != nil) {
		t.Fatalf("%s was refused and left something behind", tk.ID)
	}
}

func (m *model) someLease(t *rapid.T) string {
	ids := []string{}
	for _, l := range m.state.sortedLeases() {
		if l.kind == leased {
			ids = append(ids, l.id)
		}
	}
	if len(ids) == 0 {
		t.Skip("nothing is held")
	}
	return rapid.SampledFrom(ids).Draw(t, "lease")
}

func (m *model) someWaiter(t *rapid.T) string {
	if len(m.state.queue) == 0 {
		t.Skip("nobody waits")
	}
	return m.state.queue[rapid.IntRange(0, len(m.state.queue)-1).Draw(t, "waiter")].id
}

func (m *model) release(t *rapid.T) {
	keep := rapid.SampledFrom([]time.Duration{0, 0, 0, time.Minute}).Draw(t, "keep")
	m.state.Release(m.now, m.someLease(t), keep, rapid.SampledFrom(endings).Draw(t, "ending"), m.rnd.IntN)
}

func (m *model) withdraw(t *rapid.T) {
	id := m.someWaiter(t)
	m.state.Withdraw(m.now, id, m.rnd.IntN)
	if m.state.waiting[id] != nil {
		t.Fatalf("%s still waits after its withdrawal", id)
	}
}

func (m *model) poll(t *rapid.T) {
	id := m.someWaiter(t)
	g, _ := m.state.Ask(m.now, m.tickets[id], "", m.rnd.IntN)
	if l := m.state.leases[id]; g != nil && l.provisional != 0 {
		t.Fatalf("%s took its grant, which is still provisional", id)
	}
}

func (m *model) renew(t *rapid.T) {
	id := m.someLease(t)
	l := m.state.leases[id]
	err := m.state.Renew(m.now, &lockcore.Grant{Ticket: &lockcore.Ticket{ID: id}, Obtained: l.obtained}, m.rnd.IntN)
	stays := 30 * time.Second
	if l.hold > 0 {
		stays = l.hold // taken up by it
	}
	if err == nil && m.state.leases[id].expires != m.now+int64(stays) {
		t.Fatalf("%s was renewed and expires at %d", id, m.state.leases[id].expires)
	}
}

func (m *model) pass(t *rapid.T) {
	m.now += int64(rapid.SampledFrom([]time.Duration{time.Second, 6 * time.Second, 20 * time.Second}).Draw(t, "time"))
	m.state.Tick(m.now, m.rnd.IntN)
}

func (m *model) reap(t *rapid.T) {
	p := rapid.SampledFrom([]string{"p1", "p2"}).Draw(t, "proc")
	m.state.Reap(m.now, func(o string) bool { return o == p }, m.rnd.IntN)
	if slices.Contains(m.state.Procs(), p) {
		t.Fatalf("%s is dead and still holds or waits", p)
	}
}

func (m *model) free(t *rapid.T) {
	k := rapid.SampledFrom(keys).Draw(t, "key")
	m.state.Free(m.now, k, "by hand", m.rnd.IntN)
}

func (m *model) revise(t *rapid.T) {
	id := m.someWaiter(t)
	tk := *m.tickets[id]
	tk.Requirements = drawRequirements(t)
	if !possible(tk.Requirements) {
		t.Skip("impossible")
	}
	tk.Revision++
	m.tickets[id] = &tk
	m.state.Ask(m.now, &tk, "", m.rnd.IntN)
}

// check holds the state against the promises after every step.
func (m *model) check(t *rapid.T) {
	m.checkSafety(t)
	m.checkTokens(t)
	m.checkServed(t)
	m.checkAside(t)
	m.checkLetPast(t)
	m.checkEncoding(t)
	m.state.TakeGranted()
	m.live = make(map[string]bool)
	for id := range m.state.leases {
		m.live[id] = true
	}
}

// checkSafety counts the holders of every key from the leases alone, and holds
// each lease against its request.
func (m *model) checkSafety(t *rapid.T) {
	taken, out := make(map[string]units), make(map[string]units) // by those who use it; by what keeps it out of service
	for _, l := range m.state.sortedLeases() {
		for r, ks := range l.obtained {
			if len(ks) != l.reqs[r].Units() && l.kind != reserved {
				t.Fatalf("%s holds %v for a need of %d: a partial grab", l.id, ks, l.reqs[r].Units())
			}
			for _, k := range ks {
				if l.kind != disabled && !m.live[l.id] && m.state.isDisabled(k) {
					t.Fatalf("%s got %s, which is out of service", l.id, k)
				}
				all := taken
				if l.kind == disabled {
					all = out
				}
				u := all[k]
				u.add(&l.reqs[r])
				all[k] = u
			}
		}
	}
	for k, u := range taken {
		switch {
		case u.Exclusive > 1, u.Exclusive == 1 && u.Shared+u.Seats > 0, u.Shared > 0 && u.Seats > 0, u.Seats > 0 && u.Seats > u.Lowest:
			t.Fatalf("%s is taken by %+v", k, u)
		}
	}
	for k, u := range out {
		if u.Exclusive != 1 {
			t.Fatalf("%s is out of service %d times", k, u.Exclusive)
		}
		taken[k] = taken[k].plus(u)
	}
	for k, u := range taken {
		if m.state.unitsOf(k) != u {
			t.Fatalf("%s is taken by %+v, the state believes %+v", k, u, m.state.unitsOf(k))
		}
	}
	if len(m.state.keys) != len(taken) || m.state.outages != len(out) {
		t.Fatalf("the state believes in holders of %d keys and %d out of service, there are %d and %d", len(m.state.keys), m.state.outages, len(taken), len(out))
	}
}

func (m *model) checkTokens(t *rapid.T) {
	top := m.token
	for _, l := range m.state.sortedLeases() {
		if l.kind != disabled && !m.live[l.id] && m.state.lapsed[l.id] == nil && !l.kept && l.token <= m.token && l.since == m.now {
			t.Fatalf("%s was granted with token %d after token %d was given out", l.id, l.token, m.token)
		}
		top = max(top, l.token)
	}
	m.token = top
}

// checkServed is about who is served: nobody waits for what nobody claims, and
// once everything older is gone, a waiter has what it wants.
func (m *model) checkServed(t *rapid.T) {
	for i, w := range m.state.queue {
		if i > 0 && byRank(m.state.queue[i-1], w) >= 0 {
			t.Fatalf("%s stands behind %s", w.id, m.state.queue[i-1].id)
		}
		claimed := false
		for _, v := range m.state.queue[:i] {
			claimed = claimed || overlap(v.class.reqs, w.class.reqs)
		}
		if !claimed && assignable(w.class.reqs, m.state.unitsOf) {
			t.Fatalf("%s waits for what is free and nobody before it wants", w.id)
		}
		if i == 0 && !m.olderLease(w) && w.revision == 0 && !m.letPast(w) {
			t.Fatalf("%s is the first in line and everything older is gone: who starves it?", w.id)
		}
	}
}

// checkAside: nothing is kept aside for those whom only a disabled key could serve.
// What others get meanwhile, they have to wait for as if it was there when they came.
func (m *model) checkAside(t *rapid.T) {
	reserved := m.state.reservations()
	for _, w := range m.state.queue {
		if assignable(w.class.reqs, func(k string) (u units) {
			if m.state.isDisabled(k) {
				u.Exclusive = 1
			}
			return u
		}) {
			continue
		}
		if len(reserved[w]) > 0 {
			t.Fatalf("%v are kept aside for %s, which waits for what is out of service", reserved[w], w.id)
		}
		for id := range m.state.leases {
			m.atEntry[w.id][id] = true
		}
	}
}

// olderLease reports whether a lease stands that the waiter has to wait for:
// one that stood before it came, or that went to somebody ranked before it.
func (m *model) olderLease(w *waiter) bool {
	for _, l := range m.state.sortedLeases() {
		if m.atEntry[w.id][l.id] || m.rank[l.id] < m.rank[w.id] || m.rank[l.id] == m.rank[w.id] && m.order[l.id] < m.order[w.id] {
			return true
		}
	}
	return false
}

func overlap(a, b []lockcore.Requirement) bool {
	for _, r := range a {
		for _, c := range r.Candidates {
			for _, q := range b {
				if slices.ContainsFunc(q.Candidates, func(o lockcore.Candidate) bool { return o.Key == c.Key }) {
					return true
				}
			}
		}
	}
	return false
}

// assignable tries every assignment: slow, and obviously right.
func assignable(reqs []lockcore.Requirement, taken func(key string) units) bool {
	extra := make(map[string]units)
	kind := make(map[string]int) // 1 + the requirement, for keys that go to one requirement only
	var try func(r, missing, from int) bool
	try = func(r, missing, from int) bool {
		if missing == 0 {
			if r+1 == len(reqs) {
				return true
			}
			return try(r+1, reqs[r+1].Units(), 0)
		}
		for i := from; i < len(reqs[r].Candidates); i++ {
			k := reqs[r].Candidates[i].Key
			whole := reqs[r].Seats == 0
			if taken(k).plus(extra[k]).free(&reqs[r]) == 0 || whole && kind[k] != 0 {
				continue
			}
			before := extra[k]
			u := before
			u.add(&reqs[r])
			extra[k] = u
			next := i
			if whole {
				kind[k], next = r+1, i+1
			}
			if try(r, missing-1, next) {
				return true
			}
			extra[k] = before
			if whole {
				kind[k] = 0
			}
		}
		return false
	}
	return len(reqs) == 0 || try(0, reqs[0].Units(), 0)
}

// checkEncoding goes on with a state that was decoded, or with that of before and
// what was changed in it.
func (m *model) checkEncoding(t *rapid.T) {
	data := m.state.Append(nil)
	again, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if string(again.Append(nil)) != string(data) {
		t.Fatal("the state does not survive its encoding")
	}
	if m.before != nil {
		m.before.next = earliest(m.before) // as late as may be
		if err := m.before.Apply(m.state.AppendChanges(nil)); err != nil {
			t.Fatal(err)
		}
		checkSame(t, m.before, again)
		if m.rnd.IntN(4) > 0 { // decoded now and then, so that it does not all hang on the first one
			again, m.before = m.before, again
		} else {
			m.before, _ = Decode(data)
		}
	} else {
		m.before, _ = Decode(data)
	}
	again.granted, again.History = m.state.granted, m.state.History
	again.NoteChanges()
	m.state = *again
}

// TestMatchFindsEveryAssignment holds the matching against trying everything.
func TestMatchFindsEveryAssignment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reqs := drawRequirements(t)
		var s State
		s.init()
		for range rapid.IntRange(0, 3).Draw(t, "holders") {
			held := lockcore.Requirement{Shared: rapid.Bool().Draw(t, "shared")}
			k := rapid.SampledFrom(keys).Draw(t, "key")
			if s.unitsOf(k).free(&held) > 0 {
				s.occupy(&lease{id: k, reqs: []lockcore.Requirement{held}, obtained: [][]string{{k}}})
			}
		}
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		picks, ok := lockcore.Match(reqs, s.freeBeside(reqs, nil), s.visit(reqs, rnd.IntN))
		if want := assignable(reqs, s.unitsOf); ok != want {
			t.Fatalf("Match says %v, trying everything says %v; picks %v", ok, want, picks)
		}
	})
}
