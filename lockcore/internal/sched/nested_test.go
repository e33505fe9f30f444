package sched

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// TestNestedRequestsNeverHangSilently lets actors take one thing, then another
// while they hold the first. Whenever nobody can move, somebody has to be told
// of a circle; and with the one who is told giving up, everybody gets done.
func TestNestedRequestsNeverHangSilently(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		var actors []*actor
		for i := range rapid.IntRange(2, 4).Draw(t, "actors") {
			a := &actor{}
			for j := range 2 {
				tk := &lockcore.Ticket{ID: fmt.Sprintf("%d.%d", i, j), TTL: time.Hour, Wait: true}
				for tk.Requirements = drawRequirements(t); !possible(tk.Requirements); {
					tk.Requirements = drawRequirements(t)
				}
				if j == 1 {
					tk.Parents = []string{a.tickets[0].ID}
				}
				a.tickets = append(a.tickets, tk)
			}
			actors = append(actors, a)
		}
		for steps := 0; slices.ContainsFunc(actors, func(a *actor) bool { return !a.done }); steps++ {
			if steps > 1000 {
				t.Fatal("no end in 1000 steps")
			}
			m.now++
			var ready []*actor
			for _, a := range actors {
				if a.ready(&m.state) {
					ready = append(ready, a)
				}
			}
			if len(ready) > 0 {
				rapid.SampledFrom(ready).Draw(t, "actor").step(m)
				m.checkSafety(t)
				continue
			}
			told := false
			snap := m.state.Snapshot(m.now, m.rnd.IntN)
			for _, a := range actors {
				if !a.done && snap.Deadlock(a.tickets[a.at].ID) != nil {
					told = true
					a.giveUp(m)
					break
				}
			}
			if !told {
				t.Fatalf("nobody can move and nobody is told: %+v", snap)
			}
		}
	})
}

type actor struct {
	tickets []*lockcore.Ticket
	at      int // the ticket that it asks, or waits for
	asked   bool
	done    bool
}

func (a *actor) ready(s *State) bool {
	return !a.done && (!a.asked || s.leases[a.tickets[a.at].ID] != nil)
}

func (a *actor) step(m *model) {
	tk := a.tickets[a.at]
	m.state.Ask(m.now, tk, "", m.rnd.IntN)
	a.asked = true
	if m.state.leases[tk.ID] == nil {
		return
	}
	if a.at == 0 {
		a.at, a.asked = 1, false
		return
	}
	m.state.Release(m.now, a.tickets[1].ID, 0, lockcore.Released, m.rnd.IntN)
	m.state.Release(m.now, a.tickets[0].ID, 0, lockcore.Released, m.rnd.IntN)
	a.done = true
}

func (a *actor) giveUp(m *model) {
	m.state.Withdraw(m.now, a.tickets[a.at].ID, m.rnd.IntN)
	m.state.Release(m.now, a.tickets[0].ID, 0, lockcore.Released, m.rnd.IntN)
	a.done = true
}
