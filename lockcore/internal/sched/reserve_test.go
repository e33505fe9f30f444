package sched

import (
	"time"

	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// What people and programs do to keys in the random traces of promises_test.go.

func (m *model) reserve(t *rapid.T) {
	tk := m.newTicket(t)
	tk.For = rapid.SampledFrom([]time.Duration{10 * time.Second, time.Hour}).Draw(t, "for")
	tk.Owner = lockcore.Owner{User: "ann"}
	m.atEntry[tk.ID] = make(map[string]bool)
	m.state.Tick(m.now, m.rnd.IntN)
	for id := range m.state.leases {
		m.atEntry[tk.ID][id] = true
	}
	m.state.Ask(m.now, tk, "p1", m.rnd.IntN)
	if l := m.state.leases[tk.ID]; l != nil && (l.kind != reserved || l.expires != m.now+int64(tk.For) || l.proc != "") {
		t.Fatalf("a reservation for %s was granted as %+v", tk.For, l)
	}
}

func (m *model) someReservation(t *rapid.T) *lease {
	var all []*lease
	for _, l := range m.state.sortedLeases() {
		if l.kind == reserved {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		t.Skip("nothing is reserved")
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(t, "reservation")]
}

func (m *model) extend(t *rapid.T) {
	l := m.someReservation(t)
	before := l.expires
	end, ok := m.state.ExtendReservation(m.now, l.id, time.Minute, m.rnd.IntN)
	if ok && (end < before || end < m.now+int64(time.Minute)) {
		t.Fatalf("%s ended at %d; a minute more from %d on makes it %d", l.id, before, m.now, end)
	}
}

func (m *model) giveBack(t *rapid.T) {
	l := m.someReservation(t)
	var ks []string
	for _, o := range l.obtained {
		ks = append(ks, o...)
	}
	ks = ks[:rapid.IntRange(1, len(ks)).Draw(t, "keys")]
	if m.state.EndReservation(m.now, l.id, append(ks, "nothing"), m.rnd.IntN) {
		t.Fatalf("%s gave back what it does not have", l.id)
	}
	m.state.EndReservation(m.now, l.id, ks, m.rnd.IntN)
}

func (m *model) disable(t *rapid.T) {
	o := &lockcore.Outage{Keys: rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 1, 2, rapid.ID).Draw(t, "keys"), Now: rapid.Bool().Draw(t, "now")}
	o.For = rapid.SampledFrom([]time.Duration{0, 0, 15 * time.Second}).Draw(t, "for")
	for _, h := range m.state.Disable(m.now, o, m.rnd.IntN) {
		if o.Now && m.state.leases[h.ID] != nil {
			t.Fatalf("%s holds what was taken from it", h.ID)
		}
	}
	for _, k := range o.Keys {
		if !m.state.isDisabled(k) {
			t.Fatalf("%s was disabled and is not", k)
		}
	}
}

func (m *model) enable(t *rapid.T) {
	k := rapid.SampledFrom(keys).Draw(t, "key")
	m.state.Enable(m.now, []string{k}, m.rnd.IntN)
	if m.state.isDisabled(k) {
		t.Fatalf("%s was enabled and is not", k)
	}
}
