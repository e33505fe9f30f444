package sched

import "time"

// What a store needs to know that follows the rules elsewhere, as scripts on a server
// do: the same constants under names that they can see, so that none stands twice.
const (
	// MissedPolls is how many polls a waiter may miss before it is dropped.
	MissedPolls = missed
	// PollsPerTTL is how often a waiter asks again in its TTL, at least.
	PollsPerTTL = pollsPerTTL
	// ShortestPoll is the least time between two polls, and between two looks at a
	// waiter that lets others past.
	ShortestPoll = shortestPoll
	// EndedKept is how long an expired lease may be revived, and how long a store
	// remembers why a lease ended.
	EndedKept = lapsedKept
	// Patience and LeastPatience say how long a waiter bears with those who were let
	// past it: a multiple of what it had to wait anyway, and a time.
	Patience      = patience
	LeastPatience = minPatience
	// FreshWait is what everybody's wait counts more by when one is chosen to be let
	// past others.
	FreshWait = freshWait
	// ShadowShare and PatienceShare say within which parts of the time until its shadow
	// time, and of its patience, who is let past a waiter has to be back.
	ShadowShare   = shadowShare
	PatienceShare = patienceShare
	// PromisePart says by which part of its wait until its shadow time a waiter may be
	// delayed; NotDelayed is how much less.
	PromisePart = promisePart
	NotDelayed  = notDelayed
	// UsualUp and UsualDown, of UsualParts, are by how much what took longer, or less,
	// moves the usual time.
	UsualUp, UsualDown, UsualParts = usualUp, usualDown, usualParts
	// HoldsKept is how many durations of a test are remembered, and HistoryAge for how
	// long after the last of them.
	HoldsKept  = holdsKept
	HistoryAge = historyAge
	// TroublesKept is of how many keys it is remembered that their last use did not end
	// in order, and LongestOutage what the time of a key out of service is doubled to.
	TroublesKept  = troublesKept
	LongestOutage = longestOutage
)

const (
	pollsPerTTL  = 3
	shortestPoll = time.Millisecond
)
