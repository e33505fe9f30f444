package storeurl_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
)

// A labTest is one test of the suite that BenchmarkLab runs.
type labTest struct {
	name string
	need int
	at   time.Duration // start
	hold time.Duration
}

// labSuite is 40 short tests that want one of five boards, and among them three
// long ones that want three each: while one of those runs, the next one keeps the
// other two boards idle, unless somebody short may use them.
func labSuite() []labTest {
	rnd := rand.New(rand.NewPCG(1, 1)) // the same suite every time
	var suite []labTest
	for i := range 40 {
		suite = append(suite, labTest{fmt.Sprintf("TestShort%02d", i+1), 1, time.Duration(i) * 20 * time.Millisecond, time.Duration(20+rnd.IntN(130)) * time.Millisecond})
	}
	for i := range 3 {
		suite = append(suite, labTest{fmt.Sprintf("TestBig%d", i+1), 3, time.Duration(1+2*i) * 50 * time.Millisecond, 1500 * time.Millisecond})
	}
	return suite
}

// BenchmarkLab runs a suite for real, in a store that learns: with a lock that everybody
// polls, under fifo, for the first time under backfill, and for the second time. RTEST_URL
// names another store than a file store of its own. The figures are seconds of waiting, mean
// and longest, and of the whole suite; and the tests that were let past others.
//
//	go test ./lockcore/storeurl -run '^$' -bench Lab -benchtime 1x
func BenchmarkLab(b *testing.B) {
	address := os.Getenv("RTEST_URL")
	if address == "" {
		address = "file://" + b.TempDir()
	}
	u, err := url.Parse(address)
	if err != nil {
		b.Fatal(err)
	}
	open := func(namespace, policy string) *lockcore.Locker {
		q := u.Query()
		q.Set("namespace", namespace)
		if policy != "" {
			q.Set("policy", policy)
		}
		u := *u
		u.RawQuery = q.Encode()
		store, err := storeurl.Open(b.Context(), u.String())
		if err != nil {
			b.Fatal(err)
		}
		return lockcore.New(store, nil)
	}
	fresh := func() string { return fmt.Sprint("lab-", rand.Uint64()) }
	acquire := (*lockcore.Locker).Acquire
	bench := func(name, policy string, namespace func() string) {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				locker := open(namespace(), policy) // as a new process would
				runLab(b, locker, labSuite(), acquire)
				if err := locker.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	acquire = polled
	bench("polled", "", fresh)
	acquire = (*lockcore.Locker).Acquire
	bench("fifo", "fifo", fresh)
	var taught string
	bench("first", "", func() string { taught = fresh(); return taught })
	bench("second", "", func() string { return taught })
}

// polled acquires as with a lock without a line: it asks again and again, every 5 to 15 ms,
// and takes what it wants when all of that happens to be free.
func polled(l *lockcore.Locker, ctx context.Context, req lockcore.Request) (*lockcore.Lease, error) {
	for {
		lease, err := l.TryAcquire(ctx, req)
		if !errors.Is(err, lockcore.ErrBusy) {
			return lease, err
		}
		select {
		case <-time.After(5*time.Millisecond + rand.N(10*time.Millisecond)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// runLab runs the suite and reports its figures.
func runLab(b *testing.B, locker *lockcore.Locker, suite []labTest, acquire func(*lockcore.Locker, context.Context, lockcore.Request) (*lockcore.Lease, error)) {
	boards := lockcore.Requirement{Name: "boards"}
	for i := range 5 {
		boards.Candidates = append(boards.Candidates, lockcore.Candidate{Key: fmt.Sprint("board-", i+1)})
	}
	waited := make([]time.Duration, len(suite))
	early := make([]bool, len(suite))
	var wg sync.WaitGroup
	start := time.Now()
	for i, t := range suite {
		wg.Go(func() {
			time.Sleep(time.Until(start.Add(t.at)))
			req := boards
			req.Need = t.need
			asked := time.Now()
			lease, err := acquire(locker, b.Context(), lockcore.Request{
				Requirements: []lockcore.Requirement{req}, Owner: lockcore.Owner{Package: "example.com/lab", Test: t.name},
			})
			if err != nil {
				b.Error(err)
				return
			}
			waited[i], early[i] = time.Since(asked), lease.Backfilled()
			time.Sleep(t.hold)
			if err := lease.Release(context.Background()); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(time.Since(start).Seconds(), "s/suite")
	var sum time.Duration
	for _, w := range waited {
		sum += w
	}
	past := 0
	for _, e := range early {
		if e {
			past++
		}
	}
	b.ReportMetric(sum.Seconds()/float64(len(suite)), "s/wait")
	b.ReportMetric(slices.Max(waited).Seconds(), "s/longest")
	b.ReportMetric(slices.Max(waited[40:]).Seconds(), "s/big")
	b.ReportMetric(float64(past), "let-past")
	b.ReportMetric(0, "ns/op")
}
