package quorumstore

import (
	"context"
	"testing"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"

	"github.com/resourcelocker/resourcelocker/internal/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
)

func BenchmarkStore(b *testing.B) {
	locktest.BenchmarkStore(b, harness(redistest.StartN(b, 3)))
}

// BenchmarkUncontended compares an acquisition and release of one key with that
// of redsync on the same servers, turn by turn, so that whatever else the
// machine does hits both. It reports the ratio.
func BenchmarkUncontended(b *testing.B) {
	for _, n := range []int{3, 5} {
		b.Run(map[int]string{3: "three", 5: "five"}[n], func(b *testing.B) { compare(b, redistest.StartN(b, n)) })
	}
}

func compare(b *testing.B, servers []*redistest.Server) {
	ctx := context.Background()
	s, err := Open(ctx, urlOf(servers), "bench")
	if err != nil {
		b.Fatal(err)
	}
	l := lockcore.New(s, nil)
	defer l.Close()
	pools := make([]redsyncredis.Pool, len(servers))
	for i, n := range s.nodes {
		pools[i] = goredis.NewPool(n.client)
	}
	mutexes := redsync.New(pools...)
	req := lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board"}}}}}
	ours := func() {
		le, err := l.Acquire(ctx, req)
		if err != nil {
			b.Fatal(err)
		}
		if err := le.Release(ctx); err != nil {
			b.Fatal(err)
		}
	}
	theirs := func() {
		m := mutexes.NewMutex("board-of-redsync", redsync.WithExpiry(30*time.Second))
		if err := m.LockContext(ctx); err != nil {
			b.Fatal(err)
		}
		if ok, err := m.UnlockContext(ctx); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
	const turn = 100
	var t1, t2 time.Duration
	ours()
	theirs()
	n := 0
	for b.Loop() {
		start := time.Now()
		for range turn {
			ours()
		}
		t1 += time.Since(start)
		start = time.Now()
		for range turn {
			theirs()
		}
		t2 += time.Since(start)
		n += turn
	}
	b.ReportMetric(float64(t1.Microseconds())/float64(n), "us/pair")
	b.ReportMetric(float64(t2.Microseconds())/float64(n), "us/redsync-pair")
	b.ReportMetric(float64(t1)/float64(t2), "ratio")
}
