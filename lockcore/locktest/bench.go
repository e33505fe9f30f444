package locktest

import (
	"fmt"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// BenchmarkStore measures what users pay, on a store that nobody else uses:
// acquire and release of "2 of 5 and one", the same out of pools of 10 and of
// 10,000 of which some are free, and with 10 and with 1,000 waiters in line for
// something else.
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
