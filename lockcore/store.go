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
// too. One that serves in order says when waiters are expected to be served:
//
//	ExpectedStarts(s Snapshot, id string) map[string]time.Time
//
// by the ID of the waiter, without those of whom nothing is known. If id is given, the
// result may hold that waiter alone. One that gives resources on as soon as the process
// that holds them has ended, however it ends, says so; see [Lease.KeepUntilExit]:
//
//	SeesExits() bool
//
// A Store that wraps another one says which, so that such methods of that one are found:
//
//	Unwrap() Store
//
// # Reservations
//
// A ticket with For above 0 is a reservation. It waits like every other, and its
// grant to a waiter is provisional like every other. Once it is taken up, by the
// Ask that grants it or that confirms the grant, it stands for For: it is not
// renewed, and stays whatever becomes of the process that asked.
//
//	Ask{ID: "r", For: 2h}    granted: stands until now + 2h, State "reserved"
//	Ask{ID: "r", For: 2h}    the same grant; its end does not move
//	two hours later          over: the keys go to the next waiters
//
// It ends early through EndReservation, Free, Withdraw, or Disable with Now. Once
// its time is over it cannot come back, and no lock delay applies. Nothing is
// learned from it; it is expected to end at its end.
//
// # Disabled keys
//
// A key that is disabled is granted to nobody, in no mode, and reserved for
// nobody. Those who hold it when it is disabled keep it until they give it back;
// it is out of service from then on.
//
//	Ask{ID: "t"}                 granted k
//	Disable{Keys: k}             returns the holder "t"; k has two Holders now: "t", and one with State "disabled"
//	Release t                    k is not handed on
//	Enable k                     k goes to the next waiter
//
// A lease that expired is not revived when one of its keys is disabled. A waiter
// that could not be served even if everything that is not disabled were free
// reserves nothing: it keeps its place, and others flow past it. Every waiter that
// lists a key as candidate is woken when the key is disabled, and Answer.Disabled
// then tells it. What is disabled survives everything but the loss of the data.
//
// With For above 0 the key is disabled for a time that the store decides: For, and
// twice as long for each such time before since the last clean use of the key or the
// last time that Enable ended an outage of it, up to a day. A key that is disabled
// already then stays as it is.
//
//	Disable{Keys: k, For: 10m}    until 0:10
//	Disable{Keys: k, For: 10m}    no change
//	0:10                          k is in service again
//	Disable{Keys: k, For: 10m}    until 0:30, if nobody released k in between as [Released]
//
// # Endings
//
// A store remembers of about 1,000 keys how their last use ended, where it was not
// Released: TestFailed or what else [Grant.Ending] told with the release, Died when
// the lease expired or its process was found dead, Unknown when it was taken away
// by Free or Disable, or a reservation's time was over. A grant that nobody took up,
// and a ticket that was withdrawn, change nothing. A release as Released forgets
// what was remembered before that lease was granted, and what that lease itself has
// done, which may have expired and come back; not what a shared holder beside it did
// meanwhile. A kept lease counts when it is released, and not when its time is over.
// Grants tell it as Grant.Last, snapshots as Snapshot.Endings.
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
	// the holders that lost their lease, or ErrNotHeld. It ends reservations, but
	// does not enable what is disabled.
	Free(ctx context.Context, key, why string) ([]Holder, error)

	// ExtendReservation moves the end of a reservation to d from now, unless it ends
	// later anyway, and returns the end. ErrNotHeld if there is no such reservation.
	ExtendReservation(ctx context.Context, id string, d time.Duration) (time.Time, error)

	// EndReservation gives back some keys of a reservation and hands them to the next
	// waiters in the same step. Its other keys stay reserved; it ends with the last.
	// ErrNotHeld, and nothing changes, if it does not hold all of them.
	EndReservation(ctx context.Context, id string, keys []string) error

	// Disable takes keys out of service, see Outage. It returns those who hold them:
	// without Outage.Now they keep what they have until they give it back; with it
	// they have lost their leases in the same step, as by Free.
	Disable(ctx context.Context, o Outage) ([]Holder, error)

	// Enable puts keys back into service and hands them to the next waiters in the
	// same step. It returns those of them that were disabled, as Holders.
	Enable(ctx context.Context, keys []string) ([]Holder, error)

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
	// Endings says how the last use of keys ended that was not Released.
	Endings map[string]Ending
	// Usual is what about seven of ten tests of late did not hold longer for, by which a
	// scheduler guesses where nothing is known; 0: there were none yet.
	Usual time.Duration
}

// A Holder is a lease in a [Snapshot].
type Holder struct {
	ID           string
	Requirements []Requirement // without their candidates
	Obtained     [][]string
	Owner        Owner
	Token        uint64
	Since        time.Time // granted
	Expires      time.Time // unless renewed; zero: never
	Expect       time.Duration
	Reason       string
	Parents      []string
	// State is "held", "granted" while the waiter has not confirmed it, "kept"
	// after its process has gone, "reserved" by a person, "disabled" for a key that
	// is out of service, or "foreign" for a lock of another program.
	State string
}

// A Usage says how long a test held what it asked for, in its last runs. A store expects
// the Median of the next run, unless the request has Expect.
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
	Reserved     []string      // free keys kept aside for it
	Expect       time.Duration // how long it will hold, as far as it said or the store learned; 0: unknown
	For          time.Duration // of a reservation
	// Start is when it is expected to be served; zero: unknown. [Locker.Snapshot] sets it.
	Start time.Time
}
