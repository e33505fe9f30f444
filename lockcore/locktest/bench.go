package locktest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// BenchmarkStore measures what users pay, on a store that nobody else uses:
// acquire and release of "2 of 5 and one", the same out of pools of 10 and of
// 10,000 of which some are free, and with 10 and with 1,000 waiters in line for
// something else. Then two stories of contention, as multiples of what is
// possible at best.
func BenchmarkStore(b *testing.B, h Harness) {
	b.Run("2-of-5-and-one", func(b *testing.B) {
		benchPair(b, h, 0, request(of(2, "a", "b", "c", "d", "e"), of(1, "x")))
	})
	for _, n := range []int{10, 10_000} {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = fmt.Sprint("board-", i)
		}
		b.Run(fmt.Sprint("2-of-", n), func(b *testing.B) { benchPair(b, h, 0, request(of(2, keys...))) })
	}
	if h.Unordered {
		return
	}
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n, "-waiters"), func(b *testing.B) { benchPair(b, h, n, request(of(1, "free"))) })
	}
	b.Run("12-clients-hold-2-of-5", func(b *testing.B) { benchMakespan(b, h) })
	b.Run("5-of-5-beside-20-loops", func(b *testing.B) { benchBig(b, h) })
}

var five = []string{"b1", "b2", "b3", "b4", "b5"}

// benchMakespan lets 12 clients, each with a connection of its own, hold 2 of 5
// for 100 ms. Two at a time fit, so 600 ms are ideal.
func benchMakespan(b *testing.B, h Harness) {
	const clients, hold = 12, 100 * time.Millisecond
	var total time.Duration
	for i := 0; b.Loop(); i++ {
		ns := fmt.Sprint("makespan-", i, "-", time.Now().UnixNano())
		var lockers []*lockcore.Locker
		for range clients {
			lockers = append(lockers, lockcore.New(h.Open(b, ns), nil))
		}
		start := time.Now()
		var wg sync.WaitGroup
		for _, l := range lockers {
			wg.Go(func() { holdFor(b, l, of(2, five...), hold) })
		}
		wg.Wait()
		total += time.Since(start)
		for _, l := range lockers {
			l.Close()
		}
	}
	b.ReportMetric(float64(total)/float64(b.N)/float64(clients/2*hold), "x-ideal")
}

func holdFor(b *testing.B, l *lockcore.Locker, r lockcore.Requirement, d time.Duration) {
	le, err := l.Acquire(b.Context(), request(r))
	if err != nil {
		if b.Context().Err() == nil {
			b.Error(err)
		}
		return
	}
	time.Sleep(d)
	if err := le.Release(b.Context()); err != nil {
		b.Error(err)
	}
}

// benchBig lets 20 clients loop on 1 of 5 for 20 ms each, and asks for all 5
// beside them. If it came last and everybody were served in order, it would have
// to wait for four rounds: 80 ms.
func benchBig(b *testing.B, h Harness) {
	const loops, hold = 20, 20 * time.Millisecond
	ns := fmt.Sprint("big-", time.Now().UnixNano())
	big := lockcore.New(h.Open(b, ns), nil)
	defer big.Close()
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	for range loops {
		l := lockcore.New(h.Open(b, ns), nil)
		defer l.Close()
		wg.Go(func() {
			for ctx.Err() == nil {
				holdFor(b, l, of(1, five...), hold)
			}
		})
	}
	time.Sleep(5 * hold) // the line has formed
	var worst, total time.Duration
	for b.Loop() {
		start := time.Now()
		le, err := big.Acquire(ctx, request(of(5, five...)))
		if err != nil {
			b.Fatal(err)
		}
		wait := time.Since(start)
		total += wait
		worst = max(worst, wait)
		if err := le.Release(ctx); err != nil {
			b.Fatal(err)
		}
		time.Sleep(5 * hold)
	}
	stop()
	wg.Wait()
	bound := float64(loops/len(five)) * float64(hold)
	b.ReportMetric(float64(total)/float64(b.N)/bound, "x-fifo-bound")
	b.ReportMetric(float64(worst)/bound, "worst-x-fifo-bound")
}

func benchPair(b *testing.B, h Harness, waiters int, req lockcore.Request) {
	ctx := b.Context()
	s := h.Open(b, fmt.Sprint("bench-", b.Name()))
	if waiters > 0 {
		if _, err := s.Ask(ctx, ticket("holder", watchdog, of(1, "busy")), nil); err != nil {
			b.Fatal(err)
		}
		for i := range waiters {
			if _, err := s.Ask(ctx, ticket(fmt.Sprint("w", i), watchdog, of(1, "busy")), func(*lockcore.Grant) {}); err != nil {
				b.Fatal(err)
			}
		}
	}
	l := lockcore.New(s, nil)
	defer l.Close()
	for b.Loop() {
		le, err := l.Acquire(ctx, req)
		if err != nil {
			b.Fatal(err)
		}
		if err := le.Release(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
