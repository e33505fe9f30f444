// Package nested lets a program use what a program above it holds, instead of
// waiting for it until the end of the one that started it:
//
//	rtest-report lock board-1 -- go test ./...    a test asks for board-1
//
// The program above hands the identity of its lease down in the environment, in
// RTEST_HELD. The one below looks in the store whether the lease is still there, and
// then asks for the resource within that lease: for a key of its own, "board-1 within
// ID", that only programs below the same lease ask for. So two tests below one lock
// still take turns, with everything that a line has, and outsiders see one holder.
//
// As long as somebody below uses a resource, he renews the lease above, too: it
// outlives the program above, should that be killed. When the lease above is lost,
// so is every lease within it.
package nested

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// variable hands leases down.
const variable = "RTEST_HELD"

// A lease is one of a program above, as the variable has it.
type lease struct {
	ID     string                 `json:"id"`
	TTL    time.Duration          `json:"ttl"`
	Token  uint64                 `json:"token"`
	Owner  lockcore.Owner         `json:"owner"`
	Reqs   []lockcore.Requirement `json:"reqs"`   // without candidates
	Keys   [][]string             `json:"keys"`   // as programs call them
	Stored [][]string             `json:"stored"` // as the store calls them
}

func (l *lease) grant() *lockcore.Grant {
	return &lockcore.Grant{
		Ticket: &lockcore.Ticket{ID: l.ID, Requirements: l.Reqs, Owner: l.Owner, TTL: l.TTL}, Obtained: l.Stored, Token: l.Token,
	}
}

// within is what the store calls a key inside a lease.
func (l *lease) within(key string) string { return key + " within " + l.ID }

// above are the leases of the programs above, the nearest last.
func above() ([]*lease, error) {
	text := os.Getenv(variable)
	if text == "" {
		return nil, nil
	}
	var leases []*lease
	if err := json.Unmarshal([]byte(text), &leases); err != nil {
		return nil, fmt.Errorf("the environment variable %s is not what a program above has written: %w", variable, err)
	}
	for _, l := range leases {
		if l == nil || l.ID == "" || len(l.Keys) != len(l.Reqs) || len(l.Stored) != len(l.Reqs) {
			return nil, fmt.Errorf("the environment variable %s is not what a program above has written", variable)
		}
		for i := range l.Keys {
			if len(l.Keys[i]) != len(l.Stored[i]) {
				return nil, fmt.Errorf("the environment variable %s is not what a program above has written", variable)
			}
		}
	}
	return leases, nil
}

// stored has the grants of this process as the store has them, by identity, where
// the names of keys differ.
var stored sync.Map

// Environ is a setting for the environment of a process that this one starts and
// that may use what the leases hold: RTEST_HELD with them and with what programs
// above hold. It is "" when that cannot be told.
func Environ(leases ...*lockcore.Lease) string {
	all, err := above()
	if err != nil {
		all = nil
	}
	for i, le := range leases {
		if le == nil {
			panic(fmt.Sprintf("nested: Environ: lease %d of %d is nil: give it those that Locker.Acquire returned", i+1, len(leases)))
		}
		g := le.Grant()
		l := &lease{ID: g.Ticket.ID, TTL: g.Ticket.TTL, Token: g.Token, Owner: g.Ticket.Owner, Keys: g.Obtained, Stored: g.Obtained}
		if s, ok := stored.Load(l.ID); ok {
			l.Stored = s.(*lockcore.Grant).Obtained
		}
		for _, r := range g.Ticket.Requirements {
			r.Candidates = nil
			l.Reqs = append(l.Reqs, r)
		}
		all = append(all, l)
	}
	b, err := json.Marshal(all)
	if err != nil {
		return ""
	}
	return variable + "=" + string(b)
}

// Parent is the identity of the lease of the nearest program above that hands one
// down, whether or not that has ended; "" without one. Event logs name it, so that a
// use of what a lease above holds can be told from one beside it.
func Parent() string {
	all, err := above()
	if err != nil || len(all) == 0 {
		return ""
	}
	return all[len(all)-1].ID
}

// Join returns the store as a program below sees it: what leases above hold is
// asked for within them. Without leases above it is the store itself. The error is
// about RTEST_HELD.
func Join(s lockcore.Store) (lockcore.Store, error) {
	leases, err := above()
	if err != nil || len(leases) == 0 {
		return s, err
	}
	return &store{Store: s, above: leases, asked: map[string]*request{}}, nil
}

// A store is one that is used below a lease.
type store struct {
	lockcore.Store
	above []*lease

	mu    sync.Mutex
	asked map[string]*request
}
