package lockcore

import (
	"context"
	"time"
)

// A Store keeps who holds what and who waits, and shares it between processes.
// The promises it makes are checked by package locktest; a new store is right
// when locktest.TestStore passes.
//
// All methods are safe for concurrent use and idempotent by ticket ID: a client
// that got no reply calls again. Times are the store's own clock; durations are
// relative to the moment at which the store handles the call. Errors that mean
// "cannot reach the store" are returned as they come, wrapped with where the
// store is, never with a password.
//
// A store that learns how long tests hold has the method of [Locker.History],
// too.
type Store interface {
	// Ask requests, polls and confirms, whichever the ticket needs:
	//   - unknown to the store: granted at once if no earlier waiter has a claim
	//     against it, else queued if Ticket.Wait;
	//   - waiting: a heartbeat, and a change of requirements if Revision rose;
	//   - granted: the grant, which is thereby confirmed.
	// While the ticket waits, the store calls wake when it is granted, with the
	// grant if it knows it, else nil. wake never blocks, may be called from any
	// goroutine, more than once, and after the wait is over. A store without a
	// way to notify leaves it alone and relies on Answer.Poll. A grant made to a
	// waiter is provisional: unconfirmed by an Ask or a Renew within about 5 s,
	// it goes to the next waiter.
	Ask(ctx context.Context, t *Ticket, wake func(*Grant)) (Answer, error)

	// Renew extends leases to a full TTL each, in one round trip, and confirms
	// them. The first result has one entry a grant: nil, or an error that wraps
	// ErrLost and says who has the key now. A lease that the store no longer has
	// is re-established only when nothing incompatible was granted in between.
	// The second is set when the store could not be asked.
	Renew(ctx context.Context, grants []*Grant) ([]error, error)

	// Release gives a lease back and hands its keys to the next waiters in the
	// same step. With keep > 0 it is kept for that long instead, without
	// renewal, for somebody to look at the resource; Free ends it early. The
	// error is ErrNotHeld when the store has no such lease.
	Release(ctx context.Context, g *Grant, keep time.Duration) error

	// Withdraw forgets the ticket, waiting or granted. Nil if it is unknown.
	Withdraw(ctx context.Context, id string) error

	// Snapshot lists holders and waiters at one moment.
	Snapshot(ctx context.Context) (Snapshot, error)

	// Free takes key from whoever holds it, with everything else of that lease;
	// the holder is told so at its next renewal, in the words of why. It returns
	// the holders that lost their lease, or ErrNotHeld.
	Free(ctx context.Context, key, why string) ([]Holder, error)

	// Close frees what the client of the store uses. Leases stay as they are.
	Close() error

	// String says where the store is, without a password.
	String() string
}

// A Snapshot is the state of a store at one moment.
type Snapshot struct {
	Time    time.Time // the store's clock
	Holders []Holder  // by Since, then Token
	Waiters []Waiter  // in the order in which they are served
}

// A Holder is a lease in a [Snapshot].
type Holder struct {
	ID           string
	Requirements []Requirement // without their candidates
	Obtained     [][]string
	Owner        Owner
	Token        uint64
	Since        time.Time // granted
	Expires      time.Time // unless renewed
	Expect       time.Duration
	Reason       string
	Parents      []string
	// State is "held", "granted" while the waiter has not confirmed it, "kept"
	// after its process has gone, or "foreign" for a lock of another program.
	State string
}

// A Usage says how long a test held what it asked for, the last times. Median is
// what a store expects of it, unless a request says its length itself.
type Usage struct {
	Package, Test string   // as Owner has them
	Requirements  []string // their names
	Holds         int      // that are remembered; the last 20
	Median        time.Duration
	Shortest      time.Duration
	Longest       time.Duration
	Last          time.Time // the end of the last one
}

// Keys lists the keys held, in the order of the requirements.
func (h Holder) Keys() []string { return (&Grant{Obtained: h.Obtained}).Keys() }

// A Waiter is a request in line.
type Waiter struct {
	ID           string
	Requirements []Requirement
	Owner        Owner
	Priority     int
	Since        time.Time // arrival
	Expires      time.Time // dropped then, unless it is heard of
	Reason       string
	Parents      []string
	Reserved     []string // free keys kept aside for it
}
