package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// A board that comes into the inventory while a lock waits is on record with its tags, and
// among the candidates.
func TestLockRecordsWhatTheInventoryGained(t *testing.T) {
	lab, dir := filepath.Join(t.TempDir(), "lab.yml"), t.TempDir()
	t.Setenv("RTEST_POOLS", lab)
	t.Setenv("RTEST_EVENTS", dir)
	list := func(text string) {
		if err := os.WriteFile(lab, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list(`pools: {boards: {items: [{key: board-1, tags: {fw: "4"}}]}}`)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(30 * 366 * 24 * time.Hour) // before 2020 no events are written
		store := memstore.New(nil)
		other := lockcore.New(store, nil)
		defer store.Close()
		held, err := other.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-1"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		o := &lockOptions{wants: wants{pools: []string{"boards"}}, wait: -1, name: "flash"}
		reqs, _, err := o.wants.requirements(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rec, err := newLockRecord(t.Context(), o, &sayer{w: io.Discard})
		if err != nil || rec == nil {
			t.Fatal("no record:", err)
		}
		list(`pools: {boards: {items: [{key: board-1, tags: {fw: "4"}}, {key: board-2, tags: {fw: "5"}}]}}`)
		lease, err := o.acquire(t.Context(), other, reqs, &signals{make(chan os.Signal)}, rec, &sayer{w: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		rec.gone(lease, lease.Release(context.Background()))
		rec.close()
		if err := held.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	var r eventlog.Reader
	var candidates []string
	granted := 0
	for e, err := range r.Events(dir) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range e.Reqs {
			candidates = e.Reqs[i].Candidates
		}
		if e.Ev == eventlog.Grant {
			granted++
			if c := e.Chosen[0]; c.Key != "board-2" || c.Tags["fw"] != "5" {
				t.Errorf("the grant is of %+v", e.Chosen)
			}
		}
	}
	if granted != 1 || !slices.Equal(candidates, []string{"board-1", "board-2"}) {
		t.Errorf("%d grants, of the candidates %q at the end", granted, candidates)
	}
}
