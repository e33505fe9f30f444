package redisreport_test

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/redisreport"
)

func Example() {
	server, err := miniredis.Run() // yours is a real one
	if err != nil {
		panic(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), DB: 1})
	defer client.Close()

	boards := []lockcore.Candidate{
		{Key: "board-1", Tags: map[string]string{"model": "k64f"}},
		{Key: "board-2", Tags: map[string]string{"model": "k64f"}},
	}
	r := redisreport.New(client, nil)
	r.LockRequested(boards...)
	r.LockSuccess(90*time.Second, boards[1])
	r.LockReleased(5*time.Minute, boards[1])
	if err := r.Close(); err != nil {
		fmt.Println(err)
	}

	q := redisreport.Query{Client: client}
	ctx := context.Background()
	tags, _ := q.AllTags(ctx)
	values, _ := q.AllValues(ctx, "model")
	fmt.Println(tags, values)
	sums, _ := q.AllAspects(ctx, "model", "k64f")
	for _, a := range redisreport.Aspects() {
		fmt.Println(a, sums[a])
	}
	wait, _ := q.Aspect(ctx, "key", "board-2", redisreport.AcquireWait)
	fmt.Println("board-2 was waited for", wait, "s")
	// Output:
	// [key model] [k64f]
	// lock_request_count 2
	// lock_acquire_count 1
	// lock_acquire_fail_count 0
	// lock_release_count 1
	// lock_acquire_wait 90
	// lock_release_wait 300
	// board-2 was waited for 90 s
}
