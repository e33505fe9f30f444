package filestore_test

import (
	"context"
	"fmt"
	"os"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/filestore"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	// An empty directory name means the one of this user, which all programs and
	// tests of the user share.
	store, err := filestore.Open(context.Background(), dir, &filestore.Options{Namespace: "lab"})
	if err != nil {
		fmt.Println(err)
		return
	}
	locker := lockcore.New(store, nil)
	defer locker.Close()
	lease, err := locker.Acquire(context.Background(), lockcore.Request{Requirements: []lockcore.Requirement{
		{Name: "board", Candidates: []lockcore.Candidate{{Key: "board-1"}}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lease.Release(context.Background())
	fmt.Println(lease.Keys(), "with token", lease.Token())
	// Output: [board-1] with token 1
}

// Two stores of one directory are like two processes: what one of them holds,
// the other one cannot have.
func ExampleStore() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	var lockers [2]*lockcore.Locker
	for i := range lockers {
		var store *filestore.Store
		if store, err = filestore.Open(ctx, dir, nil); err != nil {
			fmt.Println(err)
			return
		}
		lockers[i] = lockcore.New(store, nil)
		defer lockers[i].Close()
	}
	req := lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "chamber"}}}}}
	lease, err := lockers[0].TryAcquire(ctx, req)
	fmt.Println(lease.Keys(), err)
	_, err = lockers[1].TryAcquire(ctx, req)
	fmt.Println("busy:", err != nil)
	if err := lease.Release(ctx); err != nil {
		fmt.Println(err)
	}
	lease, err = lockers[1].TryAcquire(ctx, req)
	fmt.Println(lease.Keys(), err)
	// Output:
	// [chamber] <nil>
	// busy: true
	// [chamber] <nil>
}
