package lockcore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func TestAllLeasesAreRenewedInOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		var sizes []int
		var at []time.Duration
		start := time.Now()
		f.onRenew = func(_ int, grants []*lockcore.Grant) error {
			sizes = append(sizes, len(grants))
			at = append(at, time.Since(start))
			return nil
		}
		l := lockcore.New(f, nil)
		for _, k := range []string{"a", "b", "c"} {
			_, err := l.Acquire(t.Context(), one(k))
			require.NoError(t, err)
			time.Sleep(time.Second) // they start out of step
		}
		time.Sleep(30 * time.Second)
		require.NoError(t, l.Close())
		s := time.Second
		assert.Equal(t, []int{3, 3, 3}, sizes)
		assert.Equal(t, []time.Duration{10 * s, 20 * s, 30 * s}, at, "a third of the default TTL")
	})
}

func TestALeaseEndsBeforeTheStoreGivesItsKeysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		f.onRenew = func(int, []*lockcore.Grant) error { return errDown }
		l := lockcore.New(f, nil)
		start := time.Now()
		le, err := l.Acquire(t.Context(), one("board"))
		require.NoError(t, err)
		other := lockcore.New(f.Store, nil)
		ends := make(chan time.Duration, 1)
		go func() {
			<-le.Context().Done()
			ends <- time.Since(start)
		}()
		next, err := other.Acquire(t.Context(), one("board"))
		require.NoError(t, err)
		taken := time.Since(start)
		assert.Greater(t, taken, <-ends)
		assert.InDelta(t, 30, taken.Seconds(), 0.1, "at the moment of expiry, not at the next poll")
		cause := context.Cause(le.Context())
		require.ErrorIs(t, cause, lockcore.ErrLost)
		assert.EqualError(t, cause, "lockcore: lease on board: lease lost: no renewal reached the store in time")
		require.ErrorIs(t, le.Release(t.Context()), lockcore.ErrLost)
		assert.Zero(t, f.made("Release"), "what is lost is not given back")
		assert.Greater(t, f.made("Renew"), 3, "renewals that fail are tried again")
		require.NoError(t, next.Release(t.Context()))
		require.NoError(t, l.Close())
		require.NoError(t, other.Close())
	})
}

func TestRenewalHangsNoLongerThanALeaseCanAfford(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		store := &hanging{faulty: f}
		l := lockcore.New(store, nil)
		le, err := l.Acquire(t.Context(), one("board"))
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.NoError(t, context.Cause(le.Context()), "one renewal of two hangs, the other gets through")
		require.NoError(t, le.Release(t.Context()))
		require.NoError(t, l.Close())
	})
}

// hanging swallows every other renewal, as a network does.
type hanging struct{ *faulty }

func (h *hanging) Renew(ctx context.Context, grants []*lockcore.Grant) ([]error, error) {
	if h.count("Renew")%2 == 1 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.Store.Renew(ctx, grants)
}

func TestRenewalsEndWhenToldTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var orphaned atomic.Bool
		l := lockcore.New(newFaulty(), &lockcore.Options{Alive: func() bool { return !orphaned.Load() }})
		start := time.Now()
		req := one("until")
		req.RenewUntil = start.Add(15 * time.Second)
		until, err := l.Acquire(t.Context(), req)
		require.NoError(t, err)
		orphan, err := l.Acquire(t.Context(), one("orphan"))
		require.NoError(t, err)
		<-until.Context().Done()
		assert.InDelta(t, 40, time.Since(start).Seconds(), 1, "one TTL after the renewal at 10 s")
		require.NoError(t, orphan.Context().Err())
		orphaned.Store(true)
		<-orphan.Context().Done()
		require.ErrorIs(t, context.Cause(orphan.Context()), lockcore.ErrLost)
		require.NoError(t, l.Close())
	})
}

func TestReleaseWaitsForTheRenewalUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		renewing, let := make(chan struct{}), make(chan struct{})
		f.onRenew = func(int, []*lockcore.Grant) error {
			close(renewing)
			<-let
			return nil
		}
		l := lockcore.New(f, nil)
		le, err := l.Acquire(t.Context(), one("board"))
		require.NoError(t, err)
		<-renewing
		done := make(chan error)
		go func() { done <- le.Release(t.Context()) }()
		synctest.Wait()
		assert.Zero(t, f.made("Release"), "a renewal that arrives after the release would bring the lease back")
		close(let)
		require.NoError(t, <-done)
		assert.Equal(t, 1, f.made("Release"))
		require.NoError(t, l.Close())
	})
}

// A store that does not answer is named once, whether or not its errors name it.
func TestAStoreThatIsDownIsNamedOnce(t *testing.T) {
	for _, down := range []error{errDown, fmt.Errorf("mem:: %w", errDown)} {
		synctest.Test(t, func(t *testing.T) {
			f := newFaulty()
			l := lockcore.New(f, nil)
			le, err := l.Acquire(t.Context(), one("board"))
			require.NoError(t, err)
			f.onEnd = func(int) error { return down }
			f.onAsk = func(n int, _ *lockcore.Ticket) error {
				if n > 2 {
					return down
				}
				return nil
			}
			_, waiting := l.Acquire(t.Context(), one("board"))
			for _, err := range []error{waiting, le.Release(t.Context())} {
				require.ErrorIs(t, err, errDown)
				assert.Equal(t, 1, strings.Count(err.Error(), "mem:"), err)
			}
			f.onEnd = nil
			require.NoError(t, l.Close())
		})
	}
}

func TestReleaseTriesAgainForFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		f.onEnd = func(n int) error {
			if n < 3 {
				return errDown
			}
			return nil
		}
		l := lockcore.New(f, nil)
		le, err := l.Acquire(t.Context(), one("board"))
		require.NoError(t, err)
		require.NoError(t, le.Release(t.Context()))
		assert.Equal(t, 3, f.made("Release"))

		f.onEnd = func(int) error { return errDown }
		le, err = l.Acquire(t.Context(), one("board"))
		require.NoError(t, err)
		start := time.Now()
		err = le.Release(t.Context())
		require.ErrorIs(t, err, errDown)
		assert.ErrorContains(t, err, "it will expire within 30s")
		assert.Equal(t, 5*time.Second, time.Since(start).Round(time.Second))
		require.NoError(t, le.Release(t.Context()), "it was given up; there is nothing left to do")
		require.NoError(t, l.Close())
	})
}

func TestALeaseThatTheStoreForgotIsReportedAtRelease(t *testing.T) {
	f := newFaulty()
	l := lockcore.New(f, nil)
	le, err := l.Acquire(t.Context(), one("board"))
	require.NoError(t, err)
	_, err = f.Free(t.Context(), "board", "by hand")
	require.NoError(t, err)
	require.ErrorIs(t, le.Release(t.Context()), lockcore.ErrLost)
	require.NoError(t, l.Close())
}

func TestTheContextCarriesValuesButNotTheEndOfTheWait(t *testing.T) {
	type key struct{}
	l := lockcore.New(newFaulty(), nil)
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	le, err := l.Acquire(ctx, one("board"))
	require.NoError(t, err)
	cancel()
	require.NoError(t, le.Context().Err())
	assert.Equal(t, "value", le.Context().Value(key{}))
	derived, stop := context.WithTimeout(le.Context(), time.Hour)
	defer stop()
	require.NoError(t, le.Release(t.Context()))
	<-derived.Done()
	assert.False(t, errors.Is(context.Cause(le.Context()), lockcore.ErrLost))
	require.ErrorIs(t, context.Cause(le.Context()), context.Canceled)
	require.NoError(t, l.Close())
}

func TestNestedRequestsTellTheStoreOfTheirParents(t *testing.T) {
	f := newFaulty()
	var parents []string
	f.onAsk = func(_ int, tk *lockcore.Ticket) error { parents = tk.Parents; return nil }
	l := lockcore.New(f, nil)
	suite, err := l.Acquire(t.Context(), one("rack"))
	require.NoError(t, err)
	other, err := l.Acquire(t.Context(), one("chamber"))
	require.NoError(t, err)
	req := one("board")
	req.Holding = []*lockcore.Lease{other}
	inner, err := l.Acquire(suite.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, []string{suite.ID(), other.ID()}, parents)
	_, err = l.Acquire(inner.Context(), one("cable"))
	require.NoError(t, err)
	assert.Equal(t, []string{inner.ID(), suite.ID(), other.ID()}, parents)
	require.NoError(t, other.Release(t.Context()))
	req.Requirements = one("wire").Requirements
	_, err = l.Acquire(suite.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, []string{suite.ID()}, parents, "a lease that was released keeps nobody waiting")
	require.NoError(t, l.Close())
}
