package filestore

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// TestPolicyIsOneForAll: who opens the store for another policy than the one it
// is used under is told so, and may change it once nobody holds or waits.
func TestPolicyIsOneForAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir)
	g := ask(t, a, "holder", false, some(1, "k"))
	_, err := Open(t.Context(), dir, &Options{Policy: lockcore.FIFO})
	if err == nil || !strings.Contains(err.Error(), "policy=backfill") || !strings.Contains(err.Error(), "policy=fifo") {
		t.Fatalf("opened for fifo beside a holder under backfill: want an error that names both, got %v", err)
	}
	if err := a.Release(t.Context(), g, 0); err != nil {
		t.Fatal(err)
	}
	b, err := Open(t.Context(), dir, &Options{Policy: lockcore.FIFO})
	if err != nil {
		t.Fatalf("nobody holds or waits, so the policy may be changed: %v", err)
	}
	defer b.Close()
	ask(t, b, "holder", false, some(1, "k"))
	if _, err := a.Ask(t.Context(), &lockcore.Ticket{ID: "late", Requirements: []lockcore.Requirement{some(1, "other")}, TTL: time.Minute}, nil); err == nil {
		t.Error("the policy was changed under a client, which was not told")
	}
}

// TestBackfillKnowsWhatOtherProcessesLearned: a process that has just been started
// lets a test past a reservation by what the test took in another, and a test of which
// nothing is known by the guess that the other process made.
func TestBackfillKnowsWhatOtherProcessesLearned(t *testing.T) {
	t.Parallel()
	if g := letPast(t, t.TempDir(), "TestUnknown"); g != nil {
		t.Errorf("no test has ended yet, so there is no guess: got %v", g)
	}
	dir := t.TempDir()
	first := open(t, dir)
	g := ask(t, first, "TestShort", false, some(1, "a"))
	if err := first.Release(t.Context(), g, 0); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for test, known := range map[string]bool{"TestShort": true, "TestUnknown": false} {
		g := letPast(t, dir, test)
		if g == nil || !g.Backfilled {
			t.Fatalf("%s is expected to take a moment, b is held for an hour, and it may not have a: got %v", test, g)
		}
		s := open(t, dir)
		snap, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(snap.Holders, func(h lockcore.Holder) bool { return h.ID == g.Ticket.ID })
		if i < 0 || snap.Holders[i].Expect > 0 != known {
			t.Errorf("%s: want known %v, got %+v", test, known, snap.Holders)
		}
		if err := s.Release(t.Context(), g, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// letPast has somebody hold b for an hour, somebody wait for a and b, and then asks for a.
func letPast(t *testing.T, dir, test string) *lockcore.Grant {
	s := open(t, dir)
	long := &lockcore.Ticket{ID: "long", Requirements: []lockcore.Requirement{some(1, "b")}, TTL: time.Minute, Expect: time.Hour}
	ans, err := s.Ask(t.Context(), long, nil)
	if err != nil || ans.Grant == nil {
		t.Fatalf("b is free: got %v, %v", ans, err)
	}
	defer func() {
		if err := s.Release(t.Context(), ans.Grant, 0); err != nil {
			t.Error(err)
		}
	}()
	big := &lockcore.Ticket{ID: "big", Requirements: []lockcore.Requirement{some(2, "a", "b")}, TTL: time.Minute, Wait: true}
	if ans, err := s.Ask(t.Context(), big, func(*lockcore.Grant) {}); err != nil || ans.Grant != nil {
		t.Fatalf("b is held: got %v, %v", ans, err)
	}
	defer func() {
		if err := s.Withdraw(t.Context(), "big"); err != nil {
			t.Error(err)
		}
	}()
	short, err := s.Ask(t.Context(), &lockcore.Ticket{ID: "short " + test, Owner: lockcore.Owner{Test: test}, Requirements: []lockcore.Requirement{some(1, "a")}, TTL: time.Minute}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return short.Grant
}
