package report

import (
	"slices"
)

// A demand is all waiting requests that ask for the same. At one moment they
// have the same in their way, so that blame is computed once for all of them:
// a queue of a thousand costs what a queue of one costs, until each leaves.
//
// Time is recorded in blocks. A block begins when a waiter joins; a waiter's
// blame is the sum of the blocks since it joined.
type demand struct {
	key     string
	wants   []want
	waiters []*request // in the order in which they are served
	last    micros     // blame is recorded until then
	head    *block     // the oldest that a waiter needs
	tail    *block     // the one that records

	// What the latest snapshot of a waiter said about runs whose events are not
	// in the input.
	seenHolders []seenHolder
	seenWaiter  labelID // an earlier waiter of such a run
	snapshotAt  micros  // time of that snapshot
}

// A seen holder is a holder known from a snapshot only.
type seenHolder struct {
	key   string
	label labelID
	cause causeID
	since micros
}

type block struct {
	prev, next *block
	refs       int   // waiters that joined at its beginning
	settled    parts // attributed for good
	open       parts // Behind and Unknown since the last snapshot, which the next one may explain
}

func (c *demand) join(r *request, now micros) {
	if c.tail == nil || len(c.tail.settled)+len(c.tail.open) > 0 {
		b := &block{prev: c.tail, settled: parts{}, open: parts{}}
		if c.tail != nil {
			c.tail.next = b
		} else {
			c.head = b
		}
		c.tail = b
	}
	if len(c.waiters) == 0 {
		c.last, c.snapshotAt = now, now
		c.seenHolders, c.seenWaiter = nil, 0
	}
	c.tail.refs++
	r.block = c.tail
	i := len(c.waiters)
	for i > 0 && r.before(c.waiters[i-1]) {
		i--
	}
	c.waiters = slices.Insert(c.waiters, i, r)
}

// leave returns what the waiter waited for. The caller has recorded until now;
// sum is room to work in.
func (c *demand) leave(r *request, sum parts) []part {
	clear(sum)
	for b := r.block; b != nil; b = b.next {
		for k, t := range b.settled {
			sum[k] += t
		}
		for k, t := range b.open {
			sum[k] += t
		}
	}
	// What was recorded as the time behind this very request, for the others of
	// the demand, has no known cause for itself. A snapshot may have explained
	// some of it since.
	for k, t := range r.ahead {
		t = min(t, sum[k])
		sum[k] -= t
		sum[blameKey{cause: unknown, pool: k.pool}] += t
	}
	r.ahead = nil
	c.drop(r.block)
	r.block = nil
	i := slices.Index(c.waiters, r)
	c.waiters = slices.Delete(c.waiters, i, i+1)
	return sum.sorted()
}

// drop gives up one need of a block; one that nobody needs is merged into the
// one before, whose waiters still do, or forgotten if there is none.
func (c *demand) drop(b *block) {
	b.refs--
	if b.refs > 0 {
		return
	}
	if b.prev != nil {
		p := b.prev
		for k, t := range b.settled {
			p.settled[k] += t
		}
		for k, t := range b.open {
			p.open[k] += t
		}
		p.next = b.next
		if b.next != nil {
			b.next.prev = p
		} else {
			c.tail = p
		}
		return
	}
	c.head = b.next
	if b.next != nil {
		b.next.prev = nil
	} else {
		c.tail = nil
	}
}

// record attributes the time since the last record to what is in the way now.
func (c *demand) record(now micros, f *fold) {
	dt := now - c.last
	c.last = max(c.last, now)
	if dt <= 0 || len(c.waiters) == 0 {
		return
	}
	var short [8]int // more short requirements than that share as if they were eight
	n := 0
	for i := range c.wants {
		if n < len(short) && c.free(i) < c.wants[i].need {
			short[n] = i
			n++
		}
	}
	if n == 0 {
		c.recordLine(dt, f)
		return
	}
	apportion(dt, n, func(int) micros { return 1 }, func(i int, t micros) {
		w := &c.wants[short[i]]
		c.holders(w, func(k blameKey, t micros) { c.tail.settled.add(k, t) }, t)
	})
}

// free is how many units requirement i could take, as far as is known.
func (c *demand) free(i int) int {
	w := &c.wants[i]
	n := w.pool.free(w)
	for j := range c.seenHolders {
		if w.pool.members[c.seenHolders[j].key] {
			n--
		}
	}
	return n
}

// singledOut bounds the holders that share one moment of blame.
const singledOut = 64

// holders splits t over those who hold what w wants.
func (c *demand) holders(w *want, give func(blameKey, micros), t micros) {
	type share struct {
		key blameKey
		n   int
	}
	var buf [16]share
	l := buf[:0]
	total := 0
	if len(w.pool.holders) > singledOut {
		give(blameKey{poolFull, manyLabel, w.name}, t)
		return
	}
	for _, h := range w.pool.holders {
		n := h.n
		if w.shared {
			n -= h.shared
		}
		if n > 0 {
			l = append(l, share{blameKey{h.cause, h.label, w.name}, n})
			total += n
		}
	}
	for _, r := range c.seenHolders {
		if w.pool.members[r.key] {
			l = append(l, share{blameKey{r.cause, r.label, w.name}, 1})
			total++
		}
	}
	if total == 0 {
		// Fewer candidates than it needs: nobody is to blame.
		give(blameKey{cause: unknown, pool: w.name}, t)
		return
	}
	apportion(t, len(l), func(i int) micros { return micros(l[i].n) }, func(i int, t micros) { give(l[i].key, t) })
}

// recordLine attributes dt while nothing is short: to the request in front, or
// to nobody.
func (c *demand) recordLine(dt micros, f *fold) {
	first, w := f.first(c)
	k := blameKey{cause: unknown, pool: w.name}
	own := false
	switch {
	case first == c.waiters[0] && c.seenWaiter != 0:
		k.cause, k.label = behind, c.seenWaiter
	case first == c.waiters[0] && len(c.waiters) == 1:
	default:
		k.cause, k.label = behind, first.label
		own = first == c.waiters[0]
	}
	c.tail.open.add(k, dt)
	if own {
		if first.ahead == nil {
			first.ahead = parts{}
		}
		first.ahead.add(k, dt)
	}
}

// suits reports whether what the demand wants of p leaves room for w.
func (c *demand) suits(p *pool, w *want) bool {
	for i := range c.wants {
		if c.wants[i].pool == p && !c.wants[i].compatible(w) {
			return false
		}
	}
	return true
}
