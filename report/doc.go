// Package report folds the events of package eventlog into a contention report:
// who waited for what, because of whom, and how busy the resources were. Start
// at [Fold]. What it returns is data; the packages below this one show it: summary in
// text, Markdown and JSON, html as a page, junit in JUnit files, trace, pprof and
// metrics in the formats of their names. Package whatif replays the run.
//
// It reads the events once, in the order of time. Its memory depends on the
// number of open requests, of distinct tests, resources and tags, and not on
// the number of events. The same events give the same report, byte for byte.
//
// # Definitions
//
// The window reaches from the first event to the last one. Durations are in
// milliseconds where they are numbers, and are taken from the monotonic clock
// of the process that measured them (waited_ms, held_ms); where that is missing,
// from the clock that orders the events.
//
//   - Wait: from the moment a request was made until it was granted or given up.
//     It is charged once for each request, however many resources that asked
//     for, and counts whether or not the request was served in the end.
//   - Hold: from the grant to the release, or to the moment when the lease was
//     gone. A request that holds three resources for a second has held for a
//     second; each of the resources was busy for a second.
//   - Prepare and Restore: the time that a test's functions of these names took, which
//     is part of neither wait nor hold. A request whose Prepare failed and that goes
//     on for another resource is one request, which waits once.
//   - Joined: a program below one that holds a resource uses that, too. It has a hold
//     of its own, but the resource, its pool and the total count the one above only.
//   - Utilisation of a resource: the share of the window during which somebody
//     held it, or it was kept for somebody after a failure. With seats: the
//     seats taken times how long, by all seats times the window. Of a pool or a
//     tag: the mean over its resources, which are those that any event names.
//   - Queue depth: the number of requests that wait at one moment; its mean over
//     the window is the sum of all waits divided by the window (Little's law).
//   - P50, P95: the smallest value that at least 50 or 95 of 100 do not exceed.
//     They are exact up to 512 values and within 1 % beyond.
//   - Overtaking: a request was granted a resource that an earlier request,
//     which waited at that moment, could have used too. This is no fault: what
//     an earlier request cannot use yet may flow past it. Earlier means by 10 ms
//     or more: what lies closer may have reached the store in the other order.
//   - Backfilled: a request was served before an earlier one, out of what was
//     reserved for that, because it was expected to give it back in time. The
//     store says so. What that brought is the difference between two replays, one as
//     it was, one with fifo: see FoldAndCompare in package whatif.
//   - Passed: a waiting request that a later one, backfilled, overtook. What that
//     cost is how much longer it waits in the replay as it was than in the one
//     with fifo, if it does.
//   - Given up: the wait ended without the resources. A policy made it a skipped
//     or a failed test, or its context was cancelled.
//   - Lost lease: the holder learnt that its lease was gone before it gave it
//     back. An orphaned lease is one whose holder was never heard of again.
//
// # Blame
//
// Every microsecond of a wait is given to one cause, and, where there is one,
// to a holder, so that the parts sum to the wait:
//
//   - [PoolFull]: too few of the candidates were free. The time is split evenly
//     over those who held them, by resource. If several requirements of the
//     request were short, each gets an equal part.
//   - [Behind]: enough were free, but an earlier or bigger request, which is
//     named, waited for them.
//   - [Orphan]: as PoolFull, but the holder had gone: from its last sign of life
//     until its lease ran out.
//   - [Kept]: as PoolFull, but the test was over and the resource was kept for
//     somebody to look at.
//   - [Reserved]: as PoolFull, but a person has reserved the resource.
//   - [OutOfService]: as PoolFull, but nobody is given the resource, because a person
//     or a test has disabled it; the resource is named, and who did that.
//   - [Foreign]: as PoolFull, but the holder is another program.
//   - [StoreFault]: the lock store could not be asked.
//   - [Unknown]: nothing of this is known. Hand-off and the round trips to the
//     store are in here, and holders that left no events.
//
// What events say of a resource comes first. Of runs whose events are not in
// the input only the snapshots of blockers tell, which waiting requests record;
// such a holder counts from the time that the snapshot gives until a later
// snapshot or a grant of that resource contradicts it. When more than 64 tests
// hold resources of a pool at one moment, none of them is singled out.
package report
