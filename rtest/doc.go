// Package rtest lets tests share a constrained pool: [Acquire] takes all that a
// test needs or waits in line, across packages, processes and machines, and
// gives it back in t.Cleanup. Say what is needed with [R]. The store is named by
// RTEST_URL; without it, all processes of this user on this machine coordinate.
package rtest
