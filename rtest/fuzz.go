package rtest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
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

// handed is what a worker needs to know of a coordinator's lease.
type handed struct {
	ID       string
	Obtained [][]string
	Token    uint64
}

// handing is what this coordinator holds, by the call that took it.
var handing struct {
	sync.Mutex
	leases map[string]handed
}

// concernsWorkers reports whether a call in the coordinator will be repeated in
// its workers.
func concernsWorkers(t TB) bool {
	switch t.(type) {
	case *testing.F, *suite:
		return fuzzing()
	}
	return false
}

// name is the same in the coordinator and its workers, which run the same code:
// the n-th Acquire of a test.
func (c *call) name() string { return fmt.Sprintf("%s#%d", c.t.Name(), c.index) }

// hand tells future workers of a lease.
func (l *Lease) hand(c *call) {
	if !concernsWorkers(c.t) || fuzzWorker() {
		return
	}
	handing.Lock()
	defer handing.Unlock()
	if handing.leases == nil {
		handing.leases = make(map[string]handed)
	}
	handing.leases[c.name()] = handed{l.id, l.obtained, l.token}
	b, err := json.Marshal(handing.leases)
	if err == nil {
		os.Setenv(envFuzz, string(b)) // inherited by the workers, which start later
	}
}

// inherit makes a lease of what the coordinator holds for this call; nil if this
// is no worker, or the coordinator has nothing for it.
func (c *call) inherit() *Lease {
	if !fuzzWorker() || !concernsWorkers(c.t) {
		return nil
	}
	var all map[string]handed
	if json.Unmarshal([]byte(os.Getenv(envFuzz)), &all) != nil {
		return nil
	}
	h, ok := all[c.name()]
	// Code that asks for other things in a worker gets them the usual way.
	if !ok || len(h.Obtained) != len(c.reqs) {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Lease{t: c.t, test: c.test, at: c.at, id: h.ID, source: c.source, log: &record{call: c}, ctx: ctx, end: cancel,
		reqs: c.reqs, obtained: h.Obtained, token: h.Token}
	for _, keys := range h.Obtained {
		l.keys = append(l.keys, keys...)
	}
	l.take(c)
	l.tie()
	return l
}
