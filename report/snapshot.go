package report

import "slices"

// takeSnapshot takes what a snapshot says of runs whose events are not in the input:
// their holders, and their earliest waiter. It explains the time since the last
// snapshot that events could not, and holds from now on until contradicted. The
// caller has recorded until now.
func (c *demand) takeSnapshot(now micros, said []seenHolder, front labelID) {
	slices.SortStableFunc(said, func(a, b seenHolder) int { return int(max(-1, min(1, a.since-b.since))) })
	// Shortage begins when as many of them are there as it takes.
	begin, found := micros(0), false
	for i := 0; i <= len(said) && !found; i++ {
		c.seenHolders = said[:i]
		if found = c.shortage(); found && i > 0 {
			begin = said[i-1].since
		}
	}
	c.seenHolders, c.seenWaiter = said, front
	explained := micros(0)
	if found {
		explained = now - max(c.snapshotAt, begin)
	}
	c.snapshotAt = now
	for b := c.tail; b != nil; b = b.prev {
		explained -= c.explain(b, explained)
	}
}

func (c *demand) shortage() bool {
	for i := range c.wants {
		if c.free(i) < c.wants[i].need {
			return true
		}
	}
	return false
}

// explain makes the soft part of a block firm, up to most of it as time spent
// on the holders, and returns how much that was.
func (c *demand) explain(b *block, most micros) micros {
	var done micros
	for _, p := range (b.open).sorted() {
		t := max(0, min(p.time, most-done))
		done += t
		rest := p.blameKey
		if rest.cause == unknown && c.seenWaiter != 0 {
			rest.cause, rest.label = behind, c.seenWaiter
		}
		b.settled.add(rest, p.time-t)
		c.split(t, b.settled)
	}
	clear(b.open)
	return done
}

// split gives t to the holders of what is short now.
func (c *demand) split(t micros, to parts) {
	if t == 0 {
		return
	}
	var short []*want
	for i := range c.wants {
		if c.free(i) < c.wants[i].need {
			short = append(short, &c.wants[i])
		}
	}
	apportion(t, len(short), func(int) micros { return 1 }, func(i int, t micros) {
		c.holders(short[i], to.add, t)
	})
}

// forgetSeen forgets a seen holder about a key of which an event tells something newer.
func (c *demand) forgetSeen(key string) {
	c.seenHolders = slices.DeleteFunc(slices.Clone(c.seenHolders), func(r seenHolder) bool { return r.key == key })
}

// reblame moves what a holder was blamed for during the last tail of time to
// another cause and holder. The caller has recorded until now, and still counts
// the holder among those in the way.
func (c *demand) reblame(label labelID, tail micros, cause causeID, other labelID) {
	for i := range c.wants {
		w := &c.wants[i]
		mine, all := 0, 0
		for _, h := range w.pool.holders {
			all += h.n
			if h.label == label && h.cause == poolFull {
				mine += h.n
			}
		}
		if mine == 0 {
			continue
		}
		left := mulDiv(tail, micros(mine), micros(all))
		from, to := blameKey{poolFull, label, w.name}, blameKey{cause, other, w.name}
		for b := c.tail; b != nil && left > 0; b = b.prev {
			t := min(left, b.settled[from])
			if t > 0 {
				b.settled[from] -= t
				b.settled[to] += t
				left -= t
			}
		}
	}
}
