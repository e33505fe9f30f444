package redisstore_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// A crowd of waiters for any of the keys, of which each uses what it gets for a moment.
type crowd struct {
	all  sync.WaitGroup
	uses map[string]*atomic.Int64 // by key
}

func newCrowd(t *testing.T, url string, n int, keys ...string) *crowd {
	c := &crowd{uses: make(map[string]*atomic.Int64)}
	users := make(map[string]*atomic.Int64) // now
	for _, k := range keys {
		c.uses[k], users[k] = new(atomic.Int64), new(atomic.Int64)
	}
	var l *lockcore.Locker
	for i := range n {
		if i%5 == 0 { // as many of one process
			l = locker(t, openURL(t, url, redisstore.Options{}))
		}
		l := l
		c.all.Go(func() {
			le, err := l.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, keys...)}, TTL: time.Minute, WaitForDisabled: true, Owner: lockcore.Owner{Test: fmt.Sprint("waiter ", i)}})
			if err != nil {
				t.Error(err)
				return
			}
			k := le.Keys()[0]
			if n := users[k].Add(1); n > 1 {
				t.Errorf("%d have %s", n, k)
			}
			c.uses[k].Add(1)
			users[k].Add(-1)
			if err := le.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	return c
}

const atOnce = 20 // waiters

func disabledKeys(t *testing.T, st lockcore.Store) (keys []string) {
	t.Helper()
	var snap lockcore.Snapshot
	await(t, "the new master answers", func() (ok bool) {
		var err error
		snap, err = st.Snapshot(t.Context())
		return err == nil
	})
	for _, h := range snap.Holders {
		if h.State == "disabled" {
			keys = append(keys, h.Keys()...)
		}
	}
	return keys
}

// A board that was taken out of service while many wait for it stays so across a
// fail-over: they share the other one.
func TestOutageSurvivesFailover(t *testing.T) {
	t.Parallel()
	g := redistest.StartSentinel(t, 1)
	st := openURL(t, g.URL(), redisstore.Options{})
	l := locker(t, st)
	bad := acquire(t, l, request(time.Minute, of(1, "bad")))
	good := acquire(t, l, request(time.Minute, of(1, "good")))
	c := newCrowd(t, g.URL(), atOnce, "bad", "good")
	waiters(t, st, atOnce)
	if _, err := locker(t, openURL(t, g.URL(), redisstore.Options{MinReplicas: 1})).Disable(t.Context(), lockcore.Outage{Keys: []string{"bad"}, Owner: lockcore.Owner{User: "ann@bench"}, Reason: "smoke"}); err != nil {
		t.Fatal(err)
	}
	g.Master.Kill()
	g.Failed()
	handOver(t, st, bad)
	handOver(t, st, good)
	c.all.Wait()
	if bad, good := c.uses["bad"].Load(), c.uses["good"].Load(); bad != 0 || good != atOnce {
		t.Errorf("%d got the board that is out of service, %d the other one", bad, good)
	}
	if out := disabledKeys(t, st); len(out) != 1 || out[0] != "bad" {
		t.Errorf("disabled: %q", out)
	}
	if _, err := l.Enable(t.Context(), "bad"); err != nil {
		t.Fatal(err)
	}
	release(t, acquire(t, l, request(time.Minute, of(1, "bad"))))
}

// An outage that the replica does not have is over after the fail-over, and whoever
// asks for enough replicas is told so before. Nobody has a board that another has.
func TestOutageThatFailoverLoses(t *testing.T) {
	t.Parallel()
	g := redistest.StartLinkedSentinel(t)
	st := openURL(t, g.URL(), redisstore.Options{})
	l := locker(t, st)
	bad := acquire(t, l, request(time.Minute, of(1, "bad")))
	if _, err := l.Reserve(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{of(1, "desk")}, For: time.Hour, Owner: lockcore.Owner{User: "ann@bench"}}); err != nil {
		t.Fatal(err)
	}
	c := newCrowd(t, g.URL(), atOnce, "bad")
	waiters(t, st, atOnce)
	g.Master.Do("WAIT", 1, 0)
	await(t, "the replica has it", func() bool {
		return g.Replicas[0].Info("replication", "slave_repl_offset") == g.Master.Info("replication", "master_repl_offset")
	})
	g.Link.Blackhole(redistest.ToClient)
	careful := locker(t, openURL(t, g.URL(), redisstore.Options{MinReplicas: 1}))
	_, err := careful.Disable(t.Context(), lockcore.Outage{Keys: []string{"other", "bad"}, Reason: "smoke"})
	if err == nil || !strings.Contains(err.Error(), "0 of min_replicas=1 replicas have the outage") {
		t.Errorf("an outage that no replica has: %v", err)
	}
	_, err = careful.ExtendReservation(t.Context(), "ann@bench", false, 2*time.Hour, "desk")
	if err == nil || !strings.Contains(err.Error(), "0 of min_replicas=1 replicas have the end of the reservation") {
		t.Errorf("a longer reservation that no replica has: %v", err)
	}
	g.Master.Kill()
	g.Failed()
	handOver(t, st, bad)
	c.all.Wait()
	if n := c.uses["bad"].Load(); n != atOnce {
		t.Errorf("%d got the board", n)
	}
	if out := disabledKeys(t, st); len(out) != 0 {
		t.Errorf("disabled: %q", out)
	}
}
