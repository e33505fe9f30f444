// Package lockcore takes what a request needs all-or-nothing from a [Store]
// that many processes share, waits in line for it, keeps it alive as a [Lease]
// and gives it back. Start at [Locker.Acquire]; tests want package rtest
// instead. A lease is a promise about time: watch [Lease.Context].
package lockcore
