package sched

import (
	"cmp"
	"slices"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// visit returns the order in which the candidates of each requirement are
// looked at, by its Choice.
func (s *State) visit(reqs []lockcore.Requirement, rnd Rand) func(r int) func(i int) int {
	return Order(reqs, func(key string) int64 { return s.used[key] }, rnd)
}

// Order is the order in which to look at the candidates of each requirement, by
// its Choice, for [lockcore.Match]. used says when a key was last used under
// LeastRecentlyUsed.
func Order(reqs []lockcore.Requirement, used func(key string) int64, rnd Rand) func(r int) func(i int) int {
	return func(r int) func(int) int {
		cands := reqs[r].Candidates
		switch reqs[r].Choice {
		case lockcore.InOrder:
			return nil
		case lockcore.LeastRecentlyUsed:
			return leastRecent(cands, used)
		}
		return shuffled(len(cands), rnd)
	}
}

// exactShuffle is up to where every permutation is drawn alike.
const exactShuffle = 64

// shuffled is a random order of 0..n-1. A long list is not permuted, which would
// cost as much as looking at all of it: it is walked from a random place with a
// random stride that is prime to its length, so that each entry comes once.
func shuffled(n int, rnd Rand) func(int) int {
	if n < 2 || rnd == nil { // nil: in the order of the list
		return nil
	}
	if n <= exactShuffle {
		var order [exactShuffle]uint8
		for i := range n {
			j := rnd(i + 1)
			order[i], order[j] = order[j], uint8(i)
		}
		return func(i int) int { return int(order[i]) }
	}
	start, stride := Stride(n, rnd)
	return func(i int) int { return (start + i*stride) % n }
}

// Stride draws a way through n things that comes to each of them once: from start,
// in steps of stride modulo n. The stride is prime to n:
//
//	n = 5, start 3, stride 2:  3 0 2 4 1
func Stride(n int, rnd Rand) (start, stride int) {
	if n < 2 {
		return 0, 1
	}
	start, stride = rnd(n), 1+rnd(n-1)
	for gcd(stride, n) != 1 {
		stride = stride%(n-1) + 1
	}
	return start, stride
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func leastRecent(cands []lockcore.Candidate, used func(key string) int64) func(int) int {
	order := make([]int, len(cands))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(used(cands[a].Key), used(cands[b].Key))
	})
	return func(i int) int { return order[i] }
}
