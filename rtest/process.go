package rtest

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/nested"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
)

// storeID names the store that the environment asks for.
type storeID struct{ url, namespace string }

// lockers are those of this process: one, unless a test changes the environment.
// They are never closed, as nobody can say which test is the last; idle, they
// keep nothing in the store.
var lockers struct {
	sync.Mutex
	open   map[storeID]*lockcore.Locker
	checks map[storeID]checker // of those that can look at their server
}

// openTimeout bounds the opening of a store. Those that a server keeps bound
// their dialling themselves, more tightly.
const openTimeout = 15 * time.Second

// openLocker opens the store at the first call. A failure is not remembered: the
// server may be back when the next test asks.
func openLocker(ctx context.Context, id storeID) (*lockcore.Locker, error) {
	lockers.Lock()
	defer lockers.Unlock()
	if l := lockers.open[id]; l != nil {
		return l, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTimeout)
	defer cancel()
	store, err := storeurl.Open(ctx, id.url) // reads RTEST_NAMESPACE itself
	if err != nil {
		return nil, &openError{err}
	}
	joined, err := nested.Join(store) // what a lock above this process holds is asked for within it
	if err != nil {
		store.Close()
		return nil, &openError{err}
	}
	l := lockcore.New(&watchedStore{joined}, &lockcore.Options{Alive: gotest.ParentAlive})
	if lockers.open == nil {
		lockers.open = make(map[storeID]*lockcore.Locker)
		lockers.checks = make(map[storeID]checker)
	}
	if c, ok := store.(checker); ok {
		lockers.checks[id] = c
	}
	lockers.open[id] = l
	return l, nil
}

// openError is about a store that was not opened. A URL that says nothing is a
// mistake that no policy should turn into skipped tests; what its words begin
// with is how it differs from, say, a directory on a full disk.
type openError struct{ err error }

func (e *openError) Error() string { return envURL + ": " + e.err.Error() }
func (e *openError) Unwrap() error { return e.err }
func (e *openError) mistake() bool { return strings.HasPrefix(e.err.Error(), "storeurl: ") }

// watchedStore puts failed renewals on record: the lease still lives then, but a
// report should show how close it came.
type watchedStore struct{ lockcore.Store }

// Unwrap lets package lockcore find what else the store can do.
func (s *watchedStore) Unwrap() lockcore.Store { return s.Store }

func (s *watchedStore) Renew(ctx context.Context, grants []*lockcore.Grant) ([]error, error) {
	errs, err := s.Store.Renew(ctx, grants)
	if err != nil {
		renewalFailed(grants, err)
	}
	return errs, err
}

// renewalFailed is set by the part of this package that knows the leases.
var renewalFailed func([]*lockcore.Grant, error)

// checker is a store that can look at how its server is set up.
type checker interface {
	Check(context.Context) (warnings []string, err error)
}
