package filestore

import (
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
// lets a test past a reservation by what the test took in another.
func TestBackfillKnowsWhatOtherProcessesLearned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir)
	g := ask(t, first, "TestShort", false, some(1, "a"))
	if err := first.Release(t.Context(), g, 0); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	long := &lockcore.Ticket{ID: "long", Requirements: []lockcore.Requirement{some(1, "b")}, TTL: time.Minute, Expect: time.Hour}
	if ans, err := s.Ask(t.Context(), long, nil); err != nil || ans.Grant == nil {
		t.Fatalf("b is free: got %v, %v", ans, err)
	}
	big := &lockcore.Ticket{ID: "big", Requirements: []lockcore.Requirement{some(2, "a", "b")}, TTL: time.Minute, Wait: true}
	if ans, err := s.Ask(t.Context(), big, func(*lockcore.Grant) {}); err != nil || ans.Grant != nil {
		t.Fatalf("b is held: got %v, %v", ans, err)
	}
	short := func(id string, test string) *lockcore.Grant {
		ans, err := s.Ask(t.Context(), &lockcore.Ticket{ID: id, Owner: lockcore.Owner{Test: test}, Requirements: []lockcore.Requirement{some(1, "a")}, TTL: time.Minute}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ans.Grant
	}
	if short("x", "TestUnknown") != nil {
		t.Error("a test of which nothing is known was let past a reservation")
	}
	if g := short("y", "TestShort"); g == nil || !g.Backfilled {
		t.Errorf("TestShort takes a moment, b is held for an hour, and it may not have a: got %v", g)
	}
}
