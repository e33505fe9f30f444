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
//
// # Reservations and disabled keys
//
// A reservation waits as every request does. Once it is taken up, its lease needs
// no renewal and no process, and ends when its time is over (reserve.go).
//
// A key that is disabled is held by a lease of its own, beside those who have it:
// they end as usual, that lease stays (disable.go). A waiter that cannot be served
// without a disabled key reserves nothing, and so keeps nobody waiting: the promises
// about order hold among the others, and for it again from the moment at which the
// key is enabled.
//
// What they mean for a store is said at [lockcore.Store].
//
// # Backfill
//
// Under [lockcore.Backfill] a request may also use what is reserved for waiters
// before it, if it is expected to give it back soon enough for each of them. What is
// expected is what the request says, else the median of what earlier runs of its test
// took, else a guess: the usual time, which seven of ten tests of late did not exceed
// (usual.go). As long as no test has ended yet there is no guess either. Then such a
// request is never let past a reservation; and nobody is let past a waiter that waits
// for such a holder. Soon enough for a waiter is (backfill.go; letpast.go chooses among several)
//
//   - before it could start anyway: before its shadow time, which follows from the
//     expected ends of those who hold; or before its promise, which is made once, when
//     somebody could first be let past it: its shadow time, and about a twentieth of its
//     wait until then;
//   - and within a third of the time until its shadow time, or within a fifth of its
//     patience: one run in many hangs, and so does little harm;
//   - and before its patience is at its end (see patience.go).
//
// First all are served who need not be let past anybody. Then, of those who could be
// let past others, the one goes that keeps keys from them for the least time, as a
// share of the time that it has waited, times the root of how many keys; and so on.
//
// Why is that fair, though people are served out of order?
//
//	Whoever fits takes: short waits, but who wants much may wait for ever.
//	Strictly in order: nobody starves, but all wait while boards lie idle.
//	Here, what lies idle for somebody is lent, to those who bring it back soon.
//	A waiter knows from the beginning how late that can make it: its promise.
//	Who borrows for a short time goes first, so that most wait for a moment only;
//	who has waited for long may borrow for longer, so that nobody is passed over.
//	Some bring it back late, by mistake or because they lied. So each waiter lends
//	for a limited time, its patience, whatever anybody says: four times what it would
//	have waited anyway. After that its turn comes with the first moment at which the
//	last borrower is gone.
//
// Expectations may be wrong, and requests may lie. The order promise under
// backfill does not depend on them. For a waiter that came at moment A, let M be
// the moment at which it is first in line and everything older is gone: all leases
// that stood at A, and all that went to requests before it in line. Under FIFO it
// starts at M. Under backfill it starts at the latest at
//
//	M + max(1 minute, 3 (M - A)) + H
//
// where H is the longest that anybody holds who was let past it. So nobody waits
// longer than four times what he would have to wait without backfill from there
// on, and one hold; and since M comes for everybody by induction along the line,
// nobody starves.
//
// Why: a lease that stands at M and is not older went to somebody behind the
// waiter in line, and so was either let past it, or took keys that the waiter did
// not reserve. The latter are in nobody's way: the waiter reserves as many free
// keys as it can use, and a largest set of free keys that fits can be completed to
// a set that satisfies the whole request by keys that were not free then (sets of
// keys that can be matched have the exchange property of a matroid), so there are
// always enough keys among those it had reserved, those let past it, and those of
// older leases. Hence at M at the latest, the waiter would be served if those let
// past it were not there. The pass at that step comes to it first, sees that, and
// notes the moment D <= M as the one from which it is delayed. At D + max(1 minute,
// 3 (D - A)) its patience ends, and from then on nobody takes what it reserves. Each
// key that comes back stays reserved for it, and after another H the last of those
// that were let past it is gone. Shadow times, promises and the choice among those
// who could be let past say who is let past it before its patience ends, and nothing
// else; so what is known, and how wrong that is, has no part in this.
//
// What a waiter has to wait anyway includes the delays of those before it, so an
// endless stream of liars can stretch the waits along a line of n by more than a
// sum. To count every delay of anybody in line against the patience of all was
// rejected: see patience.go.
package sched
