package filestore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
)

func BenchmarkStore(b *testing.B) {
	dir := b.TempDir()
	locktest.BenchmarkStore(b, locktest.Harness{Open: func(t testing.TB, namespace string) lockcore.Store {
		s, err := Open(context.Background(), dir, &Options{Namespace: namespace})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}})
}

func pool(name string, n, need int) lockcore.Requirement {
	r := lockcore.Requirement{Name: name, Need: need}
	for i := range n {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: fmt.Sprintf("%s-%d", name, i)})
	}
	return r
}

// pair acquires and releases.
func pair(b *testing.B, l *lockcore.Locker, reqs ...lockcore.Requirement) {
	le, err := l.Acquire(context.Background(), lockcore.Request{Requirements: reqs})
	if err != nil {
		b.Fatal(err)
	}
	if err := le.Release(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// compare runs two things in turn, many times in small batches, so that a noisy
// machine disturbs both alike, and reports the ratio of the medians.
func compare(b *testing.B, metric string, measured, base func()) {
	const batch = 50
	var m, n []time.Duration
	time1 := func(f func()) time.Duration {
		start := time.Now()
		for range batch {
			f()
		}
		return time.Since(start) / batch
	}
	for b.Loop() {
		m, n = append(m, time1(measured)), append(n, time1(base))
	}
	b.ReportMetric(float64(median(m))/float64(median(n)), metric)
	b.ReportMetric(float64(median(m)), "ns/measured")
	b.ReportMetric(float64(median(n)), "ns/base")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkAgainstBareLock compares "2 of 5 and one" with what a tool without
// state would do: open, flock, unlock and close a file.
func BenchmarkAgainstBareLock(b *testing.B) {
	dir := b.TempDir()
	l := lockcore.New(open(b, dir), nil)
	board, chamber := pool("board", 5, 2), pool("chamber", 1, 1)
	acquire := func() { pair(b, l, board, chamber) }
	b.Run("syscalls", func(b *testing.B) {
		compare(b, "ratio", acquire, func() {
			f, err := openFile(filepath.Join(dir, "bare"), forCreation, 0o600)
			if err != nil {
				b.Fatal(err)
			}
			if ok, err := f.tryLock(true); !ok || err != nil {
				b.Fatal(err)
			}
			f.unlock()
			f.close()
		})
	})
	b.Run("os.File", func(b *testing.B) {
		compare(b, "ratio", acquire, func() {
			f, err := os.OpenFile(filepath.Join(dir, "bare"), os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				b.Fatal(err)
			}
			if err := flockFile(f); err != nil {
				b.Fatal(err)
			}
			_ = f.Close()
		})
	})
}

// BenchmarkManyCandidates compares pools of 10,000 and of 10, while nobody waits
// and while somebody waits for something else.
func BenchmarkManyCandidates(b *testing.B) {
	s := open(b, b.TempDir())
	l := lockcore.New(s, nil)
	many, few := pool("many", 10_000, 2), pool("few", 10, 2)
	b.Run("nobody waits", func(b *testing.B) {
		compare(b, "ratio", func() { pair(b, l, many) }, func() { pair(b, l, few) })
	})
	ask(b, s, "held", false, some(1, "k"))
	ask(b, s, "waits", true, some(1, "k"))
	b.Run("somebody waits", func(b *testing.B) {
		compare(b, "ratio", func() { pair(b, l, many) }, func() { pair(b, l, few) })
	})
}

// BenchmarkFullState compares a state with 1,000 holders, or 1,000 waiters, and one
// that is nearly empty: where one process makes all steps, and where two take turns,
// so that each has to read what the other wrote.
func BenchmarkFullState(b *testing.B) {
	for _, what := range []string{"holders", "waiters"} {
		b.Run(what, func(b *testing.B) {
			dir, emptyDir := b.TempDir(), b.TempDir()
			full, empty := open(b, dir), open(b, emptyDir)
			for i := range 1000 {
				if what == "holders" {
					ask(b, full, fmt.Sprint("holder ", i), false, some(1, fmt.Sprint("key ", i)))
				} else {
					ask(b, full, fmt.Sprint("waiter ", i), true, some(1, "k"))
				}
			}
			l, base := lockcore.New(full, nil), lockcore.New(empty, nil)
			b.Run("one process", func(b *testing.B) {
				compare(b, "ratio", func() { pair(b, l, some(1, "free")) }, func() { pair(b, base, some(1, "free")) })
			})
			l2, base2 := lockcore.New(open(b, dir), nil), lockcore.New(open(b, emptyDir), nil)
			b.Run("two processes", func(b *testing.B) {
				compare(b, "ratio", func() { pair(b, l, some(1, "free")); pair(b, l2, some(1, "free")) },
					func() { pair(b, base, some(1, "free")); pair(b, base2, some(1, "free")) })
			})
		})
	}
}

// BenchmarkHandOff measures, between two processes, the time from the call of
// Release to the return of the other's Acquire.
func BenchmarkHandOff(b *testing.B) {
	dir := b.TempDir()
	c := startChild(b, dir)
	a := &agent{store: open(b, dir)}
	a.locker = lockcore.New(a.store, nil)
	const rounds = 200
	var took []time.Duration
	for b.Loop() {
		o := order{Do: "ping", Name: "ping", Keys: []string{"k"}, Count: rounds}
		c.send(o)
		var mine reply
		if err := a.ping(context.Background(), &o, &mine); err != nil {
			b.Fatal(err)
		}
		theirs := c.await("ping")
		if theirs.Error != "" {
			b.Fatal(theirs.Error)
		}
		spans := append(mine.Spans, theirs.Spans...)
		slices.SortFunc(spans, func(a, b [2]int64) int { return int(a[0] - b[0]) })
		for i := 1; i < len(spans)-1; i++ { // the first and the last may have met nobody
			took = append(took, time.Duration(spans[i][0]-spans[i-1][1]))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/1e3, "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100])/1e3, "µs-p99")
}

// BenchmarkKill measures the time from the kill of a holder to the return of
// another process's Acquire.
func BenchmarkKill(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir)
	l := lockcore.New(s, nil)
	var took []time.Duration
	for b.Loop() {
		c := startChild(b, dir)
		c.acquire("held", 1, "k")
		killed := make(chan time.Time, 1)
		go func() {
			until(b, s, "the waiter waits", func(snap lockcore.Snapshot) bool { return len(snap.Waiters) > 0 })
			killed <- time.Now()
			_ = c.cmd.Process.Kill()
		}()
		pair(b, l, some(1, "k"))
		took = append(took, time.Since(<-killed))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/1e6, "ms-p50")
	b.ReportMetric(float64(took[len(took)-1])/1e6, "ms-max")
}
