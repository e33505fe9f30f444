// Package rtest lets tests share a constrained pool of resources: boards, accounts,
// licences, test environments. [Acquire] takes everything that a test needs, all of
// it or nothing, and waits in line until it is free. [R] says what is needed:
//
//	var boards = rtest.R("board-1", "board-2", "board-3")
//
//	func TestPairing(t *testing.T) {
//		t.Parallel()
//		pair := boards.Need(2)
//		lease := rtest.Acquire(t, pair)
//		for _, board := range pair.From(lease) { ... }
//	} // given back here, in t.Cleanup
//
// # What it promises
//
//   - A resource has one holder at a time, among all processes and machines that use
//     the same store; [Requirement.Shared] and [Requirement.Seats] allow more.
//   - A test that waits holds nothing of what it waits for.
//   - Waiting tests are served in order; a request for many resources is not overtaken
//     for ever by requests for few.
//   - A test that got nothing, and one that lost its lease, says why and who is in the
//     way.
//
// # Defaults
//
// The store is private to one user on one machine: a directory in the user's cache
// directory. RTEST_URL names another one, such as a Redis server or a directory that
// several accounts share. A wait lasts at most 5 minutes, or where -timeout is
// set until shortly before it ends the test binary. A lease lives 30 seconds and is
// renewed every 10. A wait in vain fails the test.
//
//	RTEST_URL         the store: file:, file:///dir, redis://host:6379; mem: is one process
//	RTEST_NAMESPACE   separates pools within a store; default "default"
//	RTEST_POOLS       the inventory for Pool: a file or an http(s) URL
//	RTEST_WAIT        how long to wait at most: 90s, 10m; 0 is one attempt
//	RTEST_TTL         the life of a lease between renewals
//	RTEST_ON_BUSY     fail or skip, when the wait is over
//	RTEST_ON_ERROR    fail or skip, when the store cannot be reached
//	RTEST_ON_OUTAGE   wait: also for resources that are out of service, instead of ending at once
//	RTEST_SIGNALS     off: leave signals alone
//	RTEST_EVENTS      where events for reports go: a directory or a redis:// URL
//	RTEST_ATTRS       off, min or all: what t.Attr tells
//	RTEST_REPORT      a Redis that counts requests and waits by tag
//	RTEST_DEBUG       1: write a line for each attempt to reach a Redis server
//	RTEST_RUN         the identity of the run; CI systems set theirs
//	RTEST_JOB_URL     where a person can look at the job
//
// An option of one call overrides its variable. A variable that is set must not be
// empty. The directories of the user and the working directory are those of the
// moment at which the process started: a test that changes HOME does not change its
// store. A test that wants another one sets RTEST_URL, or passes [Using].
//
// # How a lease ends
//
//	the test passes, fails, skips, panics     given back in t.Cleanup
//	Lease.Release                             given back then
//	-timeout, os.Exit, panic in a goroutine   no Cleanup runs; see kill -9
//	^C, SIGTERM, SIGHUP                       given back, then the process ends by the signal;
//	                                          a server keeps it taken for half a second more
//	the program handles the signal itself     nothing: the lease stays with the test
//	kill -9, crash, power                     at once with file:, else when the lease runs out
//	go test is killed, its binary lives on    renewed no more; it runs out
//	the store is cut off, a person frees it   lost: see below
//
// When a lease is lost, the test fails and [Lease.Context] ends, before anybody else
// can have the resource. The test should stop using it at once.
//
// # What it does not promise
//
// The resources themselves know nothing of leases. A process that is suspended for
// longer than its lease lives may touch a resource once more before it notices; where
// that matters, give [Lease.Token] to the resource and let it refuse older ones. A
// store whose data are deleted forgets who holds what. A program that listens to
// all signals that there are hears a signal twice.
//
// # Compatibility
//
// *testing.T, *testing.B, *testing.F, GinkgoT() and whatever has the methods of [TB]
// fit; package ginkgolock has decorators for Ginkgo. Processes that share a store
// should use the same version of this module.
package rtest
