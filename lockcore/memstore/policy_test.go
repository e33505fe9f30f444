package memstore_test

import (
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

// TestPolicy: somebody short is let past a reservation, but not under fifo.
func TestPolicy(t *testing.T) {
	for policy, want := range map[lockcore.QueuePolicy]bool{lockcore.Backfill: true, lockcore.FIFO: false} {
		s := memstore.New(&memstore.Options{Policy: policy})
		ask := func(id string, expect time.Duration, need int, keys ...string) *lockcore.Grant {
			tk := &lockcore.Ticket{ID: id, TTL: time.Minute, Expect: expect, Wait: true, Requirements: []lockcore.Requirement{{Need: need}}}
			for _, k := range keys {
				tk.Requirements[0].Candidates = append(tk.Requirements[0].Candidates, lockcore.Candidate{Key: k})
			}
			ans, err := s.Ask(t.Context(), tk, func(*lockcore.Grant) {})
			if err != nil {
				t.Fatal(err)
			}
			return ans.Grant
		}
		if ask("soak", time.Hour, 1, "b1") == nil || ask("pair", time.Hour, 2, "b1", "b2") != nil {
			t.Fatalf("%s: b1 was free once", policy)
		}
		got := ask("smoke", time.Minute, 1, "b2")
		if (got != nil) != want || want && !got.Backfilled {
			t.Errorf("%s: a minute on a board that is idle for an hour: got %+v, want it: %v", policy, got, want)
		}
	}
}
