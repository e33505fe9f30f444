package sched

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// letPast reports whether somebody was let past the waiter and still holds.
func (m *model) letPast(w *waiter) bool {
	for _, l := range m.state.leases {
		if l.backfilled && l.token > w.fence && m.after(l.id, w.id) {
			return true
		}
	}
	return false
}

// after reports whether a stands behind b in line, by what the trace knows.
func (m *model) after(a, b string) bool {
	return m.rank[a] > m.rank[b] || m.rank[a] == m.rank[b] && m.order[a] > m.order[b]
}

// checkLetPast is about who was let past others in the last step: under backfill
// only, if it is known or guessed how long it takes, and so that the first in line can
// start as early as it could have without them, or by what it was promised, by what is
// expected; worked out by trying everything. A promise is not made anew, and who has
// no patience left is not delayed at all.
func (m *model) checkLetPast(t *rapid.T) {
	for _, w := range m.state.queue {
		if was := m.promised[w.id]; was != 0 && w.promise != was {
			t.Fatalf("%s was promised to start by %d, and now by %d", w.id, was, w.promise)
		}
		m.promised[w.id] = w.promise
	}
	for _, l := range m.state.sortedLeases() {
		if !l.backfilled || m.live[l.id] || l.since != m.now || l.kept {
			continue
		}
		if m.state.Policy != lockcore.Backfill {
			t.Fatalf("%s was let past others under %s", l.id, m.state.Policy)
		}
		if l.expect <= 0 && l.guess <= 0 {
			t.Fatalf("%s was let past others, and nobody has a guess how long it takes", l.id)
		}
		// One that asked once and stood before all counted, though it is gone by now.
		if len(m.state.queue) == 0 || !m.after(l.id, m.state.queue[0].id) || m.asked != "" && !m.after(m.asked, m.state.queue[0].id) {
			continue
		}
		w := m.state.queue[0]
		with, without := m.start(w, nil), m.start(w, l)
		latest := max(without, w.promise)
		if m.state.impatient(w) {
			latest = without
		}
		if without != never && with > latest {
			t.Fatalf("%s was let past %s, which so starts at %d instead of %d, and was promised to by %d", l.id, w.id, with, without, w.promise)
		}
	}
	m.asked = ""
}

// start is when the waiter could start by the expected ends, if it were alone in
// line and one of the leases were not there.
func (m *model) start(w *waiter, but *lease) int64 {
	end := func(l *lease) int64 {
		expect := int64(cmp.Or(l.expect, l.guess))
		switch took := m.now - l.since; {
		case l == but:
			return m.now
		case l.kept, l.kind == reserved:
			return l.expires // a reservation that was extended lasts longer than it said
		case expect == 0:
			return never
		case expect > took:
			return l.since + expect
		default:
			return m.now + took/2
		}
	}
	at := []int64{m.now}
	for _, l := range m.state.leases {
		at = append(at, end(l))
	}
	slices.Sort(at)
	for _, at := range at {
		if at < m.now || at == never {
			continue
		}
		if assignable(w.class.reqs, func(key string) (u units) {
			for _, l := range m.state.leases {
				for r, ks := range l.obtained {
					for _, k := range ks {
						if k == key && end(l) > at {
							u.add(&l.reqs[r])
						}
					}
				}
			}
			return u
		}) {
			return at
		}
	}
	return never
}

// TestNobodyIsDelayedBeyondItsPatience plays requests that lie about their length
// in every way, and holds the moment at which each starts against what the
// package doc promises. Nobody holds for longer than longest.
func TestNobodyIsDelayedBeyondItsPatience(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{rnd: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), now: int64(time.Hour)}
		w.state.Policy = rapid.SampledFrom([]lockcore.QueuePolicy{lockcore.FIFO, lockcore.Backfill, lockcore.Backfill, lockcore.Backfill}).Draw(t, "policy")
		w.state.WaitersStay = true
		simple := rapid.Bool().Draw(t, "one pool")
		for range rapid.IntRange(1, 60).Draw(t, "requests") {
			w.draw(t, simple)
		}
		w.run(t)
		for _, v := range w.all {
			w.checkBound(t, v)
		}
	})
}

// longest is how long anybody holds at most.
const longest = int64(5 * time.Minute)

// world is a trace that knows who holds for how long.
type world struct {
	state State
	rnd   *rand.Rand
	now   int64
	all   []*player

	granted int
	step    func() int64 // of the clock, at an event; nil: it does not
	off     int64        // by how much the clock was put forward so far
	steps   int64        // the sum of all steps, whether forward or back
}

type player struct {
	ticket            *lockcore.Ticket
	hold              int64
	arrived, from, to int64 // from: granted; to: given back
	nth               int   // was granted as
	found             int   // as many were granted when it came
}

func (p *player) rank() int64 { return p.arrived - int64(p.ticket.Priority)*int64(Level) }

func (w *world) draw(t *rapid.T, simple bool) {
	n := len(w.all)
	p := &player{hold: 1 + rapid.Int64Range(0, longest-1).Draw(t, "hold"), ticket: &lockcore.Ticket{ID: fmt.Sprint("t", n), TTL: 1000 * time.Hour, Wait: true}}
	p.ticket.Owner.Test = fmt.Sprint("Test", n%3)
	if p.ticket.Requirements = drawRequirements(t); simple {
		p.ticket.Requirements = []lockcore.Requirement{{Need: rapid.SampledFrom([]int{1, 1, 1, 2, 4}).Draw(t, "need")}}
		for _, k := range keys {
			p.ticket.Requirements[0].Candidates = append(p.ticket.Requirements[0].Candidates, lockcore.Candidate{Key: k})
		}
	}
	for !possible(p.ticket.Requirements) {
		p.ticket.Requirements = drawRequirements(t)
	}
	p.ticket.Expect = rapid.SampledFrom([]time.Duration{0, 1, time.Second, time.Second, time.Duration(p.hold), 100 * time.Hour}).Draw(t, "expect")
	p.ticket.Priority = rapid.SampledFrom([]int{0, 0, 0, 1, -1}).Draw(t, "priority")
	last := w.now
	if n > 0 {
		last = w.all[n-1].arrived
	}
	p.arrived = last + int64(rapid.SampledFrom([]time.Duration{0, time.Second, 10 * time.Second, time.Minute}).Draw(t, "gap"))
	w.all = append(w.all, p)
}

// run lets everybody come, hold and go.
func (w *world) run(t rapid.TB) {
	for next, gone := 0, 0; gone < len(w.all); {
		at, who := never, -1
		if next < len(w.all) {
			at = w.all[next].arrived
		}
		for i, p := range w.all {
			if p.from != 0 && p.to == 0 && p.from+p.hold <= at {
				at, who = p.from+p.hold, i
			}
		}
		if n := w.state.Next() - w.off; w.state.Waiting() && n > w.now && n < at {
			at, who = n, -2
		}
		if at == never {
			t.Fatalf("%d requests never end", len(w.all)-gone)
		}
		w.now = at
		if w.step != nil {
			by := w.step()
			w.off, w.steps = w.off+by, w.steps+max(by, -by)
		}
		clock := at + w.off
		switch {
		case who >= 0:
			w.all[who].to = at
			w.state.Release(clock, w.all[who].ticket.ID, 0, lockcore.Released, w.rnd.IntN)
			gone++
		case who == -2:
			w.state.Tick(clock, w.rnd.IntN)
		default:
			w.all[next].found = w.granted
			w.state.Ask(clock, w.all[next].ticket, "", w.rnd.IntN)
			next++
		}
		for _, p := range w.all[:next] {
			if p.from == 0 && w.state.leases[p.ticket.ID] != nil {
				w.state.Ask(clock, p.ticket, "", w.rnd.IntN) // confirms
				w.granted++
				p.from, p.nth = at, w.granted
			}
		}
	}
}

// checkBound: once everything is gone that stood when a request came, or went to
// one before it in line, it starts; those who were let past it can put that off
// by its patience and the longest hold.
func (w *world) checkBound(t rapid.TB, v *player) {
	older := v.arrived
	for i, o := range w.all {
		before := o.rank() < v.rank() || o.rank() == v.rank() && slices.Index(w.all, v) > i
		if o != v && (before || o.nth <= v.found) {
			older = max(older, o.to)
		}
	}
	last := older
	if w.state.Policy == lockcore.Backfill {
		last += max(int64(minPatience), patience*(older-v.arrived)) + longest
		last += (1 + patience) * w.steps // a wait seems longer by them, or patience ends later
	}
	if v.from > last {
		t.Fatalf("%s came at %d, everything older was gone at %d, and it started at %d instead of %d", v.ticket.ID, v.arrived, older, v.from, last)
	}
}

// TestLiarsAreOutwaited lets requests come without end that are expected to take a
// second or so and take minutes, beside one for the whole pool. It has to start in the
// time that is promised, however long they go on, whyever that is expected of them,
// and whatever the clock does.
func TestLiarsAreOutwaited(t *testing.T) {
	for name, lie := range map[string]func(w *world, p *player){
		"say so": func(_ *world, p *player) { p.ticket.Expect = time.Second },
		"their history says so": func(w *world, p *player) {
			p.ticket.Owner.Test = "TestPoisoned"
			w.state.init()
			w.state.History.add(historyKey(p.ticket.Owner, p.ticket.Requirements), w.now, slices.Repeat([]time.Duration{time.Second}, holdsKept))
		},
		"always overrun": func(_ *world, p *player) { p.ticket.Expect = time.Duration(p.hold / 2) },
		"say nothing, and others have taught that a second is usual": func(w *world, p *player) { w.state.init(); w.state.usual = 1e6 },
		"say less and less": func(w *world, p *player) { p.ticket.Expect = time.Minute / time.Duration(1+len(w.all)) },
		"the clock steps": func(w *world, p *player) {
			p.ticket.Expect = time.Second
			w.step = func() int64 {
				if w.rnd.IntN(50) > 0 {
					return 0
				}
				return w.rnd.Int64N(int64(time.Minute)) - int64(30*time.Second)
			}
		},
	} {
		for n := 2; n <= len(keys); n++ {
			past := 0
			for seed := range uint64(5) {
				w := &world{rnd: rand.New(rand.NewPCG(seed, 0)), now: int64(time.Hour)}
				w.state.WaitersStay = true
				for i := range 200 {
					p := &player{ticket: &lockcore.Ticket{ID: fmt.Sprint("t", i), TTL: 1000 * time.Hour, Wait: true}}
					p.arrived = w.now + int64(i)*int64(20*time.Second)
					p.hold = longest/2 + w.rnd.Int64N(longest/2)
					r := lockcore.Requirement{Need: 1}
					for _, k := range keys[:n] {
						r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
					}
					if i == 3 {
						r.Need = n
					}
					p.ticket.Requirements = []lockcore.Requirement{r}
					lie(w, p)
					w.all = append(w.all, p)
				}
				w.run(t)
				for i, p := range w.all {
					w.checkBound(t, p)
					if i > 3 && p.from < w.all[3].from {
						past++
					}
				}
			}
			if past == 0 {
				t.Errorf("%s, %d boards: nobody was let past the big request, so this tests nothing", name, n)
			}
		}
	}
}

// TestShadowOfOneRequirement compares the short way to the shadow of a waiter with
// one requirement to the general one.
func TestShadowOfOneRequirement(t *testing.T) {
	seen := make(map[bool]int) // by whether it is known
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		m.state.Policy = lockcore.Backfill
		for range 25 {
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1, 2, 3:
				m.ask(t)
			case 4:
				m.reserve(t)
			case 5:
				m.disable(t)
			default:
				m.pass(t)
			}
			p := m.state.newPass()
			p.looking = true
			for _, w := range m.state.queue {
				p.serve(w, nil)
				if reqs := w.class.reqs; len(reqs) == 1 && reqs[0].Seats == 0 {
					short, long := p.shadowOfOne(w, &reqs[0]), p.shadowOfMany(w)
					if short != long {
						t.Fatalf("%s: %d by the short way, %d by the long one", w.id, short, long)
					}
					seen[short != never]++
				}
			}
		}
	})
	if seen[true] < 50 || seen[false] < 50 {
		t.Errorf("%d shadows were known and %d unknown", seen[true], seen[false])
	}
}

// TestPassesDecideInPlaceOfExpectations has a pair wait for a board that is free, and for
// one of which nobody knows when it comes back: nobody would be let past the pair.
func TestPassesDecideInPlaceOfExpectations(t *testing.T) {
	for _, c := range []struct {
		name   string
		passes func(id, other string) bool
		got    bool
	}{
		{"expectations", nil, false},
		{"decided for", func(id, other string) bool { return id == "quick" && other == "pair" }, true},
		{"decided against", func(id, other string) bool { return id == "pair" }, false},
	} {
		s := State{WaitersStay: true, Passes: c.passes}
		ask := func(now int64, id string, need int, keys ...string) *lockcore.Grant {
			r := lockcore.Requirement{Need: need}
			for _, k := range keys {
				r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
			}
			g, _ := s.Ask(now, &lockcore.Ticket{ID: id, Requirements: []lockcore.Requirement{r}, TTL: time.Hour, Wait: true}, "", nil)
			return g
		}
		if ask(1, "soak", 1, "a") == nil || ask(2, "pair", 2, "a", "b") != nil {
			t.Fatal("the pair cannot have board a")
		}
		g := ask(3, "quick", 1, "a", "b")
		if got := g != nil && g.Backfilled; got != c.got || (g != nil) != c.got {
			t.Errorf("%s: quick was let past the pair: %v, want %v", c.name, got, c.got)
		}
	}
}
