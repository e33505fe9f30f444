package redisstore_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// The promises of every store, on every kind of server and in every mode.

func harness(url string, opts redisstore.Options) locktest.Harness {
	under := func(p lockcore.QueuePolicy) func(testing.TB, string) lockcore.Store {
		return func(t testing.TB, namespace string) lockcore.Store {
			own := opts // subtests run side by side
			own.Namespace = namespace
			// A machine that is busy, and an interpreter under the race detector, take
			// their time.
			s, err := redisstore.Open(t.Context(), url+"?read_timeout=60s&policy="+p.String(), &own)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	return locktest.Harness{Open: under(lockcore.Backfill), OpenFIFO: under(lockcore.FIFO)}
}

func TestConformanceOnMiniredis(t *testing.T) {
	t.Parallel()
	h := harness("redis://"+miniredis.RunT(t).Addr(), redisstore.Options{})
	h.Many = 2_500 // more than one call takes; with 10,000 a release has not the time it wants
	locktest.TestStore(t, h)
}

func TestConformanceOnRedis(t *testing.T) {
	t.Parallel()
	locktest.TestStore(t, harness(redistest.Start(t).URL(), redisstore.Options{}))
}

func TestConformanceOnCluster(t *testing.T) {
	t.Parallel()
	locktest.TestStore(t, harness(redistest.StartCluster(t, false).URL(), redisstore.Options{}))
}

// Behind Sentinel, with every grant and renewal on the replica before it counts.
func TestConformanceOnSentinelWithReplicas(t *testing.T) {
	t.Parallel()
	g := redistest.StartSentinel(t, 1)
	for _, s := range g.Sentinels {
		// A machine that is busy is no reason to fail over: for a while, the new master
		// would have no replica.
		s.Do("SENTINEL", "SET", g.Name, "down-after-milliseconds", 600_000)
	}
	locktest.TestStore(t, harness(g.URL(), redisstore.Options{MinReplicas: 1}))
}

func TestConformanceWithInterop(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--databases", "200")
	var mu sync.Mutex
	dbs := make(map[string]int)
	under := func(p lockcore.QueuePolicy) func(testing.TB, string) lockcore.Store {
		return func(t testing.TB, namespace string) lockcore.Store {
			// The names of its locks are the same for every namespace, so each gets a
			// database.
			mu.Lock()
			defer mu.Unlock()
			if dbs[namespace] == 0 {
				dbs[namespace] = len(dbs) + 1
			}
			return openURL(t, fmt.Sprintf("redis://%s/%d?read_timeout=60s", s.Addr, dbs[namespace]), redisstore.Options{Namespace: namespace, Interop: "python", Policy: p})
		}
	}
	locktest.TestStore(t, locktest.Harness{Open: under(lockcore.Backfill), OpenFIFO: under(lockcore.FIFO)})
}

func BenchmarkRedis(b *testing.B) {
	locktest.BenchmarkStore(b, harness(redistest.Start(b).URL(), redisstore.Options{}))
}
