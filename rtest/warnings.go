package rtest

import (
	"context"
	"sync"
	"time"
)

// A server may be set up so that it loses leases, and nobody would know before it
// does. So the first test of a process that got something is told what the store
// has to say about that, if it can look.

// checked are the stores that were looked at.
var checked sync.Map // of storeID

// checkLimit bounds the look, which one round trip does.
const checkLimit = 2 * time.Second

// warningsOf returns what the store warns of, once in a process. A source that is no
// store of this process is a locker that the user brought, with a server that he
// knows.
func warningsOf(source any) []string {
	id, ours := source.(storeID)
	if !ours {
		return nil
	}
	if _, again := checked.LoadOrStore(id, true); again {
		return nil
	}
	lockers.Lock()
	store, ok := lockers.checks[id]
	lockers.Unlock()
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkLimit)
	defer cancel()
	warnings, _ := store.Check(ctx) // a server that hides its settings has given the lease all the same
	return warnings
}
