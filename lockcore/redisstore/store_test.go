package redisstore_test

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// open returns a store on a server, with a client of its own.
func open(t testing.TB, addr string, opts redisstore.Options) lockcore.Store {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { client.Close() })
	s, err := redisstore.New(client, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func harness(addr string, opts redisstore.Options) locktest.Harness {
	return locktest.Harness{Open: func(t testing.TB, namespace string) lockcore.Store {
		opts.Namespace = namespace
		return open(t, addr, opts)
	}}
}

func TestConformanceOnMiniredis(t *testing.T) {
	m := miniredis.RunT(t)
	locktest.TestStore(t, harness(m.Addr(), redisstore.Options{}))
}

func TestConformanceOnRedis(t *testing.T) {
	locktest.TestStore(t, harness(redistest.Start(t).Addr, redisstore.Options{}))
}
