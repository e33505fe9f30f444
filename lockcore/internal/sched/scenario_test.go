package sched_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
)

// TestStories plays the stories under testdata/stories, which every store that
// serves in order plays as well. Rewrite their expectations with `go test -run
// Stories -rewrite`, and read the diff.
func TestStories(t *testing.T) {
	locktest.TestStories(t, "testdata/stories", func(t *testing.T, f func(*testing.T, locktest.Stage)) {
		s := &bareStore{t: t, waiters: make(map[string]waiter)}
		f(t, locktest.Stage{
			Open: func(p lockcore.QueuePolicy, delay time.Duration) lockcore.Store {
				s.state.Policy, s.state.LockDelay = p, delay
				return s
			},
			Now:  func() time.Time { return time.Unix(0, s.now) },
			Pass: func(d time.Duration) { s.now += int64(d); s.step(s.state.Tick) },
			As:   func(proc string) lockcore.Store { return &inProcess{s, proc} },
			Reap: func(proc string) {
				s.step(func(now int64, rnd sched.Rand) { s.state.Reap(now, func(p string) bool { return p == proc }, rnd) })
			},
			Polls: true,
		})
	})
}

// A bareStore is a state, and nothing else.
type bareStore struct {
	t       *testing.T
	state   sched.State
	before  *sched.State // that of the last step
	now     int64
	waiters map[string]waiter
}

type waiter struct {
	ticket *lockcore.Ticket
	wake   func(*lockcore.Grant)
}

// step runs one operation, tells those whom it got served, and puts the state through
// its encodings, so that every story is one about the codec, too.
func (s *bareStore) step(op func(now int64, rnd sched.Rand)) {
	op(s.now, func(n int) int { return n - 1 }) // a random order is that of the list
	for _, g := range s.state.TakeGranted() {
		if w, ok := s.waiters[g.ID]; ok {
			w.wake(s.state.Lease(g.ID, w.ticket)) // nil for who is to learn of what is out of service
		}
	}
	delay, history := s.state.LockDelay, s.state.History
	data := s.state.Append(nil)
	again, err := sched.Decode(data)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.before != nil {
		if err := s.before.Apply(s.state.AppendChanges(nil)); err != nil {
			s.t.Fatal(err)
		}
		if string(s.before.Append(nil)) != string(data) {
			s.t.Fatal("the state of before and the changes are another state")
		}
	}
	s.before, _ = sched.Decode(data)
	s.state = *again
	s.state.NoteChanges()
	s.state.LockDelay, s.state.History = delay, history
}

func (s *bareStore) Ask(_ context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	return s.ask(t, "", wake)
}

func (s *bareStore) ask(t *lockcore.Ticket, proc string, wake func(*lockcore.Grant)) (ans lockcore.Answer, err error) {
	s.waiters[t.ID] = waiter{t, wake}
	s.step(func(now int64, rnd sched.Rand) { ans.Grant, ans.Poll = s.state.Ask(now, t, proc, rnd) })
	ans.Disabled = s.state.Disabled(t.Requirements)
	return ans, nil
}

func (s *bareStore) Renew(_ context.Context, grants []*lockcore.Grant) ([]error, error) {
	errs := make([]error, len(grants))
	s.step(func(now int64, rnd sched.Rand) {
		for i, g := range grants {
			errs[i] = s.state.Renew(now, g, rnd)
		}
	})
	return errs, nil
}

func (s *bareStore) Release(_ context.Context, g *lockcore.Grant, keep time.Duration) (err error) {
	s.step(func(now int64, rnd sched.Rand) {
		if !s.state.Release(now, g.Ticket.ID, keep, g.Ending, rnd) {
			err = lockcore.ErrNotHeld
		}
	})
	return err
}

func (s *bareStore) Withdraw(_ context.Context, id string) error {
	s.step(func(now int64, rnd sched.Rand) { s.state.Withdraw(now, id, rnd) })
	return nil
}

func (s *bareStore) Free(_ context.Context, key, why string) (freed []lockcore.Holder, err error) {
	s.step(func(now int64, rnd sched.Rand) { freed = s.state.Free(now, key, why, rnd) })
	if freed == nil {
		err = fmt.Errorf("%q: %w", key, lockcore.ErrNotHeld)
	}
	return freed, err
}

func (s *bareStore) Snapshot(context.Context) (snap lockcore.Snapshot, err error) {
	s.step(func(now int64, rnd sched.Rand) { snap = s.state.Snapshot(now, rnd) })
	return snap, nil
}

func (s *bareStore) ExtendReservation(_ context.Context, id string, d time.Duration) (end time.Time, err error) {
	s.step(func(now int64, rnd sched.Rand) {
		at, ok := s.state.ExtendReservation(now, id, d, rnd)
		if end = time.Unix(0, at); !ok {
			err = lockcore.ErrNotHeld
		}
	})
	return end, err
}

func (s *bareStore) EndReservation(_ context.Context, id string, keys []string) (err error) {
	s.step(func(now int64, rnd sched.Rand) {
		if !s.state.EndReservation(now, id, keys, rnd) {
			err = lockcore.ErrNotHeld
		}
	})
	return err
}

func (s *bareStore) Disable(_ context.Context, o lockcore.Outage) (held []lockcore.Holder, err error) {
	s.step(func(now int64, rnd sched.Rand) { held = s.state.Disable(now, &o, rnd) })
	return held, nil
}

func (s *bareStore) Enable(_ context.Context, keys []string) (enabled []lockcore.Holder, err error) {
	s.step(func(now int64, rnd sched.Rand) { enabled = s.state.Enable(now, keys, rnd) })
	return enabled, nil
}

func (s *bareStore) Close() error   { return nil }
func (s *bareStore) String() string { return "the scheduler" }

// inProcess is a client in a process.
type inProcess struct {
	*bareStore
	proc string
}

func (s *inProcess) Ask(_ context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	return s.ask(t, s.proc, wake)
}
