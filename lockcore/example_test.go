package lockcore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
)

// Take any two of three boards and the chamber, use them, give them back.
func Example() {
	boards := lockcore.Requirement{
		Name:       "boards",
		Candidates: []lockcore.Candidate{{Key: "board-1"}, {Key: "board-2"}, {Key: "board-3"}},
		Need:       2,
	}
	chamber := lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "chamber"}}}

	var locker *lockcore.Locker = lockcore.New(memstore.New(nil), nil)
	defer locker.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // how long to wait
	defer cancel()
	lease, err := locker.Acquire(ctx, lockcore.Request{Requirements: []lockcore.Requirement{boards, chamber}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func(l *lockcore.Lease) { l.Release(ctx) }(lease)

	fmt.Println(len(lease.Keys()), "keys,", len(lease.Obtained()[0]), "boards,", lease.Obtained()[1])
	fmt.Println("token", lease.Token(), "over:", lease.Context().Err())
	// Output:
	// 3 keys, 2 boards, [chamber]
	// token 1 over: <nil>
}

// One attempt, and who is in the way.
func ExampleLocker_TryAcquire() {
	locker := lockcore.New(memstore.New(nil), &lockcore.Options{Owner: lockcore.Owner{Test: "TestSoak", Host: "lab-pc", PID: 812}})
	defer locker.Close()
	board := lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "board-7"}}}
	ctx := context.Background()

	_, err := locker.Acquire(ctx, lockcore.Request{Requirements: []lockcore.Requirement{board}, Reason: "burn-in"})
	fmt.Println(err)

	_, err = locker.TryAcquire(ctx, lockcore.Request{Requirements: []lockcore.Requirement{board}})
	var busy *lockcore.BusyError
	if errors.Is(err, lockcore.ErrBusy) && errors.As(err, &busy) {
		var b lockcore.Blocker = busy.Blockers[0]
		fmt.Println(b.Key, "is", b.State, "by", b.Holder, "because of", b.Reason)
	}
	// Output:
	// <nil>
	// board-7 is held by TestSoak (lab-pc, pid 812) because of burn-in
}

// Read access is shared, seats are counted, and the choice among free
// candidates can be made to wear them alike.
func ExampleRequirement() {
	locker := lockcore.New(memstore.New(nil), nil)
	defer locker.Close()
	staging := lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "staging"}}, Shared: true}
	licence := lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "compiler"}}, Seats: 3}
	flash := lockcore.Requirement{
		Candidates: []lockcore.Candidate{{Key: "flash-1", Tags: map[string]string{"size": "8M"}}, {Key: "flash-2"}},
		Choice:     lockcore.LeastRecentlyUsed,
	}
	for range 2 {
		lease, err := locker.Acquire(context.Background(), lockcore.Request{Requirements: []lockcore.Requirement{staging, licence, flash}})
		fmt.Println(lease.Keys(), err)
	}
	fmt.Println(staging, "and", licence)
	var first lockcore.Choice = lockcore.InOrder
	fmt.Println(first != lockcore.Random)
	// Output:
	// [staging compiler flash-1] <nil>
	// [staging compiler flash-2] <nil>
	// staging (shared) and compiler (3 seats each)
	// true
}

// What can never be had is refused before anything is asked of the store.
func ExampleLocker_Acquire_impossible() {
	locker := lockcore.New(memstore.New(nil), nil)
	defer locker.Close()
	_, err := locker.Acquire(context.Background(), lockcore.Request{Requirements: []lockcore.Requirement{
		{Name: "boards", Candidates: []lockcore.Candidate{{Key: "board-1"}}, Need: 2},
	}})
	fmt.Println(errors.Is(err, lockcore.ErrUnsatisfiable))
	fmt.Println(err)
	// Output:
	// true
	// lockcore: requirement 2 of boards [board-1]: need is 2, but it has only 1 candidate: request can never be satisfied
}

// An Acquire under a lease's context is nested in it, so waiting for oneself,
// or for each other, is an error and not a hang.
func ExampleLease_Context() {
	locker := lockcore.New(memstore.New(nil), nil)
	defer locker.Close()
	rack := lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "rack"}}}}}
	suite, _ := locker.Acquire(context.Background(), rack)
	_, err := locker.Acquire(suite.Context(), rack)
	fmt.Println(errors.Is(err, lockcore.ErrDeadlock))

	suite.Release(context.Background())
	fmt.Println(context.Cause(suite.Context()), errors.Is(context.Cause(suite.Context()), lockcore.ErrLost))
	// Output:
	// true
	// lockcore: lease released: context canceled false
}

// Who holds what, and who waits for it.
func ExampleSnapshot() {
	locker := lockcore.New(memstore.New(nil), nil)
	defer locker.Close()
	board := lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "board-7"}}}
	lease, _ := locker.Acquire(context.Background(), lockcore.Request{
		Requirements: []lockcore.Requirement{board}, Owner: lockcore.Owner{Test: "TestBoot"},
	})
	lease.Keep(context.Background(), time.Hour) // for somebody to look at it

	var snapshot lockcore.Snapshot
	snapshot, _ = locker.Snapshot(context.Background())
	for _, h := range snapshot.Holders {
		var holder lockcore.Holder = h
		fmt.Println(holder.Keys(), holder.State, "for", holder.Owner.Test)
	}
	position, blockers := snapshot.Blockers(&lockcore.Waiter{Requirements: []lockcore.Requirement{board}})
	fmt.Println("a newcomer would be number", position, "behind", blockers[0].Holder.Test)
	// Output:
	// [board-7] kept for TestBoot
	// a newcomer would be number 1 behind TestBoot
}

// What a store has learned about a test, and will expect of it.
func ExampleLocker_History() {
	locker := lockcore.New(memstore.New(nil), nil)
	defer locker.Close()
	boards := lockcore.Requirement{Name: "boards", Candidates: []lockcore.Candidate{{Key: "board-7"}}}
	for range 3 {
		lease, _ := locker.Acquire(context.Background(), lockcore.Request{
			Requirements: []lockcore.Requirement{boards}, Owner: lockcore.Owner{Test: "TestBoot"},
		})
		lease.Release(context.Background())
	}

	known, err := locker.History(context.Background())
	for _, u := range known {
		var usage lockcore.Usage = u
		fmt.Println(usage.Test, usage.Requirements, usage.Holds, usage.Median <= usage.Longest, err)
	}
	// Output: TestBoot [boards] 3 true <nil>
}

// A store is used through a Locker. On its own it takes tickets and gives
// grants; nobody renews them.
func ExampleStore() {
	var store lockcore.Store = memstore.New(nil)
	defer store.Close()
	ctx := context.Background()
	board := lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "board-7"}}}

	ticket := lockcore.Ticket{ID: "t1", Requirements: []lockcore.Requirement{board}, TTL: time.Minute, Wait: true}
	var answer lockcore.Answer
	answer, _ = store.Ask(ctx, &ticket, nil)
	var grant *lockcore.Grant = answer.Grant
	fmt.Println(grant.Keys(), grant.Token)

	fmt.Println(store.Release(ctx, grant, 0))
	fmt.Println(errors.Is(store.Release(ctx, grant, 0), lockcore.ErrNotHeld))
	// A store of several servers may also answer that too few can be reached.
	fmt.Println(lockcore.ErrNoQuorum)
	// Output:
	// [board-7] 1
	// <nil>
	// true
	// too few of the lock servers can be reached
}

// The matching that stores use: no greedy choice may spoil another.
func ExampleMatch() {
	reqs := []lockcore.Requirement{
		{Candidates: []lockcore.Candidate{{Key: "a"}, {Key: "b"}}},
		{Candidates: []lockcore.Candidate{{Key: "a"}}},
	}
	free := func(int, string) int { return 1 }
	fmt.Println(lockcore.Match(reqs, free, nil))
	// Output: [[b] [a]] true
}

// Which ways of holding go together: one licence of three is taken, by somebody
// who knows of three seats.
func ExampleRequirement_FreeBeside() {
	licence, reader := lockcore.Requirement{Seats: 3}, lockcore.Requirement{Shared: true}
	fmt.Println(licence.FreeBeside(), licence.FreeBeside(licence), reader.FreeBeside(licence))
	fmt.Println(reader.FreeBeside(reader, reader), lockcore.Requirement{}.FreeBeside(reader))
	// Output:
	// 3 2 0
	// 1 0
}

// Who is in line next is a policy of the store. All clients of a namespace have
// to agree.
func ExampleQueuePolicy() {
	var policy lockcore.QueuePolicy // Backfill, unless said otherwise
	fmt.Println(policy, lockcore.Backfill, lockcore.FIFO)
	// Output: backfill backfill fifo
}
