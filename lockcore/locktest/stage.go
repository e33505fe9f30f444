package locktest

import (
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A Stage is an empty store on a clock that the test moves: nothing takes any time
// but Pass. [TestStories] and [TestTraces] play on it what the scheduler does, and
// compare.
type Stage struct {
	// Open returns a client of the store, as often as it is called with the same
	// arguments. The policy and the lock delay are those of the whole play.
	Open func(policy lockcore.QueuePolicy, lockDelay time.Duration) lockcore.Store
	// Now is the clock of the store.
	Now func() time.Time
	// Pass moves the clock.
	Pass func(d time.Duration)
	// Settle returns when everything that was sent has arrived, as the messages to
	// waiters have. It is called before a snapshot and after it, so it can also look
	// whether the snapshot changed anything. Nil: there is nothing to wait for.
	Settle func()
	// As returns a client of the store in another process; Reap ends that process. A
	// store that knows nothing of processes leaves both nil: then what the process
	// had is withdrawn and freed by hand.
	As   func(proc string) lockcore.Store
	Reap func(proc string)
	// Polls says that a waiter is told to ask again exactly when the scheduler would
	// tell it to; else that it waits is all that is compared.
	Polls bool
}

// A Play prepares a stage, calls f with it, and clears it away. It may call f in a
// synctest bubble.
type Play func(t *testing.T, f func(t *testing.T, s Stage))
