package sched

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// TestReadsTheVersionBefore decodes what version 2 wrote: a lease of three keys,
// one that waits for it, one that is kept, and why one ended.
func TestReadsTheVersionBefore(t *testing.T) {
	data, err := os.ReadFile("testdata/versions/state-v2")
	require.NoError(t, err)
	s, err := Decode(data)
	require.NoError(t, err)
	now := int64(5 * time.Second)
	snap := s.Snapshot(now, nil)
	require.Len(t, snap.Holders, 2)
	require.Len(t, snap.Waiters, 1)
	assert.Equal(t, lockcore.Owner{Test: "Testholder", Package: "example.com/p", Host: "lab", PID: 7, Run: "r1", URL: "https://ci", Site: "x_test.go:1"}, snap.Holders[0].Owner)
	assert.ElementsMatch(t, []string{"a", "b", "s"}, snap.Holders[0].Keys())
	assert.Equal(t, "kept", snap.Holders[1].State)
	assert.Equal(t, "waiter", snap.Waiters[0].ID)
	require.ErrorContains(t, s.Renew(now, &lockcore.Grant{Ticket: &lockcore.Ticket{ID: "freed"}}, nil), "by hand")

	// It is used, written and read on as every state.
	s.Disable(now, &lockcore.Outage{Keys: []string{"a"}, Owner: lockcore.Owner{User: "ann@bench"}}, nil)
	require.True(t, s.Release(now, "holder", 0, lockcore.TestFailed, func(int) int { return 0 }))
	again, err := Decode(s.Append(nil))
	require.NoError(t, err)
	snap = again.Snapshot(now, nil)
	assert.Equal(t, "disabled", snap.Holders[1].State)
	assert.Equal(t, map[string]lockcore.Ending{"a": lockcore.TestFailed, "b": lockcore.TestFailed, "s": lockcore.TestFailed}, snap.Endings)

	data, err = os.ReadFile("testdata/versions/history-v2")
	require.NoError(t, err)
	h, err := DecodeHistory(data)
	require.NoError(t, err)
	assert.Len(t, h.tests, 1)
}

// TestReadsStatesWithoutPromises decodes what version 3 wrote: the same, with a key out
// of service and a reservation. Who waits is promised something when somebody could
// first be let past it.
func TestReadsStatesWithoutPromises(t *testing.T) {
	data, err := os.ReadFile("testdata/versions/state-v3")
	require.NoError(t, err)
	s, err := Decode(data)
	require.NoError(t, err)
	now := int64(6 * time.Second)
	snap := s.Snapshot(now, nil)
	states := make(map[string]string)
	for _, h := range snap.Holders {
		states[h.Keys()[0]] = h.State
	}
	assert.Equal(t, map[string]string{"b": "held", "c": "kept", "y": "reserved", "z": "disabled"}, states)
	require.Len(t, s.queue, 1)
	assert.Zero(t, s.queue[0].promise)
	again, err := Decode(s.Append(nil))
	require.NoError(t, err)
	assert.Equal(t, snap, again.Snapshot(now, nil))
}

func TestRefusesOtherVersions(t *testing.T) {
	for _, version := range []int{oldestVersion - 1, Version + 1} {
		c := codec{}
		num(&c, &version)
		_, err := Decode(c.out)
		assert.True(t, errors.Is(err, ErrVersion), "version %d: %v", version, err)
	}
}
