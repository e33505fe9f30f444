package redisstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// A store on a client that the program has already.
func ExampleNew() {
	server, err := miniredis.Run() // stands for redis-server
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	defer client.Close()

	var store *redisstore.Store
	store, err = redisstore.New(client, &redisstore.Options{Namespace: "lab-1", LockDelay: 10 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	locker := lockcore.New(store, nil)
	defer locker.Close()
	lease, err := locker.Acquire(context.Background(), lockcore.Request{
		Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-7"}}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(lease.Keys())
	fmt.Println(lease.Release(context.Background()))
	// Output:
	// [board-7]
	// <nil>
}

// A mistake in the URL is told before anything is connected; a password stands
// in no error.
func ExampleOpen() {
	_, err := redisstore.Open(context.Background(), "redis://lab:secret@ci-redis:6379/0?min_replicas=many", nil)
	fmt.Println(err)
	store, err := redisstore.Open(context.Background(), "redis://lab:secret@ci-redis:6379/0?min_replicas=1", nil)
	fmt.Println(store, err)
	// Output:
	// redisstore: redis://ci-redis:6379/0: min_replicas=many: want a number of replicas, such as 1
	// redis://ci-redis:6379/0 (namespace default) <nil>
}
