package filestore

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
)

// stage is a directory on a clock that the test moves.
func stage(t *testing.T, f func(*testing.T, locktest.Stage)) { stageOf(t, false, f) }

// largeStage is the same, where every state is written as a large one.
func largeStage(t *testing.T, f func(*testing.T, locktest.Stage)) { stageOf(t, true, f) }

func stageOf(t *testing.T, large bool, f func(*testing.T, locktest.Stage)) {
	dir := t.TempDir()
	var now atomic.Int64 // the store's own checks read it, too
	now.Store(ticks())
	first, err := Open(t.Context(), dir, &Options{clock: now.Load, large: large}) // begins the state
	if err != nil {
		t.Fatal(err)
	}
	start := first.head.offset
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	var policy lockcore.QueuePolicy
	var delay time.Duration
	opened := make(map[string]*Store)
	as := func(proc string) *Store {
		if s := opened[proc]; s != nil {
			return s
		}
		s, err := Open(t.Context(), dir, &Options{Policy: policy, LockDelay: delay, clock: now.Load, large: large})
		if err != nil {
			t.Fatal(err)
		}
		opened[proc] = s
		return s
	}
	defer func() {
		for _, s := range opened {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	f(t, locktest.Stage{
		Open: func(p lockcore.QueuePolicy, d time.Duration) lockcore.Store {
			policy, delay = p, d
			return as("")
		},
		Now: func() time.Time { return time.Unix(0, start+now.Load()) },
		Pass: func(d time.Duration) {
			now.Add(int64(d))
			if err := as("").step(t.Context(), func(st *sched.State, now int64) { st.Tick(now, noChoice) }); err != nil {
				t.Fatal(err)
			}
		},
		As: func(proc string) lockcore.Store { return as(proc) },
		// As a kill does, the end of the process drops the lock on its file, and leaves
		// all files.
		Reap: func(proc string) {
			s := as(proc)
			delete(opened, proc)
			s.turn <- struct{}{}
			s.closed = true
			for _, f := range []*file{s.marked, s.alive} {
				if f != nil {
					f.unlock()
					f.close()
				}
			}
			<-s.turn
			s.end()
			s.loc.at().close()
			if _, err := as("").Snapshot(t.Context()); err != nil { // whoever looks next takes what it had
				t.Fatal(err)
			}
		},
	})
}

// What the scheduler does in its stories, the store does.
func TestStories(t *testing.T) {
	locktest.TestStories(t, "../internal/sched/testdata/stories", stage)
}

func TestStoriesInALargeState(t *testing.T) {
	locktest.TestStories(t, "../internal/sched/testdata/stories", largeStage)
}

// What the scheduler does at random, the store does.
func TestTraces(t *testing.T) {
	locktest.TestTraces(t, stage)
}

func TestTracesInALargeState(t *testing.T) {
	locktest.TestTraces(t, largeStage)
}
