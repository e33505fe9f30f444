package lockcore_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

// times in messages, which differ from run to run.
var times = regexp.MustCompile(`\d\d:\d\d:\d\dZ \(.*?\)`)

// A person takes a board for two hours, and gives it back earlier. A board that is
// out of service is given to nobody.
func ExampleLocker_Reserve() {
	locker := lockcore.New(memstore.New(nil), &lockcore.Options{Owner: lockcore.Owner{Test: "TestBoot"}})
	defer locker.Close()
	ctx := context.Background()
	board := func(key string) []lockcore.Requirement {
		return []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: key}}}}
	}

	var r lockcore.Holder
	r, err := locker.Reserve(ctx, lockcore.Request{
		Requirements: board("board-3"), Owner: lockcore.Owner{User: "ann@bench"}, For: 2 * time.Hour, Reason: "debugging",
		Priority: lockcore.FrontOfLine, // before the tests that wait
	})
	fmt.Println(r.Keys(), r.State, err)

	_, err = locker.TryAcquire(ctx, lockcore.Request{Requirements: board("board-3")})
	fmt.Println(times.ReplaceAllString(err.Error(), "…"))
	_, err = locker.EndReservation(ctx, "bob@desk", false, "board-3")
	fmt.Println(times.ReplaceAllString(err.Error(), "…"))
	_, err = locker.EndReservation(ctx, "ann@bench", false, "board-3")
	fmt.Println(err)

	_, err = locker.Disable(ctx, lockcore.Outage{Keys: []string{"board-3"}, Owner: lockcore.Owner{User: "ann@bench"}, Reason: "smoke"})
	fmt.Println(err)
	_, err = locker.Acquire(ctx, lockcore.Request{Requirements: board("board-3")}) // does not wait
	fmt.Println(errors.Is(err, lockcore.ErrOutOfService), times.ReplaceAllString(err.Error(), "…"))
	_, err = locker.Enable(ctx, "board-3")
	fmt.Println(err)
	fmt.Println(lockcore.CurrentUser() != "")
	// Output:
	// [board-3] reserved <nil>
	// busy: wanted board-3; 1st in line, expected in about 2 h; board-3 is reserved by ann@bench since … until …, reason: debugging
	// lockcore: board-3 is reserved by ann@bench since … until …, reason: debugging, not by bob@desk: only force ends it
	// <nil>
	// <nil>
	// true out of service: wanted board-3, which cannot be had without what is disabled; board-3 is out of service, disabled by ann@bench since …, reason: smoke
	// <nil>
	// true
}

// The next one to get a board learns how its last use ended.
func ExampleEnding() {
	locker := lockcore.New(memstore.New(nil), nil)
	defer locker.Close()
	req := lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-3"}}}}}

	lease, _ := locker.Acquire(context.Background(), req)
	lease.SetEnding(lockcore.TestFailed) // else it is Released
	lease.Release(context.Background())

	lease, _ = locker.Acquire(context.Background(), req)
	var last lockcore.Ending = lease.Last("board-3")
	fmt.Println(last, last == lockcore.Released, last == lockcore.Died, last == lockcore.Unknown)
	// Output:
	// test failed false false false
}

func anyOf(keys ...string) lockcore.Requirement {
	var r lockcore.Requirement
	for _, k := range keys {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
	}
	return r
}

// outage disables keys by ann and is fatal if it cannot.
func outage(t *testing.T, l *lockcore.Locker, now bool, keys ...string) []lockcore.Holder {
	t.Helper()
	held, err := l.Disable(t.Context(), lockcore.Outage{Keys: keys, Owner: lockcore.Owner{User: "ann@bench"}, Reason: "smoke", Now: now})
	require.NoError(t, err)
	return held
}

// TestOutOfServiceEndsTheWait: a request that waits ends in the moment in which
// the last key that could serve it is disabled, and names all of them.
func TestOutOfServiceEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lockcore.New(memstore.New(nil), nil)
		defer l.Close()
		holder, err := l.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{anyOf("a")}, Owner: lockcore.Owner{Test: "TestHolder"}})
		require.NoError(t, err)
		second, err := l.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{anyOf("b")}, Owner: lockcore.Owner{Test: "TestSecond"}})
		require.NoError(t, err)
		failed := make(chan error, 2)
		wait := func(all bool) {
			le, err := l.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{anyOf("a", "b")}, WaitForDisabled: all})
			if err == nil {
				err = le.Release(t.Context())
			}
			failed <- err
		}
		go wait(false)
		synctest.Wait()
		held := outage(t, l, false, "a")
		require.Len(t, held, 1)
		assert.Equal(t, "TestHolder", held[0].Owner.Test)
		synctest.Wait()
		assert.Empty(t, failed, "b is in service")
		before := time.Now()
		outage(t, l, false, "b")
		err = <-failed
		assert.Equal(t, before, time.Now(), "no poll was waited for")
		var busy *lockcore.BusyError
		require.ErrorAs(t, err, &busy)
		require.ErrorIs(t, err, lockcore.ErrBusy)
		require.ErrorIs(t, err, lockcore.ErrOutOfService)
		require.Len(t, busy.Outages, 2)
		assert.Equal(t, "out of service: wanted 1 of [a, b], which cannot be had without what is disabled; "+
			"a is out of service, disabled by ann@bench since …, reason: smoke; b is out of service, disabled by ann@bench since …, reason: smoke", times.ReplaceAllString(err.Error(), "…"))

		// One that says so waits all the same, and gets it once it is enabled.
		go wait(true)
		synctest.Wait()
		assert.Empty(t, failed)
		require.NoError(t, holder.Release(t.Context()))
		require.NoError(t, second.Release(t.Context()))
		time.Sleep(time.Hour)
		assert.Empty(t, failed)
		_, err = l.Enable(t.Context(), "b")
		require.NoError(t, err)
		require.NoError(t, <-failed)
	})
}

// TestOutOfServiceBesideABusyOne: what another requirement waits for does not hide
// that this one can never be met.
func TestOutOfServiceBesideABusyOne(t *testing.T) {
	l := lockcore.New(memstore.New(nil), nil)
	defer l.Close()
	_, err := l.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{anyOf("held")}})
	require.NoError(t, err)
	outage(t, l, false, "b")
	// Each of the last two could be met alone.
	reqs := []lockcore.Requirement{anyOf("held"), anyOf("a", "b"), anyOf("a")}
	_, err = l.Acquire(t.Context(), lockcore.Request{Requirements: reqs})
	require.ErrorIs(t, err, lockcore.ErrOutOfService)
	_, err = l.TryAcquire(t.Context(), lockcore.Request{Requirements: reqs})
	require.ErrorIs(t, err, lockcore.ErrOutOfService)
	_, err = l.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{anyOf("held"), anyOf("a", "b")}})
	require.ErrorIs(t, err, lockcore.ErrBusy)
	require.NotErrorIs(t, err, lockcore.ErrOutOfService)
}

// TestReservationsOfOthers: what is not one's own is refused as a whole.
func TestReservationsOfOthers(t *testing.T) {
	l := lockcore.New(memstore.New(nil), nil)
	defer l.Close()
	reserve := func(user string, d time.Duration, keys ...string) {
		r := anyOf(keys...)
		r.Need = len(keys)
		_, err := l.Reserve(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{r}, For: d, Owner: lockcore.Owner{User: user}})
		require.NoError(t, err)
	}
	reserve("ann@bench", time.Hour, "a", "b")
	reserve("bob@desk", time.Hour, "c")
	_, err := l.EndReservation(t.Context(), "ann@bench", false, "a", "c")
	require.ErrorContains(t, err, "c is reserved by bob@desk")
	_, err = l.EndReservation(t.Context(), "ann@bench", false, "a", "d")
	require.ErrorIs(t, err, lockcore.ErrNotHeld)
	require.ErrorContains(t, err, "d is not reserved: not held; reserved are a, b, c")
	_, err = l.ExtendReservation(t.Context(), "ann@bench", false, time.Hour, "c")
	require.ErrorContains(t, err, "c is reserved by bob@desk")
	outage(t, l, false, "d")
	_, err = l.EndReservation(t.Context(), "ann@bench", true, "d")
	require.ErrorContains(t, err, "d is not reserved: d is out of service, disabled by ann@bench")
	s, err := l.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Len(t, s.Holders, 3, "nothing was given back")

	extended, err := l.ExtendReservation(t.Context(), "ann@bench", false, 3*time.Hour, "a")
	require.NoError(t, err)
	assert.Greater(t, extended[0].Expires.Sub(s.Time), 2*time.Hour)
	ended, err := l.EndReservation(t.Context(), "ann@bench", true, "a", "c")
	require.NoError(t, err)
	require.Len(t, ended, 2)
	assert.Equal(t, []string{"a"}, ended[0].Keys())
	_, err = l.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{anyOf("b")}})
	require.ErrorContains(t, err, "b is reserved by ann@bench")
}

// failsAt fails to end the reservation that its field names.
type failsAt struct {
	lockcore.Store
	key string
}

func (s failsAt) EndReservation(ctx context.Context, id string, keys []string) error {
	if slices.Contains(keys, s.key) {
		return errors.New("connection refused")
	}
	return s.Store.EndReservation(ctx, id, keys)
}

// TestReservationsEndOneByOne: when the store fails in between, those that were given back
// are told.
func TestReservationsEndOneByOne(t *testing.T) {
	l := lockcore.New(failsAt{memstore.New(nil), "b"}, nil)
	defer l.Close()
	for _, k := range []string{"a", "b", "c"} {
		_, err := l.Reserve(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{anyOf(k)}, For: time.Hour, Owner: lockcore.Owner{User: "ann"}})
		require.NoError(t, err)
	}
	ended, err := l.EndReservation(t.Context(), "ann", false, "a", "b", "c")
	require.EqualError(t, err, "lockcore: cannot give back b: connection refused; a was given back before")
	require.Len(t, ended, 1)
	assert.Equal(t, []string{"a"}, ended[0].Keys())
	s, err := l.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Len(t, s.Holders, 2)
	_, err = l.EndReservation(t.Context(), "ann", false, "b", "c")
	require.EqualError(t, err, "lockcore: cannot give back b: connection refused")
	_, err = l.Reserve(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{anyOf("a")}, For: time.Hour, Owner: lockcore.Owner{User: "ann"}})
	require.NoError(t, err)
	_, err = l.EndReservation(t.Context(), "ann", false, "a", "c", "b")
	require.EqualError(t, err, "lockcore: cannot give back b: connection refused; a, c were given back before")
}

func TestBadReservations(t *testing.T) {
	l := lockcore.New(memstore.New(nil), nil)
	defer l.Close()
	reqs := []lockcore.Requirement{anyOf("a")}
	_, err := l.Reserve(t.Context(), lockcore.Request{Requirements: reqs})
	assert.EqualError(t, err, "lockcore: reserve a: For is 0s, it must be above 0")
	_, err = l.Acquire(t.Context(), lockcore.Request{Requirements: reqs, For: time.Hour})
	assert.EqualError(t, err, "lockcore: a request with For is a reservation: it goes to Reserve")
	_, err = l.ExtendReservation(t.Context(), "", false, 0, "a")
	assert.EqualError(t, err, "lockcore: extend a by 0s: it must be above 0")
	_, err = l.Disable(t.Context(), lockcore.Outage{Keys: []string{"a", ""}})
	assert.EqualError(t, err, "lockcore: disable: no key, or an empty one")
	_, err = l.Disable(t.Context(), lockcore.Outage{Keys: []string{"a"}, For: -1})
	assert.EqualError(t, err, "lockcore: disable a: For is -1ns, it may not be negative")
	_, err = l.Enable(t.Context(), "a")
	assert.EqualError(t, err, "lockcore: enable a: not disabled: not held")
}
