package locktest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// administer does what people do.
func (tr *trace) administer() {
	switch tr.rnd.IntN(4) {
	case 0:
		if len(tr.tickets) < 8 {
			tr.reserve()
		}
	case 1, 2:
		tr.disable()
	default:
		keys := tr.someKeys()
		tr.note("enable %q", keys)
		got, err := tr.store.Enable(tr.ctx, keys)
		tr.must(err)
		tr.sameHolders("enabled", got, tr.model.Enable(tr.now(), keys, inOrder))
	}
}

func (tr *trace) someKeys() []string {
	keys := []string{"a", "b", "c", "d", "e"}
	tr.rnd.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys[:1+tr.rnd.IntN(2)]
}

// reserve asks for a person. How long is drawn as expectations are.
func (tr *trace) reserve() {
	tr.n++
	t := ticket(fmt.Sprint("t", tr.n), watchdog, tr.requirements()...)
	t.Owner = lockcore.Owner{User: t.ID}
	t.Wait = tr.rnd.IntN(4) > 0
	if tr.rnd.IntN(3) == 0 {
		t.Priority = lockcore.FrontOfLine
	}
	t.For = time.Duration(1+tr.rnd.IntN(60_000_000)) * time.Microsecond
	// In real time no reservation may end within the trace: the store and the scheduler, whose
	// time stands still, would see that end at different steps.
	for tr.stage == nil && (t.For < time.Hour || tr.expected(t.For)) {
		t.For = time.Hour << tr.rnd.IntN(16)
	}
	tr.note("reserve %s for %v, %s, priority %d, wait %v", t.ID, brief(t), t.For, t.Priority, t.Wait)
	tr.ask(t)
}

func (tr *trace) disable() {
	o := lockcore.Outage{Keys: tr.someKeys(), Owner: lockcore.Owner{User: "ann"}, Reason: "smoke", Now: tr.rnd.IntN(2) == 0}
	if tr.rnd.IntN(3) == 0 {
		o.For = time.Hour // in real time it may not end within the trace, as in reserve
		if tr.stage != nil {
			o.For = time.Duration(1+tr.rnd.IntN(20_000_000)) * time.Microsecond
		}
	}
	tr.note("disable %q, now %v, for %s", o.Keys, o.Now, o.For)
	got, err := tr.store.Disable(tr.ctx, o)
	tr.must(err)
	want := tr.model.Disable(tr.now(), &o, inOrder)
	tr.sameHolders("holding what was disabled", got, want)
	if o.Now {
		for _, h := range want {
			delete(tr.held, h.ID)
		}
	}
}

// sameHolders compares the keys alone: a store may have its own identities for what
// disables a key, and its own order.
func (tr *trace) sameHolders(what string, got, want []lockcore.Holder) {
	tr.Helper()
	keys := func(holders []lockcore.Holder) (all []string) {
		for _, h := range holders {
			all = append(all, h.Keys()...)
		}
		slices.Sort(all)
		return all
	}
	if g, w := keys(got), keys(want); !slices.Equal(g, w) {
		tr.differ("%s: %q, should be %q", what, g, w)
	}
}

// endReservation gives back a reservation, or a part of it.
func (tr *trace) endReservation(id string) {
	g := tr.held[id]
	keys := g.Keys()
	if len(keys) > 1 && tr.rnd.IntN(2) == 0 {
		keys = keys[:1]
	}
	if len(keys) == 0 || g.Ticket.Requirements[0].Seats > 0 { // two units of one key cannot be told apart
		keys = slices.Compact(slices.Sorted(slices.Values(g.Keys())))
	}
	tr.note("give back %q of %s", keys, id)
	err := tr.store.EndReservation(tr.ctx, id, keys)
	if !errors.Is(err, lockcore.ErrNotHeld) {
		tr.must(err)
	}
	held := tr.model.EndReservation(tr.now(), id, keys, inOrder)
	if held != (err == nil) {
		tr.differ("that %s gives back %q says %v, it was held: %v", id, keys, err, held)
	}
	if !held { // its time was over
		delete(tr.held, id)
		return
	}
	rest := *g
	rest.Obtained = nil
	for _, o := range g.Obtained {
		rest.Obtained = append(rest.Obtained, slices.DeleteFunc(slices.Clone(o), func(k string) bool { return slices.Contains(keys, k) }))
	}
	if tr.held[id] = &rest; len(rest.Keys()) == 0 {
		delete(tr.held, id)
	}
}
