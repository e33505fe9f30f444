// Package lockcore takes all that a request needs or nothing from a shared
// [Store], waits in line for it, keeps it as a [Lease] and gives it back. Start
// at [Locker.Acquire]; tests want package rtest. Leases can be lost, see
// [Lease.Context].
package lockcore
