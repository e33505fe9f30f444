package report

import (
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// enter makes a request one of its demand, or one that waits for the store.
func (f *fold) enter(r *request) {
	r.since = f.now
	if r.broken {
		return
	}
	c := r.spec.demand
	if len(c.waiters) == 0 || r.before(c.waiters[0]) {
		f.recordRivals(c)
	}
	c.record(f.now, f)
	if len(c.waiters) == 0 {
		for i := range c.wants {
			if p := c.wants[i].pool; !slices.Contains(p.active, c) {
				p.active = append(p.active, c)
			}
		}
	}
	c.join(r, f.now)
	r.demand = c
}

// exit takes it out again and keeps what it waited for.
func (f *fold) exit(r *request) {
	c := r.demand
	if c == nil {
		if f.now > r.since {
			r.blame = append(r.blame, part{blameKey{cause: storeFault, pool: r.firstPool()}, f.now - r.since})
		}
		return
	}
	if c.waiters[0] == r {
		f.recordRivals(c)
	}
	c.record(f.now, f)
	r.blame = append(r.blame, c.leave(r, f.scratch)...)
	r.demand = nil
	if len(c.waiters) == 0 {
		for i := range c.wants {
			p := c.wants[i].pool
			p.active = slices.DeleteFunc(p.active, func(o *demand) bool { return o == c })
		}
	}
}

func (r *request) firstPool() int32 {
	if r.spec == nil || len(r.spec.wants) == 0 {
		return -1
	}
	return r.spec.wants[0].name
}

// recordRivals records the demands whose foremost rival may change with c: those that
// could be met with what is free. The others wait for holders, so rivals do not matter
// to them:
//
//	one board is free, TestA and TestB want one each   TestA is the rival of TestB
//	no board is free                                   the holder is what both wait for
func (f *fold) recordRivals(c *demand) {
	for i := range c.wants {
		for _, p := range c.wants[i].pool.rivals {
			for _, o := range p.active {
				if !o.shortage() {
					o.record(f.now, f)
				}
			}
		}
	}
}

// first is the waiter that is served first of all that want what c wants, c's
// own included, and the want of c at which they meet.
func (f *fold) first(c *demand) (*request, *want) {
	best, meet := c.waiters[0], &want{name: -1}
	if len(c.wants) > 0 {
		meet = &c.wants[0]
	}
	for i := range c.wants {
		w := &c.wants[i]
		for _, p := range w.pool.rivals {
			for _, o := range p.active {
				if head := o.waiters[0]; head.before(best) && !o.suits(p, w) {
					best, meet = head, w
				}
			}
		}
	}
	return best, meet
}

// takeSnapshot takes the snapshot that a waiter's event carries.
func (f *fold) takeSnapshot(r *request, e *eventlog.Event) {
	c := r.demand
	if c == nil || len(e.Blockers) == 0 {
		return
	}
	c.record(f.now, f)
	var said []seenHolder
	var front labelID
	for i := range e.Blockers {
		b := &e.Blockers[i]
		if f.own(b) {
			if o := f.requests[b.Req]; o != nil && o.hold != nil && !b.Expires.IsZero() {
				o.hold.expires = micros(b.Expires.UnixMicro())
			}
			continue
		}
		if b.State == "waiting" {
			if front == 0 {
				front = f.labels.blocker(b)
			}
			continue
		}
		f.addBlockerKey(c, b.Key)
		k := seenHolder{key: b.Key, label: f.labels.blocker(b), cause: causeOf(b.State)}
		if !b.Since.IsZero() {
			k.since = micros(b.Since.UnixMicro())
		}
		if s := f.slots[b.Key]; s != nil && !f.outdated(s, &k) {
			continue // events know better
		}
		if !slices.ContainsFunc(said, func(o seenHolder) bool { return o.key == k.key && o.label == k.label }) {
			said = append(said, k)
		}
	}
	c.takeSnapshot(f.now, said, front)
}

// outdated reports whether a key is free of holders known by events, after it
// ended those that a snapshot disproves, because it names a later one: they died
// without a word. A snapshot may itself be older than the latest event, so only
// the time since when somebody holds the key can tell.
func (f *fold) outdated(s *slot, k *seenHolder) bool {
	for i := len(s.uses) - 1; i >= 0; i-- {
		if u := &s.uses[i]; !u.shared && u.seats == 0 && k.since > u.hold.start {
			if k.since < f.now {
				f.reblame(s, u, f.now-k.since, k.cause, k.label)
			}
			f.orphan(s, u, min(k.since, f.now))
			f.remove(s, i)
		}
	}
	return len(s.uses) == 0
}

// own reports whether the events of a blocker are in the input, so that they tell
// more than the snapshot. That its run is there is not enough: jobs of one pipeline
// have one run, and each may report on its own.
func (f *fold) own(b *eventlog.Blocker) bool {
	switch {
	case b.State == "foreign", b.State == "disabled":
		return false
	case f.requests[b.Req] != nil:
		return true
	case b.State == "reserved":
		return false
	case b.Host == "" && b.PID == 0:
		return f.runs[b.Run] // an older log, or another producer: nothing else is known
	}
	return f.procs[eventlog.Process{Host: b.Host, Run: b.Run, PID: b.PID}] != nil
}

// addBlockerKey makes a key that blocks c a member of the pool whose members are not
// all known, if there is just one.
func (f *fold) addBlockerKey(c *demand, key string) {
	var p *pool
	for i := range c.wants {
		switch o := c.wants[i].pool; {
		case o.members[key]:
			return
		case len(o.members) >= o.count:
		case p != nil && p != o:
			return
		default:
			p = o
		}
	}
	if p != nil {
		f.addMember(p, key)
	}
}

func causeOf(state string) causeID {
	switch state {
	case "foreign":
		return foreign
	case "kept":
		return kept
	case "reserved":
		return reserved
	case "disabled":
		return outOfService
	}
	return poolFull
}

// withdraw ends a wait in vain.
func (f *fold) withdraw(e *eventlog.Event, p *proc) {
	r := f.open(e, p)
	if len(e.Blockers) > 0 && r.waiting {
		f.takeSnapshot(r, e)
	}
	if r.hold != nil {
		return
	}
	f.lineUp(r, e)
	f.goesOn(r)
	if t := f.testRun(e, p); t != nil {
		t.GaveUp = true
	}
	r.Outcome = e.Outcome
	if r.Outcome == "" || r.Outcome == eventlog.Acquired {
		r.Outcome = eventlog.Failed
	}
	f.served(r, e)
	f.over(r)
}

// served ends a wait, of which r.Outcome says how.
func (f *fold) served(r *request, e *eventlog.Event) {
	if r.waiting {
		f.exit(r)
		f.countQueue(r, -1)
		r.waiting = false
	}
	waited := toMicros(e.WaitedMS)
	if waited == 0 {
		waited = f.now - r.start - r.away
	}
	r.Served = time.UnixMicro(int64(f.now)).UTC()
	r.Waited = waited.ms().Duration()
	r.Refusal, r.Error, r.Polls = e.Refusal, e.Error, e.Polls
	if e.Refusal == eventlog.RefusedStore {
		for i := range r.blame {
			if r.blame[i].cause == unknown {
				r.blame[i].cause = storeFault
			}
		}
	}
	r.blame = rescale(f.merge(r.blame), waited, blameKey{cause: unknown, pool: r.firstPool()})
	if r.Outcome == eventlog.Acquired {
		r.owes, r.own = true, waited // it may go on to wait, if Prepare fails for what it got
		return
	}
	f.charge(r, waited)
}
