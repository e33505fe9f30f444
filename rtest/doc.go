// Package rtest lets tests share a constrained pool: [Acquire] takes all that a
// test needs or waits in line, across packages, processes and machines, and
// gives it back in t.Cleanup. Say what is needed with [R]. The store is named by
// RTEST_URL; without it, all processes of this user on this machine coordinate.
//
// When a Redis server cannot be reached, go-redis, the client behind it, writes a
// line of its own to standard error for each attempt to connect, before the test
// fails or is skipped in the words of this package. go-redis has one logger for
// the whole program, which the code under test may use as well, so it is left
// alone here. Who does not want its lines imports
// github.com/redis/go-redis/v9/logging and writes
//
//	func init() { logging.Disable() }
package rtest
