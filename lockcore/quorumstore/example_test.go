package quorumstore_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/quorumstore"
)

// Three servers, of which one may fail.
func ExampleNew() {
	var clients []redis.UniversalClient
	var servers []*miniredis.Miniredis // stand for redis-server
	for range 3 {
		server, err := miniredis.Run()
		if err != nil {
			fmt.Println(err)
			return
		}
		defer server.Close()
		client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true, DialerRetries: 1})
		defer client.Close()
		servers, clients = append(servers, server), append(clients, client)
	}
	var store *quorumstore.Store = quorumstore.New(clients...)
	locker := lockcore.New(store, nil)
	defer locker.Close()

	servers[1].Close()
	lease, err := locker.Acquire(context.Background(), lockcore.Request{
		Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-7"}}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(lease.Keys(), "token", lease.Token())
	fmt.Println(lease.Release(context.Background()))
	// Output:
	// [board-7] token 0
	// <nil>
}

// Two servers have no majority that survives one of them.
func ExampleOpen() {
	_, err := quorumstore.Open(context.Background(), "redlock://one,two", "default")
	fmt.Println(err)
	// Output: quorumstore: 2 servers in "one,two": it takes at least 3 independent ones to do without one; for a single server use redis://
}

// A shorter time limit for servers that do not answer.
func ExampleConfig() {
	config := quorumstore.Config{Namespace: "lab-1"}
	store := config.New(redis.NewClient(&redis.Options{Addr: "a:6379"}), redis.NewClient(&redis.Options{Addr: "b:6379"}), redis.NewClient(&redis.Options{Addr: "c:6379"}))
	defer store.Close()
	fmt.Println(store)
	// Output: redlock://a:6379,b:6379,c:6379 (namespace lab-1)
}
