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

// A ballot is what the servers replied to one question. Its verdict follows at any
// moment, without I/O.
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

// majority is how many of n servers decide. Any two majorities have a server in
// common, and that server does not say yes to two rivals.
func majority(n int) int { return n/2 + 1 }

// verdict is what the replies amount to when the vote has taken so long.
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

// cannotWin reports that the vote is not won even if every server that is still silent
// says yes.
func (b ballot) cannotWin() bool { return b.count(yes)+b.count(silent) < majority(len(b.replies)) }

// answered is how many servers said anything.
func (b ballot) answered() int { return b.count(yes) + b.count(no) }

// quorate reports whether a majority answered. If it did and the vote is not won, a
// rival is in the way; else the network is.
func (b ballot) quorate() bool { return b.answered() >= majority(len(b.replies)) }

// validity is what is left of a lease when its vote has taken so long.
//
// It takes off a fiftieth of the TTL, for clocks that run at different speeds. lockcore
// does the same, counting from before the question was sent. Redlock takes off a
// hundredth and 2 ms; here the servers add the 2 ms, see [grace].
func validity(ttl, taken time.Duration) time.Duration { return ttl - ttl/50 - taken }

// grace is how much longer than its TTL servers keep a lease.
const grace = 2 * time.Millisecond
