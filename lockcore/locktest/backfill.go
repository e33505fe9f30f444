package locktest

import (
	"fmt"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// In these tests a lease that is expected to take an hour has b; somebody who
// wants a and b waits for it; and a is reserved meanwhile. Nothing here takes long
// enough for an hour to be up, or for anybody's patience.

// scene is that state, in a store.
type scene struct {
	*env
	store lockcore.Store
	n     int
}

func newScene(e *env, s lockcore.Store) *scene {
	sc := &scene{env: e, store: s}
	if sc.ask("", "long", time.Hour, 0, of(1, "b")) == nil {
		e.Fatal("b is free and was refused")
	}
	if sc.wait("", "pair", 0, 0, of(2, "a", "b")) != nil {
		e.Fatal("b is held and was given away")
	}
	return sc
}

// ask makes one attempt for a test.
func (sc *scene) ask(test, id string, expect time.Duration, priority int, reqs ...lockcore.Requirement) *lockcore.Grant {
	sc.Helper()
	return sc.send(test, id, expect, priority, false, reqs)
}

// wait puts a test in line.
func (sc *scene) wait(test, id string, expect time.Duration, priority int, reqs ...lockcore.Requirement) *lockcore.Grant {
	sc.Helper()
	return sc.send(test, id, expect, priority, true, reqs)
}

func (sc *scene) send(test, id string, expect time.Duration, priority int, wait bool, reqs []lockcore.Requirement) *lockcore.Grant {
	sc.Helper()
	if id == "" {
		sc.n++
		id = fmt.Sprint("attempt ", sc.n)
	}
	t := ticket(id, watchdog, reqs...)
	t.Owner.Test, t.Expect, t.Priority, t.Wait = test, expect, priority, wait
	return sc.env.ask(sc.store, t)
}

// teach lets a test hold a key for a moment.
func (sc *scene) teach(test, key string) {
	sc.Helper()
	g := sc.ask(test, "", 0, 0, of(1, key))
	if g == nil {
		sc.Fatalf("%s is free and was refused", key)
	}
	sc.giveBack(g)
}

func (sc *scene) giveBack(g *lockcore.Grant) {
	sc.Helper()
	if err := sc.store.Release(sc.ctx, g, 0); err != nil {
		sc.Fatal(err)
	}
}

func (sc *scene) wantPast(g *lockcore.Grant, why string) {
	sc.Helper()
	switch {
	case g == nil:
		sc.Fatalf("%s: it should be let past the reservation", why)
	case !g.Backfilled:
		sc.Fatalf("%s: it was let past the reservation, and its grant does not say so", why)
	}
}

func (sc *scene) wantNothing(g *lockcore.Grant, why string) {
	sc.Helper()
	if g != nil {
		sc.Fatalf("%s: it should respect the reservation, and got %q", why, g.Keys())
	}
}

func learnedPass(e *env) {
	s := e.open()
	sc := newScene(e, s)
	sc.wantNothing(sc.ask("TestUnknown", "", 0, 0, of(1, "a")), "nobody knows how long it takes, nor how long is usual")

	// By another client, out of the line, at the very release that teaches it.
	other := &scene{env: e, store: e.open()}
	first := sc.ask("TestLate", "late 1", 0, 0, of(1, "elsewhere"))
	sc.wantNothing(other.wait("TestLate", "late 2", 0, 0, of(1, "a")), "nobody knows yet how long it takes")
	sc.giveBack(first)
	g := other.wait("TestLate", "late 2", 0, 0, of(1, "a"))
	sc.wantPast(g, "a release has just taught that it takes a moment")
	sc.wantExpected("late 2", true, "it has learned how long it takes")
	sc.giveBack(g)

	sc.teach("TestShort", "elsewhere")
	g = sc.ask("TestShort", "short", 0, 0, of(1, "a"))
	sc.wantPast(g, "it takes a moment, and b is held for an hour")
	sc.wantExpected("short", true, "it has learned how long it takes")
	sc.giveBack(g)

	// Of the others it is guessed that they take as long as most, which nobody is told.
	named := of(1, "a")
	named.Name = "boards"
	for test, why := range map[string]string{
		"TestUnknown": "another test has taught that a moment is usual",
		"":            "it has no name by which it could be known, and a moment is usual",
	} {
		g := sc.ask(test, "guess of "+test, 0, 0, of(1, "a"))
		sc.wantPast(g, why)
		sc.wantExpected("guess of "+test, false, "it is only a guess")
		sc.giveBack(g)
	}
	g = sc.ask("TestShort", "named", 0, 0, named)
	sc.wantPast(g, "a moment is usual")
	sc.wantExpected("named", false, "what it took for another requirement says nothing")
	sc.giveBack(g)
	if h, err := s.Snapshot(e.ctx); err != nil || h.Usual <= 0 || h.Usual > time.Hour {
		e.Errorf("the snapshot should show what is usual, a moment: %s, %v", h.Usual, err)
	}
}

// wantExpected looks whether people are told how long a holder will hold.
func (sc *scene) wantExpected(id string, want bool, why string) {
	sc.Helper()
	snap, err := sc.store.Snapshot(sc.ctx)
	if err != nil {
		sc.Fatal(err)
	}
	for _, h := range snap.Holders {
		if h.ID == id {
			if (h.Expect > 0) != want {
				sc.Errorf("%s: %s is expected to take %s", why, id, h.Expect)
			}
			return
		}
	}
	sc.Fatalf("%s holds nothing", id)
}

func expectOverrules(e *env) {
	sc := newScene(e, e.open())
	sc.teach("TestShort", "elsewhere")
	sc.wantNothing(sc.ask("TestShort", "", 2*time.Hour, 0, of(1, "a")), "it says that it takes longer than b is held")
	g := sc.ask("TestUnknown", "", time.Minute, 0, of(1, "a"))
	sc.wantPast(g, "it says that it takes a minute, and b is held for an hour")
	h, err := sc.store.Snapshot(e.ctx)
	if err != nil || len(h.Holders) != 2 || h.Holders[1].Expect != time.Minute {
		e.Errorf("the snapshot should show what is expected: %+v, %v", h.Holders, err)
	}
	sc.giveBack(g)
}

// A holder that should have been back long ago is expected to take half as long
// again as it has taken.
func overrun(e *env) {
	sc := &scene{env: e, store: e.open()}
	late := sc.ask("", "late", time.Millisecond, 0, of(1, "b"))
	sc.wait("", "pair", 0, 0, of(2, "a", "b"))
	e.until(e.locker("watch"), "half a second is over", func(s lockcore.Snapshot) bool {
		return s.Time.Sub(s.Holders[0].Since) > 500*time.Millisecond
	})
	sc.wantNothing(sc.ask("", "", time.Hour, 0, of(1, "a")), "b is expected back long before that")
	sc.wantPast(sc.ask("", "", 10*time.Millisecond, 0, of(1, "a")), "b is expected back in a quarter of a second, at the earliest")
	sc.giveBack(late)
}

// A request with a higher priority comes first by its rank: it is granted without being
// let past anybody.
func priorityAndBackfill(e *env) {
	sc := newScene(e, e.open())
	g := sc.ask("", "", 0, 1, of(1, "a"))
	if g == nil || g.Backfilled {
		e.Fatalf("it has the higher priority, so that it comes before who reserves a: got %+v", g)
	}
	sc.giveBack(g)
	// Now a is reserved for one who can start earlier, and comes first.
	if sc.ask("", "half", 30*time.Minute, 2, of(1, "d")) == nil {
		e.Fatal("d is free")
	}
	sc.wait("", "second", 0, 1, of(2, "a", "d"))
	sc.wantNothing(sc.ask("", "", 11*time.Minute, 0, of(1, "a")), "d is expected back in half an hour, and then somebody could start with a; it would not be back within a third of that")
	sc.wantPast(sc.ask("", "", 9*time.Minute, 0, of(1, "a")), "it is back within a third of that")
}

// Nobody is let past who would not be back, or who waits for a holder of whom
// nothing is known.
func unknownHolder(e *env) {
	sc := newScene(e, e.open())
	sc.wantNothing(sc.ask("", "", 61*time.Minute, 0, of(1, "a")), "it takes longer than b is held")
	if sc.ask("", "unknown", 0, 0, of(1, "d")) == nil {
		e.Fatal("d is free")
	}
	sc.wait("", "other", 0, 0, of(2, "c", "d"))
	sc.wantNothing(sc.ask("", "", time.Millisecond, 0, of(1, "c")), "nobody knows when d comes back")
}

func fifoDoesNotBackfill(e *env) {
	if e.h.OpenFIFO == nil {
		e.Skip("this store has no policy")
	}
	s := e.h.OpenFIFO(e, e.ns)
	e.Cleanup(func() { s.Close() })
	sc := newScene(e, s)
	sc.teach("TestShort", "elsewhere")
	sc.wantNothing(sc.ask("TestShort", "", 0, 0, of(1, "a")), "under fifo nobody is let past")
	sc.wantNothing(sc.ask("", "", time.Minute, 0, of(1, "a")), "under fifo nobody is let past")
	if sc.ask("", "", 0, 0, of(1, "elsewhere")) == nil {
		e.Fatal("nobody wants it, and it was refused")
	}
}
