// Package simulate plays requests to the real scheduler in simulated time, to
// answer what a policy, a larger pool or another order would have meant.
//
// [Run] replays given jobs: when each arrived, what it asked for, how long it
// held. That is what a recorded night consists of, so "with one board more" is
// the same jobs with one candidate more, and "with fifo" is the other policy.
// [Table] compares policies on made-up workloads. It is printed by
//
//	go test ./lockcore/simulate -run TestTable -v -table
//
// It drives the very code that the stores run, not a model of it: a simulation of
// an idea of the scheduler would measure the idea. Nobody dies in a simulation,
// no message takes time, and grants are confirmed at once.
package simulate
