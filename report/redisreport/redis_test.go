package redisreport_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// startRedis is a client of a redis-server of the test's own.
func startRedis(t *testing.T) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr, DB: 1})
	t.Cleanup(func() { client.Close() })
	return client
}

// dump is everything in the database, by key: sets sorted, hashes as they are.
func dump(t *testing.T, client *redis.Client) map[string]any {
	t.Helper()
	ctx := context.Background()
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	for _, k := range keys {
		switch kind := client.Type(ctx, k).Val(); kind {
		case "set":
			all[k] = client.SMembers(ctx, k).Val()
		case "hash":
			all[k] = client.HGetAll(ctx, k).Val()
		default:
			t.Fatalf("key %q is a %s", k, kind)
		}
	}
	return all
}
