package lockcore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

var errDown = errors.New("connection refused")

func TestFirstAskFailsAtOnceAndSaysWhere(t *testing.T) {
	f := newFaulty()
	f.onAsk = func(int, *lockcore.Ticket) error { return errDown }
	l := lockcore.New(f, nil)
	_, err := l.Acquire(t.Context(), one("board"))
	require.ErrorIs(t, err, errDown)
	assert.EqualError(t, err, "lockcore: cannot ask mem: for board: connection refused")
	require.NoError(t, l.Close())
	assert.Equal(t, 1, f.made("Ask"))
}

func TestAWaiterOutlivesAStoreThatIsDownForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		l := lockcore.New(f, nil)
		first, err := l.Acquire(t.Context(), one("board"))
		require.NoError(t, err)
		down := time.Now().Add(time.Hour)
		f.onAsk = func(n int, _ *lockcore.Ticket) error {
			if n > 2 && time.Now().Before(down) {
				return errDown
			}
			return nil
		}
		start := time.Now()
		down = start.Add(25 * time.Second)
		got := make(chan error, 1)
		go func() {
			le, err := l.Acquire(t.Context(), one("board"))
			if err == nil {
				err = le.Release(t.Context())
			}
			got <- err
		}()
		synctest.Wait()
		require.NoError(t, first.Release(t.Context()))
		require.NoError(t, <-got)
		require.NoError(t, l.Close())
	})
}

func TestAWaiterGivesUpOnAStoreThatStaysDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		l := lockcore.New(f, nil)
		first, err := l.Acquire(t.Context(), one("board"))
		require.NoError(t, err)
		f.onAsk = func(n int, _ *lockcore.Ticket) error {
			if n > 2 {
				return errDown
			}
			return nil
		}
		start := time.Now()
		var told []string
		req := one("board")
		req.OnWait = func(e *lockcore.BusyError) { told = append(told, e.Brief(), e.Standing()) }
		_, err = l.Acquire(t.Context(), req)
		require.ErrorIs(t, err, errDown)
		assert.ErrorContains(t, err, "lost mem: while waiting")
		require.Len(t, told, 8, "after 1, 5, 15 and 30 s")
		assert.Contains(t, told[0], "board is held by")
		for i, lasts := range []string{"15s", "30s"} {
			want := "; the store has not answered for " + lasts + ": connection refused"
			assert.Equal(t, []string{want, want}, told[4+2*i:6+2*i])
		}
		assert.Greater(t, time.Since(start), 30*time.Second)
		assert.Less(t, time.Since(start), 40*time.Second, "on the clock of the bubble")
		require.NoError(t, first.Release(t.Context()))
		require.NoError(t, l.Close())
	})
}

func TestNoticesComeEverMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lockcore.New(newFaulty(), &lockcore.Options{Owner: lockcore.Owner{Test: "TestHolder", Host: "lab-pc", PID: 7}})
		first, err := l.Acquire(t.Context(), one("board"))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		start := time.Now()
		var at []time.Duration
		req := one("board")
		req.OnWait = func(e *lockcore.BusyError) {
			at = append(at, time.Since(start))
			assert.Equal(t, 1, e.Position)
			assert.True(t, e.Since.Equal(start), "in line since %v", e.Since)
			assert.Equal(t, "TestHolder", e.Blockers[0].Holder.Test)
		}
		_, err = l.Acquire(ctx, req)
		var busy *lockcore.BusyError
		require.ErrorAs(t, err, &busy)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 5*time.Minute, busy.Waited)
		s, m := time.Second, time.Minute
		assert.Equal(t, []time.Duration{s, 5 * s, 15 * s, 30 * s, m, 2 * m, 4 * m}, at)
		assert.Regexp(t, `^gave up after 5m0s waiting for board \(context deadline exceeded\); 1st in line; board is held by TestHolder \(lab-pc, pid 7\) since \S+ \(5m0s ago\), lease until \S+ \(in \d+s\) unless renewed$`,
			strings.ReplaceAll(err.Error(), ".", ""))
		require.NoError(t, first.Release(t.Context()))
		require.NoError(t, l.Close())
	})
}

func TestDiscoveryGoesOnWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lockcore.New(newFaulty(), nil)
		first, err := l.Acquire(t.Context(), one("old"))
		require.NoError(t, err)
		req := one("old")
		rounds := 0
		req.Rediscover = func(context.Context) ([]lockcore.Requirement, error) {
			rounds++
			switch rounds {
			case 1:
				return nil, errors.New("the inventory is down")
			case 2:
				return []lockcore.Requirement{keysOf(1, "twice", "twice")}, nil
			}
			return []lockcore.Requirement{keysOf(1, "old", "new")}, nil
		}
		start := time.Now()
		le, err := l.Acquire(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, []string{"new"}, le.Keys())
		assert.Equal(t, 3, rounds, "an error and a bad list leave what is wanted as it was")
		assert.Equal(t, 15*time.Second, time.Since(start).Round(time.Second))
		require.NoError(t, le.Release(t.Context()))
		require.NoError(t, first.Release(t.Context()))
		require.NoError(t, l.Close())
	})
}

// pushed has a waiter that the store hands its grant, and reports how often the
// waiter asked until it had its lease.
func pushed(t *testing.T, window, wait time.Duration, latest uint64) (asks int, renewals int) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaulty()
		f.change = func(ans *lockcore.Answer) {
			ans.Window = window
			ans.Latest = latest
			ans.Poll = time.Hour
		}
		f.wakeWith = func(tk *lockcore.Ticket) *lockcore.Grant {
			return &lockcore.Grant{Ticket: tk, Obtained: [][]string{{"board"}}, Token: 2}
		}
		l := lockcore.New(f, nil)
		req := one("board")
		req.TTL = time.Hour
		first, err := l.Acquire(t.Context(), req)
		require.NoError(t, err)
		done := make(chan *lockcore.Lease)
		go func() {
			// The poll is an hour away; the test keeps the ticket alive.
			le, err := l.Acquire(t.Context(), req)
			assert.NoError(t, err)
			done <- le
		}()
		time.Sleep(wait)
		before := f.made("Ask")
		require.NoError(t, first.Release(t.Context()))
		le := <-done
		synctest.Wait()
		asks, renewals = f.made("Ask")-before, f.made("Renew")
		require.NoError(t, le.Release(t.Context()))
		require.NoError(t, l.Close())
	})
	return asks, renewals
}

func TestAFreshGrantIsUsedUnasked(t *testing.T) {
	asks, renewals := pushed(t, 5*time.Second, time.Second, 1)
	assert.Equal(t, 0, asks, "the grant came with the hint, and is younger than its window")
	assert.Equal(t, 1, renewals, "it is confirmed at once by a renewal")
}

func TestAnOldGrantIsAskedFor(t *testing.T) {
	asks, _ := pushed(t, 5*time.Second, 6*time.Second, 1)
	assert.Equal(t, 1, asks, "the last ask is longer ago than the grant is good for")
}

// A process that was stopped may read the message about a grant after it has been
// told that it stands in line anew: by then the grant is somebody else's.
func TestAGrantFromBeforeTheAnswerIsAskedFor(t *testing.T) {
	asks, _ := pushed(t, 5*time.Second, time.Second, 2)
	assert.Equal(t, 1, asks, "the token is no higher than the latest at the last answer")
}

func TestAnEndedContextAsksNothing(t *testing.T) {
	f := newFaulty()
	l := lockcore.New(f, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Acquire(ctx, one("board"))
	require.ErrorIs(t, err, lockcore.ErrBusy)
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, f.made("Ask"))
	require.NoError(t, l.Close())
}

func TestBadRequestsAskNothing(t *testing.T) {
	f := newFaulty()
	l := lockcore.New(f, nil)
	for msg, req := range map[string]lockcore.Request{
		`lockcore: requirement 3 of boards [a, b]: need is 3, but it has only 2 candidates: request can never be satisfied`: {
			Requirements: []lockcore.Requirement{func() lockcore.Requirement { r := keysOf(3, "a", "b"); r.Name = "boards"; return r }()}},
		`lockcore: requirement 1 of [a, a]: candidate a is listed twice: request can never be satisfied`: {
			Requirements: []lockcore.Requirement{keysOf(1, "a", "a")}},
		`lockcore: 2 of [a, b] and b cannot be had together, even with all of them free: the requirements overlap: request can never be satisfied`: {
			Requirements: []lockcore.Requirement{keysOf(2, "a", "b"), keysOf(1, "b")}},
		`lockcore: TTL is -1s, Expect is 0s and Waited is 0s: none may be negative`: {TTL: -time.Second},
	} {
		_, err := l.Acquire(t.Context(), req)
		assert.EqualError(t, err, msg)
	}
	assert.Zero(t, f.made("Ask"))
	require.NoError(t, l.Close())
}

func TestDuplicatesInALongListAreFoundWhenItHasToWait(t *testing.T) {
	var keys []string
	for range 100 {
		keys = append(keys, "same")
	}
	l := lockcore.New(newFaulty(), nil)
	_, err := l.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{keysOf(2, keys...)}})
	require.ErrorIs(t, err, lockcore.ErrUnsatisfiable)
	s, err := l.Snapshot(t.Context())
	require.NoError(t, err)
	assert.Empty(t, s.Waiters)
	require.NoError(t, l.Close())
}

func TestMessagesBoundAndQuoteWhatTheyList(t *testing.T) {
	var cands []string
	for i := range 20 {
		cands = append(cands, "b"+strings.Repeat("x", i))
	}
	r := keysOf(2, cands...)
	assert.Equal(t, "2 of [b, bx, bxx, bxxx, bxxxx, … 15 more]", r.String())
	assert.Equal(t, `1 of ["a b", "new\nline", "q\"uote", plain/slash, Ä]`, keysOf(1, "a b", "new\nline", `q"uote`, "plain/slash", "Ä").String())
	long := keysOf(1, strings.Repeat("k", 10_000))
	assert.Less(t, len(long.String()), 200)
	e := &lockcore.BusyError{Requirements: []lockcore.Requirement{keysOf(1, "a")}, Position: 22}
	for range 8 {
		e.Blockers = append(e.Blockers, lockcore.Blocker{Key: "a", State: "waiting", Holder: lockcore.Owner{Test: "TestX"}})
	}
	assert.Contains(t, e.Error(), "22nd in line")
	assert.True(t, strings.HasSuffix(e.Error(), "; and 3 more"), e.Error())
	assert.Equal(t, 5, strings.Count(e.Error(), "claimed by TestX"))
}

func TestOwnersAreCompletedByTheLocker(t *testing.T) {
	l := lockcore.New(newFaulty(), &lockcore.Options{Owner: lockcore.Owner{Test: "default", Run: "812", PID: 1}})
	req := one("a")
	req.Owner = lockcore.Owner{Test: "own"}
	_, err := l.Acquire(t.Context(), req)
	require.NoError(t, err)
	s, err := l.Snapshot(t.Context())
	require.NoError(t, err)
	o := s.Holders[0].Owner
	assert.Equal(t, []any{"own", "812", 1}, []any{o.Test, o.Run, o.PID})
	assert.NotEmpty(t, o.Host)
	require.NoError(t, l.Close())
	assert.False(t, slices.ContainsFunc(s.Holders, func(h lockcore.Holder) bool { return h.State != "held" }))
}

// TestExpectedStart: a request says when it is expected to be served, waiting or
// not; a person's reservation has an end, and nothing is known of other holders.
func TestExpectedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lockcore.New(memstore.New(nil), nil)
		defer l.Close()
		board := []lockcore.Requirement{keysOf(1, "board")}
		r, err := l.Reserve(t.Context(), lockcore.Request{Requirements: board, For: 4 * time.Minute, Owner: lockcore.Owner{User: "ann@bench"}})
		require.NoError(t, err)
		told := make(chan *lockcore.BusyError, 10)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, _ = l.Acquire(ctx, lockcore.Request{Requirements: board, Expect: 2 * time.Minute, OnWait: func(e *lockcore.BusyError) { told <- e }})
		}()
		e := <-told
		assert.Equal(t, r.Expires, e.Start)
		assert.Contains(t, e.Standing(), "; 1st in line, expected in about 4 min; board is reserved by ann@bench")

		_, err = l.TryAcquire(t.Context(), lockcore.Request{Requirements: board})
		require.ErrorAs(t, err, &e)
		assert.Equal(t, r.Expires.Add(2*time.Minute), e.Start)
		s, err := l.Snapshot(t.Context())
		require.NoError(t, err)
		assert.Equal(t, r.Expires, s.Waiters[0].Start)
		cancel()
		synctest.Wait()

		_, err = l.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{keysOf(1, "other")}})
		require.NoError(t, err)
		_, err = l.TryAcquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{keysOf(1, "other")}})
		require.ErrorAs(t, err, &e)
		assert.Zero(t, e.Start)
		assert.NotContains(t, err.Error(), "expected")
	})
}
