package redisreport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/redisreport"
)

func key(k string) lockcore.Candidate { return lockcore.Candidate{Key: k} }

func TestCountsFromManyGoroutines(t *testing.T) {
	client := startRedis(t)
	r := redisreport.New(client, nil)
	var wg sync.WaitGroup
	for g := range 20 {
		wg.Go(func() {
			for range 200 {
				r.LockRequested(key(fmt.Sprint("board-", g%3)), key("chamber"))
				r.LockSuccess(time.Second, key("chamber"))
			}
		})
	}
	wg.Wait()
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	q := redisreport.Query{Client: client}
	for _, c := range []struct {
		value string
		a     redisreport.Aspect
		want  float64
	}{{"chamber", redisreport.RequestCount, 4000}, {"chamber", redisreport.AcquireWait, 4000}, {"board-0", redisreport.RequestCount, 1400}} {
		if f, err := q.Aspect(context.Background(), "key", c.value, c.a); err != nil || f != c.want {
			t.Errorf("%s of %s: %v, %v; want %v", c.a, c.value, f, err, c.want)
		}
	}
	if n := r.Dropped(); n != 0 {
		t.Errorf("dropped %d", n)
	}
}

func TestTagsThatBecomeOneCountOnce(t *testing.T) {
	client := startRedis(t)
	r := redisreport.New(client, nil)
	r.LockRequested(lockcore.Candidate{Key: "b1", Tags: map[string]string{"Model": "K64F", "model": "k64f", "MODEL": "k64f "}})
	r.LockRequested(lockcore.Candidate{Key: "not this", Tags: map[string]string{"key": "b2"}})
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	q := redisreport.Query{Client: client}
	if f, err := q.Aspect(context.Background(), "model", "k64f", redisreport.RequestCount); err != nil || f != 1 {
		t.Errorf("model: %v, %v; want 1", f, err)
	}
	// As in the original, a tag of that name stands for the key.
	if values, err := q.AllValues(context.Background(), "key"); err != nil || fmt.Sprint(values) != "[b1 b2]" {
		t.Errorf("keys: %q, %v", values, err)
	}
}

func TestManyValuesAreWrittenInParts(t *testing.T) {
	client := startRedis(t)
	r := redisreport.New(client, nil)
	var cs []lockcore.Candidate
	for i := range 1700 {
		cs = append(cs, lockcore.Candidate{Key: fmt.Sprint("b", i), Tags: map[string]string{fmt.Sprint("t", i%7): "x"}})
	}
	r.LockFailed(cs...)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	q := redisreport.Query{Client: client}
	values, err := q.AllValues(context.Background(), "key")
	if err != nil || len(values) != 1700 {
		t.Errorf("%d values, %v", len(values), err)
	}
	tags, err := q.AllTags(context.Background())
	if err != nil || len(tags) != 8 {
		t.Errorf("tags %q, %v", tags, err)
	}
}

func TestQueryTellsTyposFromZero(t *testing.T) {
	client := startRedis(t)
	r := redisreport.New(client, nil)
	r.LockRequested(key("b1"))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, q := context.Background(), redisreport.Query{Client: client}
	if f, err := q.Aspect(ctx, "key", "b1", redisreport.FailCount); err != nil || f != 0 {
		t.Errorf("never failed: %v, %v", f, err)
	}
	if _, err := q.Aspect(ctx, "key", "b11", redisreport.FailCount); !errors.Is(err, redisreport.ErrNoData) {
		t.Errorf("unknown value: %v", err)
	}
	if _, err := q.Aspect(ctx, "key", "b1", "lock_request_cuont"); err == nil {
		t.Error("an unknown aspect was read")
	}
	client.HSet(ctx, "key__b1", "lock_acquire_wait", "soon")
	if _, err := q.AllAspects(ctx, "key", "b1"); err == nil {
		t.Error("a sum that is no number was read")
	}
}

func TestAForeignKeyCostsOnlyItself(t *testing.T) {
	client := startRedis(t)
	client.Set(context.Background(), "key__b1", "a string", 0)
	r := redisreport.New(client, nil)
	r.LockSuccess(time.Second, key("b1"), key("b2"))
	if err := r.Close(); err == nil {
		t.Error("a sum that was refused was not reported")
	}
	if n := r.Dropped(); n != 2 {
		t.Errorf("dropped %d, want count and wait of b1", n)
	}
	q := redisreport.Query{Client: client}
	if f, err := q.Aspect(context.Background(), "key", "b2", redisreport.AcquireCount); err != nil || f != 1 {
		t.Errorf("b2: %v, %v", f, err)
	}
}

func TestRedisDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	client := redis.NewClient(&redis.Options{Addr: l.Addr().String(), MaxRetries: -1, Password: "hunter2"})
	defer client.Close()
	var told []error
	r := redisreport.New(client, &redisreport.Options{OnError: func(err error) { told = append(told, err) }})
	r.LockRequested(key("b1"))
	if err := r.Flush(); err == nil {
		t.Error("nothing was said")
	}
	if err := r.Flush(); err != nil {
		t.Errorf("said twice: %v", err)
	}
	if r.Dropped() != 1 || len(told) != 1 {
		t.Errorf("dropped %d, told %v", r.Dropped(), told)
	}
}

// A server that accepts and never answers holds up nobody for longer than the
// timeout, and counting not at all.
func TestRedisHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := redis.NewClient(&redis.Options{
			Dialer: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				t.Cleanup(func() { theirs.Close() })
				return ours, nil
			},
			ReadTimeout: time.Minute, WriteTimeout: time.Minute, MaxRetries: -1,
		})
		r := redisreport.New(client, &redisreport.Options{Timeout: 3 * time.Second, Limit: 10})
		start := time.Now()
		for i := range 50 {
			r.LockRequested(key(fmt.Sprint("b", i)))
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("counting took %v", d)
		}
		synctest.Wait() // the writer is stuck now
		for i := range 50 {
			r.LockRequested(key(fmt.Sprint("b", i)), key("b0"))
		}
		if n := r.Dropped(); n < 40 {
			t.Errorf("dropped %d: the limit does not hold", n)
		}
		if err := r.Close(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("Close took %v, want the timeout", d)
		}
		client.Close()
		// The writer ends with its connection; synctest would report it otherwise.
	})
}

// Flush ends although somebody counts without a pause.
func TestFlushWhileCounting(t *testing.T) {
	client := startRedis(t)
	r := redisreport.New(client, &redisreport.Options{Timeout: time.Minute})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				r.LockRequested(key(fmt.Sprint("busy-", i%1000)))
			}
		}
	})
	r.LockRequested(key("mine"))
	if err := r.Flush(); err != nil {
		t.Error(err)
	}
	q := redisreport.Query{Client: client}
	if f, err := q.Aspect(context.Background(), "key", "mine", redisreport.RequestCount); err != nil || f != 1 {
		t.Errorf("after Flush: %v, %v; want 1", f, err)
	}
	close(stop)
	wg.Wait()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestAfterClose(t *testing.T) {
	client := startRedis(t)
	r := redisreport.New(client, nil)
	if err := r.Close(); err != nil {
		t.Errorf("closing an idle reporter: %v", err)
	}
	r.LockRequested(key("late"))
	if n := r.Dropped(); n != 1 {
		t.Errorf("dropped %d, want 1", n)
	}
	if err := r.Close(); !errors.Is(err, redisreport.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if n := client.DBSize(context.Background()).Val(); n != 0 {
		t.Errorf("%d keys were written after Close", n)
	}
}

func TestNilReporterCountsNothing(t *testing.T) {
	var r *redisreport.Reporter
	r.LockRequested(key("b1"))
	if err := errors.Join(r.Flush(), r.Close()); err != nil || r.Dropped() != 0 {
		t.Error(err)
	}
}
