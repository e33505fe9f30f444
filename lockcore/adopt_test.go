package lockcore_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/filestore"
)

// A lease is kept by those who joined it when its first process is gone, and
// ended for all of them by a release.
func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	open := func() *lockcore.Locker {
		s, err := filestore.Open(t.Context(), dir, nil)
		require.NoError(t, err)
		l := lockcore.New(s, nil)
		t.Cleanup(func() { l.Close() })
		return l
	}
	one, two, three := open(), open(), open()
	req := lockcore.Request{TTL: 300 * time.Millisecond, Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "chamber"}}}}}
	first, err := one.Acquire(t.Context(), req)
	require.NoError(t, err)

	b, err := json.Marshal(first.Grant())
	require.NoError(t, err)
	g := new(lockcore.Grant)
	require.NoError(t, json.Unmarshal(b, g))
	second, err := two.Adopt(t.Context(), g)
	require.NoError(t, err)
	assert.Equal(t, first.ID(), second.ID())
	assert.Equal(t, first.Token(), second.Token())
	assert.Equal(t, first.Keys(), second.Keys())

	first.Abandon()
	require.ErrorIs(t, first.Context().Err(), context.Canceled)
	require.NoError(t, first.Release(t.Context()), "it is not ours any more")
	held := func() bool {
		s, err := three.Snapshot(t.Context())
		require.NoError(t, err)
		return len(s.Holders) == 1
	}
	s, err := three.Snapshot(t.Context())
	require.NoError(t, err)
	for end := s.Time.Add(time.Second); s.Time.Before(end); time.Sleep(20 * time.Millisecond) {
		require.True(t, held())
		s, err = three.Snapshot(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, second.Context().Err())

	third, err := three.Adopt(t.Context(), g)
	require.NoError(t, err)
	require.NoError(t, second.Release(t.Context()))
	assert.False(t, held())
	<-third.Context().Done()
	assert.ErrorIs(t, third.Release(t.Context()), lockcore.ErrLost)
	_, err = one.Adopt(t.Context(), g)
	assert.ErrorIs(t, err, lockcore.ErrLost)
	assert.ErrorContains(t, err, "chamber")
	third.Abandon() // of what is lost: nothing happens
}
