package sched

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// checkSame compares a state to which changes were applied with the same one,
// decoded whole: in what is encoded, and in what is derived.
func checkSame(t *rapid.T, got, want *State) {
	t.Helper()
	if string(got.Append(nil)) != string(want.Append(nil)) {
		t.Fatalf("after its changes the state is\n%+v\nand not\n%+v", got, want)
	}
	if got.nested != want.nested || got.backfilled != want.backfilled || got.outages != want.outages {
		t.Fatalf("%d nested, %d backfilled, %d out of service; want %d, %d, %d", got.nested, got.backfilled, got.outages, want.nested, want.backfilled, want.outages)
	}
	ids := func(h *holding) []string {
		var out []string
		for _, l := range h.leases {
			out = append(out, l.id)
		}
		slices.Sort(out)
		return out
	}
	if !maps.EqualFunc(got.keys, want.keys, func(a, b *holding) bool { return a.units == b.units && slices.Equal(ids(a), ids(b)) }) {
		t.Fatalf("the keys are taken by %v, want %v", got.keys, want.keys)
	}
	for _, h := range got.keys {
		for _, l := range h.leases {
			if got.leases[l.id] != l {
				t.Fatalf("%s holds a key and is no lease", l.id)
			}
		}
	}
	if !maps.EqualFunc(got.classes, want.classes, func(a, b *class) bool { return a.waiters == b.waiters && a.sig == b.sig && a.need == b.need }) {
		t.Fatalf("the classes are %v, want %v", got.classes, want.classes)
	}
	for _, w := range got.queue {
		if got.waiting[w.id] != w || got.classes[w.class.sig] != w.class {
			t.Fatalf("%s is in line and not known, or of no class", w.id)
		}
	}
	if len(got.waiting) != len(got.queue) {
		t.Fatalf("%d are known to wait, %d are in line", len(got.waiting), len(got.queue))
	}
	if at := earliest(got); got.next > at {
		t.Fatalf("something expires at %d, and nobody looks before %d", at, got.next)
	}
}

// earliest is when something expires, or somebody has to be looked at.
func earliest(s *State) int64 {
	next := int64(math.MaxInt64)
	for _, l := range s.leases {
		next = min(next, l.expires)
		if l.provisional != 0 {
			next = min(next, l.provisional)
		}
	}
	for _, w := range s.queue {
		next = min(next, w.expires)
	}
	if s.look != 0 {
		next = min(next, s.look)
	}
	return next
}

// Changes that do not fit the state, or are cut, are refused.
func TestChangesThatDoNotFitAreRefused(t *testing.T) {
	ask := func(s *State, id string, keys ...string) {
		r := lockcore.Requirement{}
		for _, k := range keys {
			r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
		}
		s.Ask(1, &lockcore.Ticket{ID: id, Wait: true, TTL: 30e9, Requirements: []lockcore.Requirement{r}}, "p", func(int) int { return 0 })
	}
	var s State
	s.NoteChanges()
	ask(&s, "holder", "k")
	ask(&s, "first", "k")
	before := s.Append(nil)
	s.NoteChanges()
	ask(&s, "second", "k") // of the class of the first
	data := s.AppendChanges(nil)

	same, err := Decode(before)
	require.NoError(t, err)
	require.NoError(t, same.Apply(data))
	assert.Equal(t, s.Append(nil), same.Append(nil))
	require.ErrorIs(t, new(State).Apply(data), errNoClass)
	require.ErrorContains(t, new(State).Apply(append(data, 0)), "1 bytes after the end")
	for n := range data {
		cut, err := Decode(before)
		require.NoError(t, err)
		require.Error(t, cut.Apply(data[:n]), "cut after %d bytes", n)
	}
	data[0]++
	require.ErrorIs(t, new(State).Apply(data), ErrVersion)
}

// What makes room for a new trouble is a change, too.
func TestAForgottenTroubleIsAChange(t *testing.T) {
	var s State
	s.init()
	for i := range troublesKept {
		s.remember(fmt.Sprint("key ", i), trouble{fence: uint64(i), ending: lockcore.Died})
	}
	before, err := Decode(s.Append(nil))
	require.NoError(t, err)
	s.NoteChanges()
	s.remember("one more", trouble{fence: troublesKept, ending: lockcore.Died})
	require.NoError(t, before.Apply(s.AppendChanges(nil)))
	assert.Equal(t, s.Append(nil), before.Append(nil))
	assert.Len(t, before.troubles, troublesKept)
}
