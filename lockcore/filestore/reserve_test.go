package filestore

import (
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// states lists the states of those who have the key.
func states(t *testing.T, s *Store, key string) (out []string) {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range snap.Holders {
		for _, k := range h.Keys() {
			if k == key {
				out = append(out, h.State+" by "+h.Owner.User)
			}
		}
	}
	return out
}

// TestAReservationOutlivesItsProcess, killed after it was served, and so does what
// it disabled.
func TestAReservationOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir)
	for _, o := range []order{{Do: "reserve", Name: "ann", Keys: []string{"k"}}, {Do: "disable", Name: "ann", Keys: []string{"broken"}}} {
		if r := c.call(o); r.Error != "" {
			t.Fatal(r.Error)
		}
	}
	c.acquire("held", 1, "free")
	c.kill()
	s := open(t, dir)
	if ask(t, s, "free", false, some(1, "free")) == nil {
		t.Fatal("the child is dead and still holds what it did not reserve")
	}
	if ask(t, s, "k", false, some(1, "k")) != nil || ask(t, s, "broken", false, some(1, "broken")) != nil {
		t.Fatal("what was reserved or disabled was given out when the process that did it died")
	}
	if got := states(t, s, "k"); len(got) != 1 || got[0] != "reserved by ann" {
		t.Errorf("k is %v", got)
	}
	if got := states(t, s, "broken"); len(got) != 1 || got[0] != "disabled by ann" {
		t.Errorf("broken is %v", got)
	}
}

// TestReserveWhileTheHolderIsKilled: the person gets the key at once, and the next
// holder is told that its last one died.
func TestReserveWhileTheHolderIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder, person := startChild(t, dir), startChild(t, dir)
	holder.acquire("held", 1, "k")
	s := open(t, dir)
	person.send(order{Do: "reserve", Name: "ann", Keys: []string{"k"}})
	until(t, s, "ann is in line", func(snap lockcore.Snapshot) bool { return len(snap.Waiters) == 1 })
	holder.kill()
	until(t, s, "ann has it", func(snap lockcore.Snapshot) bool {
		return len(snap.Holders) == 1 && snap.Holders[0].State == "reserved"
	})
	snap, err := s.Snapshot(t.Context())
	if err != nil || snap.Endings["k"] != lockcore.Died {
		t.Errorf("the holder was killed, and the store remembers %v, %v", snap.Endings, err)
	}
}

// TestAPersonWhoIsKilledInLineReservesNothing.
func TestAPersonWhoIsKilledInLineReservesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	g := ask(t, s, "held", false, some(1, "k"))
	person := startChild(t, dir)
	person.send(order{Do: "reserve", Name: "ann", Keys: []string{"k"}})
	until(t, s, "ann is in line", func(snap lockcore.Snapshot) bool { return len(snap.Waiters) == 1 })
	person.kill()
	if err := s.Release(t.Context(), g, 0); err != nil {
		t.Fatal(err)
	}
	if ask(t, s, "next", false, some(1, "k")) == nil {
		t.Fatalf("k went to a person who was killed in line: %v", states(t, s, "k"))
	}
}
