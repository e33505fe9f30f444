package rtest

import (
	"context"
	"sync"
	"time"
)

// A server may be set up so that it loses leases, and nobody would know before it
// does. So the first test of a process that got something is told what the store
// has to say about that, if it can look.

// checker is such a store.
type checker interface {
	Check(context.Context) (warnings []string, err error)
}

// checked are the stores that were looked at.
var checked sync.Map // of storeID

// checkLimit bounds the look, which one round trip does.
const checkLimit = 2 * time.Second

// doubts returns what the store of this call warns of, once in a process.
func (c *call) doubts() []string {
	id, ours := c.source.(storeID)
	if !ours {
		return nil // whoever brings a locker knows its server
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
