package rtest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
)

// go test -fuzz runs the body of the fuzz test, and TestMain, in the process
// that coordinates and then again in each of the workers that it starts. What it
// acquires there is meant for all of them: were the workers to ask for it too,
// they would wait for a lease that ends only after they do. So the coordinator
// tells the workers what it holds, in their environment, and they use it without
// asking. Inside f.Fuzz, every input is a test of its own, with leases of its
// own.

// envFuzz is private to the two.
const envFuzz = "RTEST_FUZZ_LEASES"

// passedLease is what a worker needs to know of a coordinator's lease.
type passedLease struct {
	ID       string
	Obtained [][]string
	Token    uint64
}

// passed is what this coordinator holds, by the call that took it.
var passed struct {
	sync.Mutex
	leases map[string]passedLease
}

// concernsWorkers reports whether a call in the coordinator will be repeated in
// its workers.
func concernsWorkers(t TB) bool {
	_, f := t.(*testing.F)
	return (f || ofMain(t)) && gotest.Fuzzing()
}

// name is the same in the coordinator and its workers, which run the same code:
// the n-th Acquire of a test.
func (c *call) name() string { return fmt.Sprintf("%s#%d", c.t.Name(), c.index) }

// passToWorkers tells future workers of a lease.
func (c *call) passToWorkers(l *Lease) {
	if !concernsWorkers(c.t) || gotest.FuzzWorker() {
		return
	}
	passed.Lock()
	defer passed.Unlock()
	if passed.leases == nil {
		passed.leases = make(map[string]passedLease)
	}
	passed.leases[c.name()] = passedLease{l.id, l.obtained, l.token}
	b, err := json.Marshal(passed.leases)
	if err == nil {
		os.Setenv(envFuzz, string(b)) // workers, which start later, get it from there
	}
}

// fromCoordinator makes a lease of what the coordinator holds for this call; nil if
// this is no worker, or the coordinator has nothing for it.
func (c *call) fromCoordinator() *Lease {
	if !gotest.FuzzWorker() || !concernsWorkers(c.t) {
		return nil
	}
	var all map[string]passedLease
	if json.Unmarshal([]byte(os.Getenv(envFuzz)), &all) != nil {
		return nil
	}
	p, ok := all[c.name()]
	// Code that asks for other things in a worker gets them the usual way.
	if !ok || len(p.Obtained) != len(c.reqs) {
		return nil
	}
	l := c.lease(parentHolding{}, p.ID, p.Obtained, p.Token)
	l.log = &record{reqs: c.reqs, wishes: c.wishes}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.begin(c.guarded())
	l.registerCleanup()
	return l
}
