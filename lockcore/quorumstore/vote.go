package quorumstore

import "time"

// A reply is what one server made of a question.
type reply uint8

const (
	silent reply = iota // has not answered yet
	yes
	no
	down // cannot be reached, or did not answer in time
)

// A verdict is what the replies amount to.
type verdict uint8

const (
	pending verdict = iota // servers that are silent still decide
	won                    // a majority said yes, in time
	lost                   // so many said no that the others cannot change it
	unclear                // the servers that are down would decide
	late                   // a majority said yes, but nothing is left of the lease
)

// A ballot is one question to all servers: a value, from which the verdict
// follows at any moment.
type ballot struct {
	replies []reply
	ttl     time.Duration // of the lease at stake; 0: none, and no answer is too late
}

func newBallot(servers int, ttl time.Duration) ballot {
	return ballot{make([]reply, servers), ttl}
}

func (b ballot) count(r reply) int {
	n := 0
	for _, v := range b.replies {
		if v == r {
			n++
		}
	}
	return n
}

// majority is how many of n servers decide: any two majorities share a server,
// and that server does not say yes to two rivals.
func majority(n int) int { return n/2 + 1 }

// verdict is what the replies amount to when taken has passed since the question
// was sent.
func (b ballot) verdict(taken time.Duration) verdict {
	need, n := majority(len(b.replies)), len(b.replies)
	switch {
	case b.count(yes) >= need:
		if b.ttl > 0 && validity(b.ttl, taken) <= 0 {
			return late
		}
		return won
	case b.count(no) > n-need:
		return lost
	case b.count(silent) == 0:
		return unclear
	}
	return pending
}

// hopeless reports that no answer which is still to come can win. Whoever only
// wants to know whether to go on need not wait for them.
func (b ballot) hopeless() bool { return b.count(yes)+b.count(silent) < majority(len(b.replies)) }

// answered is how many servers said anything.
func (b ballot) answered() int { return b.count(yes) + b.count(no) }

// quorate reports whether a majority answered: if it did, the question was
// decided by rivals and not by the network.
func (b ballot) quorate() bool { return b.answered() >= majority(len(b.replies)) }

// validity is what is left of a lease whose vote has taken so long.
//
// A fiftieth of the TTL is for clocks that run at different speeds; lockcore
// counts in the same way, from a moment before the question was sent. Redlock
// asks for a hundredth and 2 ms; the 2 ms are in [grace], so that short leases do
// not need a larger share.
func validity(ttl, taken time.Duration) time.Duration { return ttl - ttl/50 - taken }

// grace is by how much servers keep a lease longer than the client counts on.
const grace = 2 * time.Millisecond
