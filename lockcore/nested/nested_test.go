package nested_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/lockcore/nested"
)

func of(need int, keys ...string) lockcore.Requirement {
	r := lockcore.Requirement{Need: need}
	for _, k := range keys {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
	}
	return r
}

func shared(r lockcore.Requirement) lockcore.Requirement { r.Shared = true; return r }

func take(t *testing.T, l *lockcore.Locker, reqs ...lockcore.Requirement) *lockcore.Lease {
	t.Helper()
	le, err := l.TryAcquire(t.Context(), lockcore.Request{Requirements: reqs, TTL: 30 * time.Second})
	require.NoError(t, err)
	return le
}

// below is a program below one that holds leases; it sees the environment that
// those hand down.
func below(t *testing.T, s lockcore.Store, leases ...*lockcore.Lease) *lockcore.Locker {
	t.Helper()
	name, value, _ := strings.Cut(nested.Environ(leases...), "=")
	old, was := os.LookupEnv(name)
	os.Setenv(name, value)
	joined, err := nested.Join(keepOpen{s})
	if was {
		os.Setenv(name, old)
	} else {
		os.Unsetenv(name)
	}
	require.NoError(t, err)
	return lockcore.New(joined, &lockcore.Options{Owner: lockcore.Owner{Test: "below"}})
}

// keepOpen is a store that several lockers use.
type keepOpen struct{ lockcore.Store }

func (keepOpen) Close() error { return nil }

func TestBelowALock(t *testing.T) {
	s := memstore.New(nil)
	defer s.Close()
	lock := lockcore.New(keepOpen{s}, &lockcore.Options{Owner: lockcore.Owner{Test: "lock"}})
	outer := take(t, lock, of(1, "b1"), of(1, "b2"))
	one, two := below(t, s, outer), below(t, s, outer)
	inner := take(t, one, of(1, "b1"))
	assert.Equal(t, []string{"b1"}, inner.Keys())

	// Two below one lock take turns, and each is told of the other.
	_, err := two.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, "b1")}})
	require.ErrorIs(t, err, lockcore.ErrBusy)
	assert.Contains(t, err.Error(), "b1 is held by below")
	assert.NotContains(t, err.Error(), "within")
	other := take(t, two, of(1, "b2"))
	waits := make(chan *lockcore.Lease)
	go func() {
		le, err := two.Acquire(context.Background(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, "b1")}})
		assert.NoError(t, err)
		waits <- le
	}()
	require.NoError(t, inner.Release(t.Context()))
	assert.Equal(t, []string{"b1"}, (<-waits).Keys())

	// Outsiders see one holder, and wait for that.
	_, err = lock.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, "b1")}})
	require.ErrorIs(t, err, lockcore.ErrBusy)
	assert.Contains(t, err.Error(), "b1 is held by lock")

	// Of a pool it gets what is held above, as far as that is enough, and more beside
	// it where it is not.
	require.NoError(t, other.Release(t.Context()))
	assert.Equal(t, []string{"b2"}, take(t, one, of(1, "b2", "b3", "b4")).Keys())
	three := below(t, s, outer)
	_, err = three.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, "b2", "b3")}})
	require.ErrorIs(t, err, lockcore.ErrBusy)
	require.NoError(t, one.Close())
	got := take(t, three, of(3, "b2", "b3", "b4"), of(1, "chamber")).Keys()
	slices.Sort(got)
	assert.Equal(t, []string{"b2", "b3", "b4", "chamber"}, got)
	require.NoError(t, two.Close())
	require.NoError(t, three.Close())
	require.NoError(t, lock.Close())
	snap, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Empty(t, snap.Holders)
	assert.Empty(t, snap.Waiters)
}

// A lock in a lock in a lock.
func TestBelowALockBelowALock(t *testing.T) {
	s := memstore.New(nil)
	defer s.Close()
	first := lockcore.New(keepOpen{s}, nil)
	a := take(t, first, of(1, "b1"))
	second := below(t, s, a)
	b := take(t, second, of(1, "b1"))
	third := below(t, s, a, b)
	c := take(t, third, of(1, "b1"))
	assert.Equal(t, []string{"b1"}, c.Keys())
	_, err := second.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, "b1")}})
	require.ErrorIs(t, err, lockcore.ErrBusy)
	require.NoError(t, c.Release(t.Context()))
	require.NoError(t, b.Release(t.Context()))
	take(t, second, of(1, "b1"))
}

func TestWaysOfHolding(t *testing.T) {
	s := memstore.New(nil)
	defer s.Close()
	lock := lockcore.New(keepOpen{s}, &lockcore.Options{Owner: lockcore.Owner{Test: "reader"}})
	licence := of(2, "licence")
	licence.Seats = 3
	outer := take(t, lock, shared(of(1, "staging")), of(1, "b1"), licence)
	one, two := below(t, s, outer), below(t, s, outer)
	// What is held for reading can be read below, by several, and not be had alone.
	take(t, one, shared(of(1, "staging")))
	take(t, two, shared(of(1, "staging")))
	_, err := one.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, "staging")}})
	require.ErrorIs(t, err, lockcore.ErrDeadlock)
	assert.Contains(t, err.Error(), `"staging" is held above, by reader`)
	// What is held alone can be shared by those below.
	take(t, one, shared(of(1, "b1")))
	take(t, two, shared(of(1, "b1")))
	// The two seats above are two below.
	seat := of(1, "licence")
	seat.Seats = 3
	take(t, one, seat)
	take(t, two, seat)
	_, err = two.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{seat}})
	require.ErrorIs(t, err, lockcore.ErrBusy)
}

// Whoever is below a lease that has ended stands in line as everybody does.
func TestTheLeaseAboveHasEnded(t *testing.T) {
	s := memstore.New(nil)
	defer s.Close()
	lock := lockcore.New(keepOpen{s}, nil)
	outer := take(t, lock, of(1, "b1"))
	orphan := below(t, s, outer)
	require.NoError(t, outer.Release(t.Context()))
	other := take(t, lock, of(1, "b1"))
	_, err := orphan.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, "b1")}})
	require.ErrorIs(t, err, lockcore.ErrBusy)
	require.NoError(t, other.Release(t.Context()))
	take(t, orphan, of(1, "b1"))
	_, err = lock.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, "b1")}})
	require.ErrorIs(t, err, lockcore.ErrBusy)
}

// A lease above that is lost takes those within it along; one whose program has
// died lives as long as they do.
func TestTheLeaseAboveIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(nil)
		defer s.Close()
		lock := lockcore.New(keepOpen{s}, nil)
		outer := take(t, lock, of(1, "b1"))
		child := below(t, s, outer)
		inner := take(t, child, of(1, "b1"))
		outer.Abandon() // as if it were killed: nobody renews there
		time.Sleep(5 * time.Minute)
		require.NoError(t, inner.Context().Err())
		_, err := lock.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, "b1")}})
		require.ErrorIs(t, err, lockcore.ErrBusy)
		_, err = s.Free(t.Context(), "b1", "power cut")
		require.NoError(t, err)
		<-inner.Context().Done()
		cause := context.Cause(inner.Context())
		require.ErrorIs(t, cause, lockcore.ErrLost)
		assert.Contains(t, cause.Error(), "power cut")
		require.NoError(t, child.Close())
		require.NoError(t, lock.Close())
	})
}

// A circle through the lease above is told at once.
func TestDeadlockThroughTheLeaseAbove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(nil)
		defer s.Close()
		lock := lockcore.New(keepOpen{s}, nil)
		outer := take(t, lock, of(1, "b1"))
		other := lockcore.New(keepOpen{s}, nil)
		has := take(t, other, of(1, "b2"))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, err := other.Acquire(ctx, lockcore.Request{Requirements: []lockcore.Requirement{of(1, "b1")}, Holding: []*lockcore.Lease{has}})
			assert.Error(t, err)
		}()
		time.Sleep(time.Second) // whoever came later is told
		child := below(t, s, outer)
		_, err := child.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, "b2")}})
		require.ErrorIs(t, err, lockcore.ErrDeadlock)
		cancel()
		<-ended
		require.NoError(t, child.Close())
		require.NoError(t, other.Close())
		require.NoError(t, lock.Close())
	})
}

func TestWhatIsNoHandingDown(t *testing.T) {
	s := memstore.New(nil)
	defer s.Close()
	for _, value := range []string{"x", `[null]`, `[{"id":"a","reqs":[{}]}]`, `[{"id":"a","reqs":[{}],"keys":[["b"]],"stored":[[]]}]`} {
		t.Setenv("RTEST_HELD", value)
		_, err := nested.Join(s)
		assert.ErrorContains(t, err, "RTEST_HELD is not what a program above has written", value)
	}
	for _, value := range []string{"", "[]"} {
		t.Setenv("RTEST_HELD", value)
		joined, err := nested.Join(s)
		require.NoError(t, err)
		assert.True(t, joined == lockcore.Store(s), "nobody pays who has nothing above")
	}
}

func TestEnvironOfNoLease(t *testing.T) {
	assert.PanicsWithValue(t, "nested: Environ: lease 1 of 1 is nil: give it those that Locker.Acquire returned", func() { nested.Environ((*lockcore.Lease)(nil)) })
}

func Example() {
	s := memstore.New(nil)
	lock := lockcore.New(s, nil)
	board := lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-1"}}}}}
	lease, err := lock.Acquire(context.Background(), board)
	if err != nil {
		fmt.Println(err)
		return
	}
	name, value, _ := strings.Cut(nested.Environ(lease), "=")
	os.Setenv(name, value) // of the process that is started now, and does this:
	defer os.Unsetenv(name)

	joined, err := nested.Join(s)
	if err != nil {
		fmt.Println(err)
		return
	}
	mine, err := lockcore.New(joined, nil).TryAcquire(context.Background(), board)
	fmt.Println(mine.Keys(), err)
	fmt.Println(nested.Parent() == lease.ID())
	_, err = lock.TryAcquire(context.Background(), board)
	fmt.Println(errors.Is(err, lockcore.ErrBusy))
	// Output:
	// [board-1] <nil>
	// true
	// true
}
