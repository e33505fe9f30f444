package rtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
)

// What go test does with parallel tests makes two traps:
//
//   - Acquire before t.Parallel: the test is parked, holding, until every serial
//     test of the package is over. If one of those wants the same resource, both
//     wait for good.
//   - A test that holds returns from its function and waits for its parallel
//     subtests; those need slots, which -parallel limits, and tests that wait for
//     the resource may occupy them all.
//
// Neither can be seen through the API of package testing. t.Setenv at Acquire
// would make a later t.Parallel panic, but also one after an early Release, and
// the panic would end the whole binary with words about environment variables.
// So package internal/gotest reads an unexported field; should Go rename it, the
// checks are off and a test of this package says so.

// The certain cases end at once, as the error that they are: a wait until
// -timeout would only tell the same ten minutes later.

// parkedWhileHolding words the first trap when the lease ends.
func (l *Lease) parkedWhileHolding() string {
	t, ok := l.t.(*testing.T)
	if !ok || !l.serial {
		return ""
	}
	if self, _, known := gotest.ParallelOf(t); !known || !self {
		return ""
	}
	return fmt.Sprintf("rtest: %s called t.Parallel while it held %s (acquired at %s): it was parked until all serial tests of the package were over, and nobody could use them meanwhile. Call t.Parallel before rtest.Acquire",
		l.t.Name(), list(l.keys, keysShown), l.at)
}

// stuck says which tests of this process keep the waiter from going on, and
// whether it is certain that no waiting helps. When it is certain, the call no
// longer counts as waiting, so that of several waiters in the same trap one gives
// way and the others go on.
func (r *registry) stuck(c *pending, busy *lockcore.BusyError) (words string, certain bool) {
	slot := c.slot
	if !c.known || len(busy.Blockers) == 0 {
		return "", false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting := make(map[any]string) // by slot
	for o := range r.pending {
		if o.slot != nil {
			waiting[o.slot] = o.test.name
		}
	}
	full := slot != nil && gotest.Slots() > 0 && len(waiting) >= gotest.Slots()
	if slot != nil && !full {
		return "", false
	}
	certain = true
	var holders []string
	for _, b := range busy.Blockers {
		l := r.trapped(c, b.ID)
		if l == nil {
			certain = certain && r.waitsHere(b.ID)
			continue
		}
		who := fmt.Sprintf("%s (holds %s since %s)", l.test.name, b.Key, l.at)
		if !slices.Contains(holders, who) {
			holders = append(holders, who)
		}
	}
	if len(holders) == 0 {
		return "", false
	}
	if certain {
		r.drop(c)
	}
	who := list(holders, 3)
	if !full {
		return who + " is parked in t.Parallel until all serial tests, this one among them, are over: call t.Parallel before rtest.Acquire there", certain
	}
	names := make([]string, 0, len(waiting))
	for _, n := range waiting {
		names = append(names, n)
	}
	slices.Sort(names)
	return fmt.Sprintf("%s cannot go on without one of the %s of -parallel, for itself or its parallel subtests, and tests that wait for resources have them all: %s. Raise -parallel, or acquire in the subtests",
		who, plural(gotest.Slots(), "slot", "slots"), list(names, 8)), certain
}

// trapped finds the lease of this process with that identity, if its test can
// only be waiting for what the call's test occupies: a serial test runs alone,
// so another that holds is parked; and with every slot taken by a waiter, a
// holder that does not wait itself has none. r.mu is held.
func (r *registry) trapped(c *pending, id string) *Lease {
	for l := range r.leases {
		if l.id != id {
			continue
		}
		if _, t := l.t.(*testing.T); !t || c.test.within(l.test) || l.test.within(c.test) {
			return nil
		}
		for o := range r.pending {
			if o.test.within(l.test) {
				return nil // it, or a subtest, waits for something else
			}
		}
		if c.slot == nil && top(l.test.name) == top(c.test.name) {
			return nil // a parent, and serial parts of one test, run by turns
		}
		return l
	}
	return nil
}

// waitsHere reports whether the identity is of a waiter of this process.
func (r *registry) waitsHere(id string) bool {
	for o := range r.pending {
		if o.id == id {
			return true
		}
	}
	return false
}

func top(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}
