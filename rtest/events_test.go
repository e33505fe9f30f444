package rtest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/eventlog/redisstream"
	"github.com/resourcelocker/resourcelocker/report/redisreport"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// recorded reads all events of the lab, in order.
func (l *lab) recorded(t *testing.T) []eventlog.Event {
	t.Helper()
	return readEvents(t, l.events)
}

func (l *lab) grants(t *testing.T) []eventlog.Event {
	return slices.DeleteFunc(l.recorded(t), func(e eventlog.Event) bool { return e.Ev != eventlog.Grant })
}

// kinds words what happened to requests of a test.
func kinds(events []eventlog.Event, test string) string {
	var out []string
	for _, e := range events {
		if e.Test.Name == test {
			out = append(out, strings.TrimSpace(string(e.Ev)+" "+string(e.Outcome)))
		}
	}
	return strings.Join(out, ", ")
}

func readEvents(t *testing.T, dir string) []eventlog.Event {
	t.Helper()
	out, stats := eventsSoFar(t, dir)
	if stats.Garbage+stats.Newer > 0 { // torn ones are what killed processes leave
		t.Error(stats.Warning())
	}
	return out
}

// eventsSoFar reads what may still be written.
func eventsSoFar(t *testing.T, dir string) (out []eventlog.Event, stats eventlog.Stats) {
	t.Helper()
	var r eventlog.Reader
	for e, err := range r.Events(dir) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out, r.Stats
}

var taggedBoards = rtest.R(board{"b1", 1}, board{"b2", 2}).Key(func(b board) string { return b.Name }).Named("boards").
	Tags(func(b board) map[string]string {
		return map[string]string{"kind": "board", "port": fmt.Sprint(b.Port)}
	})

// tellStory has one test hold what another gives up at once and a third one waits
// for, and returns what is on record then.
func tellStory(t *testing.T) []eventlog.Event {
	dir := filepath.Join(t.TempDir(), "events")
	t.Setenv("RTEST_EVENTS", dir)
	use := rtest.Using(newLocker(t))
	fake("StoryHolder", func(f *fakeTB) {
		lease := rtest.Acquire(f, taggedBoards.Need(2), use, rtest.Priority(2), rtest.TTL(20*time.Second))
		skipped := fake("StoryHasty", func(f *fakeTB) { rtest.Acquire(f, taggedBoards, use, rtest.Wait(0), rtest.OnBusy(rtest.Skip)) })
		mustContain(t, skipped.skipped, "busy")
		done := make(chan struct{})
		go func() {
			defer close(done)
			fake("StoryWaiter", func(f *fakeTB) {
				rtest.Acquire(f, rtest.R("chamber"), use)
				rtest.Acquire(f, taggedBoards, use)
			})
		}()
		for { // until somebody has looked who is in the way
			if soFar, _ := eventsSoFar(t, dir); strings.Contains(kinds(soFar, "StoryWaiter"), "queue") {
				break
			}
			yield()
		}
		lease.Release()
		<-done
	})
	return readEvents(t, dir)
}

// nth is the n-th event of a kind that tells of a test.
func nth(t *testing.T, events []eventlog.Event, test string, ev eventlog.Kind, n int) eventlog.Event {
	t.Helper()
	for _, e := range events {
		if e.Test.Name == test && e.Ev == ev {
			if n--; n == 0 {
				return e
			}
		}
	}
	t.Fatalf("no %s of %s", ev, test)
	return eventlog.Event{}
}

func TestEventsTellTheStory(t *testing.T) {
	events := tellStory(t)
	for test, want := range map[string]string{
		"StoryHolder": "test.start, request, grant acquired, release, test.end",
		"StoryHasty":  "test.start, request, withdraw skipped, test.end",
		"StoryWaiter": "test.start, request, grant acquired, request, queue, grant acquired, release, release, test.end",
	} {
		if got := kinds(events, test); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", test, got, want)
		}
	}

	find := func(test string, ev eventlog.Kind, n int) eventlog.Event {
		t.Helper()
		return nth(t, events, test, ev, n)
	}
	asked := find("StoryHolder", eventlog.Request, 1)
	if r := asked.Reqs[0]; r.Name != "boards" || r.Need != 2 || strings.Join(r.Candidates, " ") != "b1 b2" || !maps.Equal(r.Tags, map[string]string{"kind": "board"}) {
		t.Errorf("requirement: %+v", r)
	}
	if asked.Priority != 2 || asked.LeaseMS.Duration() != 20*time.Second || asked.Policy != "fail" || asked.Deadline.Before(time.Now()) || asked.Parent != "" {
		t.Errorf("request: %+v", asked)
	}
	if asked.Test.Pkg != "github.com/resourcelocker/resourcelocker/rtest" || filepath.Base(asked.Test.File) != "events_test.go" || asked.Test.Line == 0 || asked.Test.Attempt < 1 {
		t.Errorf("test: %+v", asked.Test)
	}
	grant := find("StoryHolder", eventlog.Grant, 1)
	if len(grant.Chosen) != 2 || grant.Chosen[0].Tags["kind"] != "board" || grant.Chosen[0].Fence == 0 || grant.Req != asked.Req {
		t.Errorf("grant: %+v", grant)
	}
	queue := find("StoryWaiter", eventlog.Queue, 1)
	if b := queue.Blockers; len(b) != 2 || b[0].Test != "StoryHolder" || b[0].Req != asked.Req || b[0].Key != "b1" || b[0].State != "" || queue.QueuePos != 1 || queue.WaitedMS == 0 || queue.Srv.IsZero() {
		t.Errorf("queue: %+v", queue)
	}
	nested := find("StoryWaiter", eventlog.Request, 2)
	if outer := find("StoryWaiter", eventlog.Request, 1); nested.Parent != outer.Req {
		t.Errorf("the parent of the second request is %q, want %q", nested.Parent, outer.Req)
	}
	if late := find("StoryWaiter", eventlog.Grant, 2); late.WaitedMS < queue.WaitedMS {
		t.Errorf("granted after %s, queued after %s", late.WaitedMS.Duration(), queue.WaitedMS.Duration())
	}
	if e := find("StoryHasty", eventlog.Withdraw, 1); e.Refusal != eventlog.RefusedBusy || len(e.Blockers) != 2 || e.Policy != "skip" || !strings.Contains(e.Error, "busy") {
		t.Errorf("withdraw: %+v", e)
	}
	if e := find("StoryHolder", eventlog.Release, 1); e.HeldMS == 0 || e.Req != asked.Req {
		t.Errorf("release: %+v", e)
	}
}

// TestEventsTellWhoWasServedEarly has a soak test hold one of two boards for long,
// a pair wait for both, and a smoke test be let past the pair.
func TestEventsTellWhoWasServedEarly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "events")
	t.Setenv("RTEST_EVENTS", dir)
	locker := newLocker(t)
	use := rtest.Using(locker)
	fake("EarlySoak", func(f *fakeTB) {
		soak := rtest.Acquire(f, rtest.R("b1"), use, rtest.Expect(time.Hour))
		done := make(chan struct{})
		go func() {
			defer close(done)
			fake("EarlyPair", func(f *fakeTB) { rtest.Acquire(f, rtest.R("b1", "b2").Need(2), use) })
		}()
		for { // until the pair is in line
			if s, err := locker.Snapshot(t.Context()); err != nil || len(s.Waiters) > 0 {
				break
			}
			yield()
		}
		fake("EarlySmoke", func(f *fakeTB) { rtest.Acquire(f, rtest.R("b2"), use, rtest.Expect(time.Minute)) })
		soak.Release()
		<-done
	})
	early, expect := map[string]bool{}, map[string]eventlog.MS{}
	for _, e := range readEvents(t, dir) {
		switch e.Ev {
		case eventlog.Request:
			expect[e.Test.Name] = e.ExpectMS
		case eventlog.Grant:
			early[e.Test.Name] = e.Backfilled
		}
	}
	if want := map[string]bool{"EarlySoak": false, "EarlyPair": false, "EarlySmoke": true}; !maps.Equal(early, want) {
		t.Errorf("served early: %v, want %v", early, want)
	}
	if want := map[string]eventlog.MS{"EarlySoak": eventlog.MS(time.Hour), "EarlyPair": 0, "EarlySmoke": eventlog.MS(time.Minute)}; !maps.Equal(expect, want) {
		t.Errorf("expected holds: %v, want %v", expect, want)
	}
}

func TestEventsGoToAStream(t *testing.T) {
	target := "redis://" + miniredis.RunT(t).Addr()
	t.Setenv("RTEST_EVENTS", target)
	fake("StreamHolder", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Using(newLocker(t))) })
	var events []eventlog.Event
	for e, err := range redisstream.Read(t.Context(), target, "", &eventlog.Reader{}) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	if got, want := kinds(events, "StreamHolder"), "test.start, request, grant acquired, release, test.end"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Events that cannot be written cost a line on standard error, and nothing else.
func TestUnwritableEventsFailNoTest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RTEST_EVENTS", filepath.Join(file, "events"))
	f := fake("TestAny", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Using(newLocker(t))) })
	if f.failed {
		t.Error(f.fatal, f.errors)
	}
}

// A failed renewal is on record though the lease lives on.
func TestRenewalsThatFailAreOnRecord(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RTEST_EVENTS", dir)
	store := &flakyRenew{Store: memstore.New(nil), broke: make(chan struct{})}
	l := rtest.NewWatchedLocker(store)
	fake("TestHolder", func(f *fakeTB) {
		rtest.Acquire(f, rtest.R("a"), rtest.Using(l), rtest.TTL(4*time.Second))
		<-store.broke
	})
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	i := slices.IndexFunc(readEvents(t, dir), func(e eventlog.Event) bool { return e.Ev == eventlog.RenewFail })
	if i < 0 {
		t.Error("nothing on record")
	}
}

func TestSumsForTheOriginalsQuery(t *testing.T) {
	server := miniredis.RunT(t)
	t.Setenv("RTEST_REPORT", "redis://"+server.Addr()+"/1")
	use := rtest.Using(newLocker(t))
	fake("TestHolder", func(f *fakeTB) {
		rtest.Acquire(f, taggedBoards.Need(2), use)
		fake("TestHasty", func(f *fakeTB) { rtest.Acquire(f, taggedBoards, use, rtest.Wait(0)) })
	})
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), DB: 1})
	defer client.Close()
	q := redisreport.Query{Client: client}
	for _, c := range []struct {
		aspect redisreport.Aspect
		want   float64
	}{{redisreport.RequestCount, 4}, {redisreport.AcquireCount, 2}, {redisreport.FailCount, 2}, {redisreport.ReleaseCount, 2}} {
		if got, err := q.Aspect(context.Background(), "kind", "board", c.aspect); err != nil || got != c.want {
			t.Errorf("%s is %v (%v), want %v", c.aspect, got, err, c.want)
		}
	}
}

func TestUnusableSumsFailNoTest(t *testing.T) {
	t.Setenv("RTEST_REPORT", "redis://user:secret@127.0.0.1:1/x/y")
	f := fake("TestAny", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Using(newLocker(t))) })
	if f.failed {
		t.Error(f.fatal, f.errors)
	}
}

// flakyRenew is a store whose first renewal fails.
type flakyRenew struct {
	lockcore.Store
	once  sync.Once
	broke chan struct{} // closed after it
}

func (s *flakyRenew) Renew(ctx context.Context, grants []*lockcore.Grant) (errs []error, err error) {
	first := false
	s.once.Do(func() { first = true })
	if !first {
		return s.Store.Renew(ctx, grants)
	}
	defer close(s.broke)
	return nil, errors.New("connection reset")
}
