package resourcelocker_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
	"github.com/resourcelocker/resourcelocker/report/redisreport"
	"github.com/resourcelocker/resourcelocker/rtest"
)

func migrating(t *testing.T) string {
	text, err := os.ReadFile("MIGRATING.md")
	require.NoError(t, err)
	return string(text)
}

// TestMigratingCompiles compiles the Go of MIGRATING.md.
func TestMigratingCompiles(t *testing.T) {
	m := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(migrating(t), -1)
	require.Len(t, m, 1)
	compile(t, "migrating", `import (
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/rtest"
)
`+m[0][1])
}

// A device is an item as a Python suite has them.
type device struct{ id, model string }

// refusing is a test that ends at its first mistake.
type refusing struct {
	rtest.TB
	words string
}

type refused struct{}

func (r *refusing) Helper() {}
func (r *refusing) Fatalf(format string, args ...any) {
	r.words = format
	panic(refused{})
}

// TestMigratingTable holds the rows of the table about requirements.
func TestMigratingTable(t *testing.T) {
	store, err := storeurl.Open(t.Context(), "mem:")
	require.NoError(t, err)
	locker := lockcore.New(store, nil)
	t.Cleanup(func() { locker.Close() })
	boards := rtest.R(device{"b1", "k64f"}, device{"b2", "k64f"}).Key(func(d device) string { return d.id })
	thing := rtest.R("this one thing", "b1")
	l := rtest.Acquire(t, boards.Need(2), thing, rtest.Wait(0), rtest.Using(locker))
	assert.Len(t, boards.Need(2).From(l), 2)
	assert.Equal(t, "this one thing", thing.One(l), "b1 stands in both requirements, and is given to the one that cannot do without")
	for _, need := range []int{0, 3} {
		func() {
			r := &refusing{TB: t}
			defer func() { assert.Equal(t, refused{}, recover(), "need %d", need) }()
			rtest.Acquire(r, boards.Need(need), rtest.Using(locker))
		}()
	}
}

// TestMigratingStepByStep goes through the section about both in one lab, with what
// python-redis-lock does to Redis in the place of Python.
func TestMigratingStepByStep(t *testing.T) {
	server := redistest.Start(t)
	urls := regexp.MustCompile(`export (RTEST_\w+)='redis://localhost:6379(.*)'`).FindAllStringSubmatch(migrating(t), -1)
	require.Len(t, urls, 2)
	at := func(i int, name string) string {
		require.Equal(t, name, urls[i][1])
		return "redis://" + server.Addr + urls[i][2]
	}
	open := func(url string) *lockcore.Locker {
		store, err := storeurl.Open(t.Context(), url)
		require.NoError(t, err)
		l := lockcore.New(store, nil)
		t.Cleanup(func() { l.Close() })
		return l
	}
	python := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { python.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	board := lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "b1"}}}}}
	interop := at(0, "RTEST_URL")

	// 1. and 2.: each sees the other's locks.
	mixed := open(interop)
	lease, err := mixed.TryAcquire(ctx, board)
	require.NoError(t, err)
	taken, err := python.SetNX(ctx, "lock:b1", "python", time.Minute).Result()
	require.NoError(t, err)
	assert.False(t, taken, "Go holds b1")
	require.NoError(t, lease.Release(ctx))
	taken, err = python.SetNX(ctx, "lock:b1", "python", time.Minute).Result()
	require.NoError(t, err)
	require.True(t, taken)
	_, err = mixed.TryAcquire(ctx, board)
	var busy *lockcore.BusyError
	require.True(t, errors.As(err, &busy), "%v", err)
	assert.Equal(t, "foreign", busy.Blockers[0].State)
	require.NoError(t, python.Del(ctx, "lock:b1").Err())
	lease, err = mixed.Acquire(ctx, board)
	require.NoError(t, err)

	// 4.: with and without exclude each other.
	plain := open(strings.TrimSuffix(interop, "?interop=python"))
	_, err = plain.TryAcquire(ctx, board)
	assert.ErrorIs(t, err, lockcore.ErrBusy)
	require.NoError(t, lease.Release(ctx))
	lease, err = plain.Acquire(ctx, board)
	require.NoError(t, err)
	_, err = mixed.TryAcquire(ctx, board)
	assert.ErrorIs(t, err, lockcore.ErrBusy)
	require.NoError(t, lease.Release(ctx))

	// 3.: the sums have the names that Python's Query reads.
	opts, err := redis.ParseURL(at(1, "RTEST_REPORT"))
	require.NoError(t, err)
	sums := redis.NewClient(opts)
	t.Cleanup(func() { sums.Close() })
	r := redisreport.New(sums, nil)
	r.LockRequested(lockcore.Candidate{Key: "b1", Tags: map[string]string{"model": "k64f"}})
	require.NoError(t, r.Close())
	tags, err := sums.SMembers(ctx, "_TAGS").Result()
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"key", "model"}, tags)
}
