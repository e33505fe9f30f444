package rtest

import "github.com/resourcelocker/resourcelocker/lockcore"

// NewWatchedLocker makes a locker as the process has it, on any store.
func NewWatchedLocker(s lockcore.Store) *lockcore.Locker {
	return lockcore.New(&watchedStore{s}, nil)
}

// What the tests look at.
var (
	AttrKey    = attrKey
	AttrValue  = attrValue
	ParallelOf = parallelOf
	SuiteWait  = suiteWait
)
