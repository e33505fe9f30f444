// Package sched decides who gets what: a state machine that knows holdings,
// waiters and time, and the specification that every store follows.
//
// It does no I/O, reads no clock, starts no goroutine and draws no random
// number: the moment and the source of randomness are arguments, so that the
// same calls give the same state in a test, in a replay and in a simulation. A
// [State] is not safe for concurrent use; a store puts it under its own lock.
//
// Start with [State.Ask] in step.go, what a request goes through, and with
// [State.schedule] in pass.go, the one place where anything is granted.
//
// # What it promises
//
// Safety: an exclusive key has one holder, shared holders exclude exclusive
// ones, and of seats never more are given out than the holder who counts lowest
// believes there are.
//
// All or nothing: a waiter holds nothing. What it reserves is kept aside for it
// but is not its own, and vanishes with its ticket.
//
// Order: waiters are served by rank, which is their arrival, moved one minute
// earlier for each level of priority. Since everybody's waiting counts alike,
// ageing does not change who is before whom, and the order is fixed at arrival.
//
// No starvation: a waiter that cannot be served reserves the free keys that it
// could use, and keeps newcomers off keys that are shared and that it waits to
// have alone. Every other key that it could use is held exclusively, and when
// such a key comes free, only the finitely many earlier waiters look at it
// first. So a waiter at rank n starts at the latest when n earlier requests have
// come and gone, however many arrive after it.
//
// Work conservation: what no earlier waiter has a claim on is granted at once.
package sched
