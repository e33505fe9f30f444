package redisreport_test

import (
	"context"
	"errors"
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

// What becomes of the values of tags, and what a query says of those that nobody
// counted.
func ExampleReporter() {
	server, err := miniredis.Run()
	if err != nil {
		panic(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), DB: 1})
	defer client.Close()

	var r *redisreport.Reporter = redisreport.New(client, &redisreport.Options{})
	r.LockRequested(lockcore.Candidate{Key: "board-1", Tags: map[string]string{"site": "Lab 2/East"}})
	r.LockFailed(lockcore.Candidate{Key: "board-1", Tags: map[string]string{"site": "Lab 2/East"}})
	fmt.Println(r.Close(), errors.Is(r.Close(), redisreport.ErrClosed))

	q := redisreport.Query{Client: client}
	site := redisreport.Sanitise("Lab 2/East")
	for _, a := range []redisreport.Aspect{redisreport.RequestCount, redisreport.AcquireCount, redisreport.FailCount, redisreport.ReleaseCount, redisreport.ReleaseWait} {
		n, err := q.Aspect(context.Background(), "site", site, a)
		fmt.Println(site, a, n, err)
	}
	_, err = q.Aspect(context.Background(), "site", "lab 3", redisreport.RequestCount)
	fmt.Println(errors.Is(err, redisreport.ErrNoData))
	// Output:
	// <nil> true
	// lab 2/east lock_request_count 1 <nil>
	// lab 2/east lock_acquire_count 0 <nil>
	// lab 2/east lock_acquire_fail_count 1 <nil>
	// lab 2/east lock_release_count 0 <nil>
	// lab 2/east lock_release_wait 0 <nil>
	// true
}
