package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

// Clients of one store share it; another store is another world.
func Example() {
	var store *memstore.Store = memstore.New(&memstore.Options{LockDelay: time.Second})
	locker := lockcore.New(store, nil)
	defer locker.Close()
	elsewhere := lockcore.New(memstore.Shared("elsewhere", nil), nil)
	defer elsewhere.Close()

	board := lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-7"}}}}}
	locker.Acquire(context.Background(), board)
	_, err := locker.TryAcquire(context.Background(), board)
	fmt.Println("here:", errors.Is(err, lockcore.ErrBusy))
	_, err = elsewhere.TryAcquire(context.Background(), board)
	fmt.Println("elsewhere:", err)
	// Output:
	// here: true
	// elsewhere: <nil>
}
