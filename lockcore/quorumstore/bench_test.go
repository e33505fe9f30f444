package quorumstore

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
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
	var one, other []time.Duration
	timed := func(f func()) (all []time.Duration) {
		for range turn {
			start := time.Now()
			f()
			all = append(all, time.Since(start))
		}
		return all
	}
	ours()
	theirs()
	for b.Loop() {
		one = append(one, timed(ours)...)
		other = append(other, timed(theirs)...)
	}
	report(b, one, other)
}

// report reports how the times compare. On a machine that is busy with something
// else, pauses of milliseconds swamp the means; a low percentile says what the
// work itself costs.
func report(b *testing.B, ours, theirs []time.Duration) {
	mean := func(all []time.Duration) float64 {
		var sum time.Duration
		for _, d := range all {
			sum += d
		}
		return float64(sum.Microseconds()) / float64(len(all))
	}
	percentile := func(all []time.Duration, p int) float64 {
		slices.Sort(all)
		return float64(all[len(all)*p/100])
	}
	b.ReportMetric(mean(ours), "us/pair")
	b.ReportMetric(mean(theirs), "us/redsync-pair")
	b.ReportMetric(mean(ours)/mean(theirs), "ratio")
	b.ReportMetric(percentile(ours, 50)/percentile(theirs, 50), "ratio-of-medians")
	b.ReportMetric(percentile(ours, 10)/percentile(theirs, 10), "ratio-of-p10")
}

// BenchmarkMakespan lets twelve clients hold two of five boards for 100 ms each,
// and reports how much longer that takes than it would with perfect planning:
// six rounds of two.
func BenchmarkMakespan(b *testing.B) {
	for _, c := range []struct {
		name            string
		servers, stores int
	}{
		{"three-servers-one-process", 3, 1},
		{"five-servers-one-process", 5, 1},
		{"three-servers-twelve-processes", 3, 12},
		{"five-servers-twelve-processes", 5, 12},
	} {
		b.Run(c.name, func(b *testing.B) { makespan(b, redistest.StartN(b, c.servers), c.stores) })
	}
}

func makespan(b *testing.B, servers []*redistest.Server, stores int) {
	ctx := context.Background()
	var lockers []*lockcore.Locker
	for range stores {
		s, err := Open(ctx, urlOf(servers), "makespan")
		if err != nil {
			b.Fatal(err)
		}
		l := lockcore.New(s, nil)
		defer l.Close()
		lockers = append(lockers, l)
	}
	var boards lockcore.Requirement
	for _, k := range []string{"a", "b", "c", "d", "e"} {
		boards.Candidates = append(boards.Candidates, lockcore.Candidate{Key: k})
	}
	boards.Need = 2
	const clients, hold = 12, 100 * time.Millisecond
	var sum time.Duration
	var calls int64
	n := 0
	for b.Loop() {
		before := commands(servers)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				le, err := lockers[i%len(lockers)].Acquire(ctx, lockcore.Request{Requirements: []lockcore.Requirement{boards}})
				if err != nil {
					b.Error(err)
					return
				}
				time.Sleep(hold)
				if err := le.Release(ctx); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		sum += time.Since(start)
		calls += commands(servers) - before
		n++
	}
	b.ReportMetric(float64(sum)/float64(n)/float64(clients/2*hold), "of-ideal")
	b.ReportMetric(float64(calls)/float64(n), "commands")
}

// commands is how many scripts the servers have run.
func commands(servers []*redistest.Server) (n int64) {
	for _, s := range servers {
		text, _ := s.Do("INFO", "commandstats").(string)
		for line := range strings.Lines(text) {
			if rest, ok := strings.CutPrefix(line, "cmdstat_evalsha:calls="); ok {
				calls, _, _ := strings.Cut(rest, ",")
				k, _ := strconv.ParseInt(calls, 10, 64)
				n += k
			}
		}
	}
	return n
}
