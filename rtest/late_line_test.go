package rtest_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// lateStore puts a request in line when somebody has looked at the line twice, as a
// server does to which the process has to connect first.
type lateStore struct {
	lockcore.Store
	mu     sync.Mutex
	looks  int
	twice  chan struct{} // closed when somebody has looked twice
	inLine chan struct{} // closed when somebody saw a waiter
	once   sync.Once
}

func (s *lateStore) Ask(ctx context.Context, t *lockcore.Ticket, wake func(*lockcore.Grant)) (lockcore.Answer, error) {
	select {
	case <-s.twice:
	case <-ctx.Done():
		return lockcore.Answer{}, ctx.Err()
	}
	return s.Store.Ask(ctx, t, wake)
}

func (s *lateStore) Snapshot(ctx context.Context) (lockcore.Snapshot, error) {
	snap, err := s.Store.Snapshot(ctx)
	s.mu.Lock()
	if s.looks++; s.looks == 2 {
		close(s.twice)
	}
	s.mu.Unlock()
	if len(snap.Waiters) > 0 {
		s.once.Do(func() { close(s.inLine) })
	}
	return snap, err
}

// TestEventsTellWhenARequestJoinedTheLine has the store put the request in line late.
func TestEventsTellWhenARequestJoinedTheLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "events")
	t.Setenv("RTEST_EVENTS", dir)
	inner := memstore.New(nil)
	holder := lockcore.New(inner, nil)
	held, err := holder.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "b1"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	store := &lateStore{Store: inner, twice: make(chan struct{}), inLine: make(chan struct{})}
	locker := lockcore.New(store, nil)
	defer locker.Close()
	go func() {
		<-store.inLine
		held.Release(context.Background())
	}()
	f := fake("TestLate", func(f *fakeTB) { rtest.Acquire(f, rtest.R("b1"), rtest.Using(locker)) })
	if f.failed {
		t.Fatal(f.fatal)
	}
	for _, e := range readEvents(t, dir) {
		if e.Ev != eventlog.Queue || e.Test.Name != "TestLate" {
			continue
		}
		if e.Since.IsZero() || e.Since.After(e.Srv) || len(e.Blockers) != 1 {
			t.Errorf("in line since %v, as seen at %v, behind %v", e.Since, e.Srv, e.Blockers)
		}
		return
	}
	t.Error("no event tells of the wait")
}
