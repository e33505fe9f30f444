package rtest

import (
	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
)

// NewWatchedLocker makes a locker as the process has it, on any store.
func NewWatchedLocker(s lockcore.Store) *lockcore.Locker {
	return lockcore.New(&watchedStore{s}, nil)
}

// What the tests look at.
var (
	AttrKey    = attrKey
	AttrValue  = attrValue
	ParallelOf = gotest.ParallelOf
	SuiteWait  = suiteWait
)

// Refuse is what a signal that ends the process does to calls; accept takes it
// back. No other test may acquire meanwhile.
func Refuse(why error) (idle <-chan struct{}, accept func()) {
	return reg.refuse(why), func() {
		reg.mu.Lock()
		defer reg.mu.Unlock()
		reg.ending = nil
	}
}
