package lockcore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// slow makes the first n answers of a store arrive after d.
func slow(s *faulty, n int, d time.Duration) {
	s.change = func(*lockcore.Answer) {
		if s.made("Ask") <= n {
			time.Sleep(d)
		}
	}
}

func TestALeaseThatIsOverOnArrivalIsRenewedIfItIsStillOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFaulty()
		l := lockcore.New(s, nil)
		defer l.Close()
		slow(s, 1, 40*time.Second)
		for _, acquire := range []func(context.Context, lockcore.Request) (*lockcore.Lease, error){l.Acquire, l.TryAcquire} {
			s.calls["Ask"] = 0
			le, err := acquire(t.Context(), one("k"))
			require.NoError(t, err)
			require.NoError(t, le.Context().Err())
			time.Sleep(time.Hour)
			require.NoError(t, le.Context().Err(), "it is renewed as any other")
			require.NoError(t, le.Release(t.Context()))
		}
	})
}

// Somebody else got the key meanwhile: the request is in line again, and the two
// never have it at once.
func TestALeaseThatIsOverOnArrivalIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFaulty()
		slow(s, 1, 40*time.Second)
		l, other := lockcore.New(s, nil), lockcore.New(s.Store, nil)
		defer l.Close()
		var until time.Time
		go func() {
			time.Sleep(35 * time.Second)
			le, err := other.TryAcquire(context.Background(), one("k"))
			assert.NoError(t, err)
			time.Sleep(25 * time.Second)
			assert.NoError(t, le.Context().Err())
			until = time.Now()
			assert.NoError(t, le.Release(context.Background()))
		}()
		le, err := l.Acquire(t.Context(), one("k"))
		require.NoError(t, err)
		require.NoError(t, le.Context().Err())
		assert.False(t, until.IsZero() || time.Now().Before(until), "granted while another had it")
		assert.Equal(t, time.Minute, le.Waited())
		require.NoError(t, le.Release(t.Context()))

		s.calls["Ask"] = 0
		held, err := other.TryAcquire(t.Context(), one("k2"))
		require.NoError(t, err)
		_, err = l.TryAcquire(t.Context(), one("k2"))
		assert.ErrorIs(t, err, lockcore.ErrBusy, "a single attempt asks again, too, and does not wait")
		require.NoError(t, held.Release(t.Context()))
	})
}

func TestAStoreThatIsSlowerThanTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFaulty()
		l := lockcore.New(s, nil)
		defer l.Close()
		slow(s, 100, 3*time.Second)
		s.onRenew = func(int, []*lockcore.Grant) error { time.Sleep(3 * time.Second); return nil }
		req := one("k")
		req.TTL = time.Second
		_, err := l.Acquire(t.Context(), req)
		require.Error(t, err)
		assert.Contains(t, err.Error(), fmt.Sprintf("lockcore: %s answered 3 times in a row only when the TTL of 1s was over: choose a longer one", s))
		snap, err := s.Snapshot(t.Context())
		require.NoError(t, err)
		assert.Empty(t, snap.Holders)
	})
}

// A waiter's ask may be granted and its answer lost. Asking again does not extend
// the lease, so its TTL counts from the ask that was granted.
func TestALeaseCountsFromTheAskThatMayHaveBroughtIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFaulty()
		l, other := lockcore.New(s, nil), lockcore.New(s.Store, nil)
		defer l.Close()
		held, err := other.TryAcquire(t.Context(), one("k"))
		require.NoError(t, err)
		var granted, down time.Time
		s.wakeWith = func(*lockcore.Ticket) *lockcore.Grant { return nil } // only word that there may be one
		s.onAsk = func(n int, tk *lockcore.Ticket) error {
			if n == 1 {
				return nil
			}
			if granted.IsZero() {
				granted, down = time.Now(), time.Now().Add(20*time.Second)
				_, err := s.Store.Ask(context.Background(), tk, nil)
				assert.NoError(t, err)
				return errors.New("the answer is lost")
			}
			if time.Now().Before(down) {
				return errors.New("nobody answers")
			}
			return nil
		}
		s.onRenew = func(int, []*lockcore.Grant) error { return errors.New("nobody answers") }
		go func() {
			time.Sleep(time.Second)
			assert.NoError(t, held.Release(context.Background()))
		}()
		le, err := l.Acquire(t.Context(), one("k"))
		require.NoError(t, err)
		<-le.Context().Done()
		assert.LessOrEqual(t, time.Since(granted), 30*time.Second, "the store gives the key to others then")
	})
}
