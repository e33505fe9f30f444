package sched

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// Ask is what a request goes through: at its first call it is granted at once
// if no earlier waiter has a claim against it, and queued otherwise; while it
// waits, each call is a heartbeat; once it is granted, the call confirms the
// grant. The answer is the grant, or nil and when to ask again. proc names the
// process for [State.Reap]; it may be empty.
func (s *State) Ask(now int64, t *lockcore.Ticket, proc string, rnd Rand) (*lockcore.Grant, time.Duration) {
	s.begin(now, rnd)
	if l := s.leases[t.ID]; l != nil && !l.kept {
		if l.provisional != 0 {
			s.takeUp(l)
		}
		return s.grantOf(l, t), 0
	}
	w := s.waiting[t.ID]
	if w == nil {
		if g := s.direct(t, proc, rnd); g != nil {
			return g, 0
		}
		if len(s.queue) == 0 && !t.Wait {
			return nil, 0
		}
		w = s.enqueue(t, proc)
		s.schedule(rnd)
	} else if t.Revision > w.revision {
		s.revise(w, t)
		s.schedule(rnd)
	}
	if w.learned == 0 {
		w.learned = s.recall(w.owner, w.class.reqs) // noted below
	}
	if l := s.leases[t.ID]; l != nil {
		// Its process is here and asks, so it takes the grant: it need not be told.
		s.granted = slices.DeleteFunc(s.granted, func(g Granted) bool { return g.ID == t.ID })
		s.takeUp(l)
		return s.grantOf(l, t), 0
	}
	if !t.Wait {
		s.remove(w)
		return nil, 0
	}
	w.expires = s.now + missed*int64(Poll(w.ttl))
	s.noteWaiter(w)
	s.expiresAt(w.expires)
	return nil, s.pollIn(w)
}

// pollIn is when the waiter should ask again: at its heartbeat, or at the moment
// at which something expires, which nobody else would tell it.
func (s *State) pollIn(w *waiter) time.Duration {
	in := Poll(w.ttl)
	if s.next < s.now+int64(in) {
		in = time.Duration(s.next - s.now)
	}
	return max(in, shortestPoll)
}

// direct grants a request without putting it in line, if the candidates that it
// comes to first are free and nobody who waits lists them. It looks at the
// candidates in the order of choice and stops when it has enough, so the length of
// the list is no matter. Whatever else there may be for the request, a pass finds.
func (s *State) direct(t *lockcore.Ticket, proc string, rnd Rand) *lockcore.Grant {
	free := s.freeBeside(t.Requirements, nil)
	claimed, effort := false, 0
	unclaimed := func(r int, key string) int {
		if claimed {
			return 0
		}
		n := free(r, key)
		for _, c := range s.classes {
			if n == 0 {
				break
			}
			effort += c.candidates()
			if effort > directEffort || c.lists(key) {
				claimed = true
				return 0
			}
		}
		return n
	}
	picks, complete := lockcore.Match(t.Requirements, unclaimed, s.visit(t.Requirements, rnd))
	if !complete || claimed {
		return nil
	}
	l := newLease(t, proc)
	if l.expect == 0 {
		l.expect = s.recall(t.Owner, t.Requirements)
	}
	if l.expect == 0 {
		l.guess = s.guess()
	}
	s.hold(l, t.Requirements, picks)
	s.takeUp(l)
	return s.grantOf(l, t)
}

func newLease(t *lockcore.Ticket, proc string) *lease {
	return &lease{id: t.ID, owner: t.Owner, ttl: t.TTL, expect: expected(t), reason: t.Reason, parents: t.Parents, proc: proc, hold: t.For}
}

func (s *State) grantOf(l *lease, t *lockcore.Ticket) *lockcore.Grant {
	return &lockcore.Grant{Ticket: t, Obtained: l.obtained, Token: l.token, Backfilled: l.backfilled, Last: s.lastEndings(l.obtained)}
}

// grant turns a waiter into a holder and notes that it has to be told.
func (s *State) grant(w *waiter, picks [][]string, backfilled bool) {
	l := &lease{id: w.id, owner: w.owner, ttl: w.ttl, expect: w.known(), reason: w.reason, parents: w.parents, proc: w.proc, hold: w.hold}
	l.backfilled, l.rank, l.seq = backfilled, w.rank(), w.seq
	if l.expect == 0 {
		l.guess = w.guess
	}
	l.provisional = s.now + int64(Provisional)
	s.hold(l, w.class.reqs, picks)
	s.expiresAt(l.provisional)
	s.granted = append(s.granted, Granted{l.id, l.proc})
}

// hold makes the lease the holder of its keys.
func (s *State) hold(l *lease, reqs []lockcore.Requirement, picks [][]string) *lease {
	s.fence++
	l.token = s.fence
	l.reqs, l.obtained = headings(reqs), picks
	l.since = s.now
	l.expires = s.now + int64(l.ttl)
	for r, keys := range picks {
		for _, k := range keys {
			s.dropLapsed(k)
			if reqs[r].Choice == lockcore.LeastRecentlyUsed {
				s.used[k] = s.now
				s.noteUsed(k)
			}
		}
	}
	s.forgetLapsed(l.id)
	s.put(l)
	s.expiresAt(l.expires)
	return l
}

// enqueue puts a new ticket in line by its rank.
func (s *State) enqueue(t *lockcore.Ticket, proc string) *waiter {
	s.seq++
	w := &waiter{id: t.ID, owner: t.Owner, priority: t.Priority, arrived: s.now - int64(t.Waited), seq: s.seq, ttl: t.TTL,
		expect: expected(t), reason: t.Reason, parents: t.Parents, revision: t.Revision, proc: proc, hold: t.For}
	w.expires = s.now + missed*int64(Poll(w.ttl))
	w.learned, w.guess, w.fence = s.recall(t.Owner, t.Requirements), s.guess(), s.fence
	s.join(w, t.Requirements)
	s.line(w)
	s.expiresAt(w.expires)
	return w
}

// line enters a waiter of a class into the queue.
func (s *State) line(w *waiter) {
	i, _ := slices.BinarySearchFunc(s.queue, w, byRank)
	s.queue = slices.Insert(s.queue, i, w)
	s.waiting[w.id] = w
	s.noteWaiter(w)
	if len(w.parents) > 0 {
		s.nested++
	}
}

// revise changes what a waiter asks for. It keeps its place.
func (s *State) revise(w *waiter, t *lockcore.Ticket) {
	s.leave(w)
	s.join(w, t.Requirements)
	w.revision = t.Revision
	w.learned, w.guess = s.recall(w.owner, w.class.reqs), s.guess()
	s.noteWaiter(w)
}

// remove takes a waiter out of the line.
func (s *State) remove(w *waiter) {
	if i, in := slices.BinarySearchFunc(s.queue, w, byRank); in {
		s.queue = slices.Delete(s.queue, i, i+1)
	}
	if i, in := slices.BinarySearchFunc(s.byWeight, w, byWeight); in {
		s.byWeight = slices.Delete(s.byWeight, i, i+1)
	}
	s.leave(w)
	s.forgetWaiter(w)
}

func (s *State) forgetWaiter(w *waiter) {
	delete(s.waiting, w.id)
	s.noteWaiter(w)
	if len(w.parents) > 0 {
		s.nested--
	}
}

// Renew extends a lease to its full TTL and confirms it. A lease that expired is
// revived if nothing was granted on its keys since. Otherwise the error wraps
// ErrLost and says what became of it.
func (s *State) Renew(now int64, g *lockcore.Grant, rnd Rand) error {
	s.begin(now, rnd)
	id := g.Ticket.ID
	l := s.leases[id]
	if l == nil || l.kept {
		if l = s.revive(id); l == nil {
			return s.lost(g)
		}
	}
	if l.kind == leased {
		s.takeUp(l)
	}
	return nil
}

// revive brings an expired lease back.
func (s *State) revive(id string) *lease {
	l := s.lapsed[id]
	if l == nil || slices.ContainsFunc(slices.Concat(l.obtained...), s.isDisabled) {
		return nil
	}
	s.forgetLapsed(id)
	if aside := s.leases[delayed+id]; aside != nil {
		s.drop(aside)
	}
	s.put(l)
	return l
}

// lost words the end of a lease for its holder.
func (s *State) lost(g *lockcore.Grant) error {
	for _, e := range s.gone {
		if e.id == g.Ticket.ID {
			return fmt.Errorf("%s: %w", e.why, lockcore.ErrLost)
		}
	}
	for _, k := range g.Keys() {
		if s.isDisabled(k) {
			return fmt.Errorf("it expired, and %q is out of service now: %w", k, lockcore.ErrLost)
		}
		if h := s.keys[k]; h != nil {
			return fmt.Errorf("it expired, and %q is held by %s now: %w", k, h.leases[0].owner, lockcore.ErrLost)
		}
	}
	return fmt.Errorf("it expired, and its keys were given to somebody else or taken out of service since: %w", lockcore.ErrLost)
}

// Release gives a lease back, or keeps it for a while without its holder, and
// notes how its use ended. It reports false if there is no such lease.
func (s *State) Release(now int64, id string, keep time.Duration, how lockcore.Ending, rnd Rand) bool {
	s.begin(now, rnd)
	l := s.leases[id]
	if l == nil || l.kept || l.kind != leased {
		return false
	}
	s.learn(l)
	s.endUse(l, how)
	if keep > 0 {
		l.kept, l.provisional, l.expires = true, 0, s.now+int64(keep)
		s.noteLease(l)
		s.expiresAt(l.expires)
		return true
	}
	s.drop(l)
	s.schedule(rnd)
	return true
}

// Withdraw forgets a ticket, waiting or granted.
func (s *State) Withdraw(now int64, id string, rnd Rand) {
	s.begin(now, rnd)
	switch w, l := s.waiting[id], s.leases[id]; {
	case w != nil:
		s.remove(w)
	case l != nil && !l.kept && l.kind != disabled:
		s.drop(l)
	default:
		return
	}
	s.schedule(rnd)
}

// Free takes a key from its holders, with everything else that they hold, and
// remembers why.
func (s *State) Free(now int64, key, why string, rnd Rand) []lockcore.Holder {
	s.begin(now, rnd)
	h := s.keys[key]
	if h == nil {
		return nil
	}
	var freed []lockcore.Holder
	for _, l := range slices.Compact(slices.Clone(h.leases)) {
		if l.kind != disabled {
			freed = append(freed, l.holder())
			s.takeAway(l, why)
		}
	}
	s.schedule(rnd)
	return freed
}

// Join names one more process to which the lease belongs: it is taken from all of
// them when the last is dead. Several are kept in one string, with spaces
// between.
func (s *State) Join(id, proc string) {
	if l := s.leases[id]; l != nil && proc != "" && !slices.Contains(strings.Fields(l.proc), proc) {
		l.proc = strings.TrimSpace(l.proc + " " + proc)
		s.noteLease(l)
	}
}

// Reap drops the leases and the tickets of processes that are known to be dead.
func (s *State) Reap(now int64, dead func(proc string) bool, rnd Rand) {
	s.begin(now, rnd)
	for _, l := range s.sortedLeases() {
		procs := strings.Fields(l.proc)
		alive := slices.ContainsFunc(procs, func(p string) bool { return !dead(p) })
		if len(procs) > 0 && !l.kept && !alive {
			s.endUse(l, lockcore.Died)
			s.end(l, "its process was found dead")
		}
	}
	for _, w := range slices.Clone(s.queue) {
		if w.proc != "" && dead(w.proc) {
			s.remove(w)
		}
	}
	s.schedule(rnd)
}

// Procs lists the processes that hold or wait.
func (s *State) Procs() []string {
	var procs []string
	for _, l := range s.leases {
		if !l.kept {
			procs = append(procs, strings.Fields(l.proc)...)
		}
	}
	for _, w := range s.queue {
		procs = append(procs, w.proc)
	}
	slices.Sort(procs)
	return slices.DeleteFunc(slices.Compact(procs), func(p string) bool { return p == "" })
}

// Tick does what is due at the moment.
func (s *State) Tick(now int64, rnd Rand) { s.begin(now, rnd) }

// Next is the moment before which nothing expires.
func (s *State) Next() int64 { return s.next }

// put enters a lease into the state.
func (s *State) put(l *lease) {
	s.leases[l.id] = l
	s.noteLease(l)
	s.occupy(l)
}

// drop takes a lease out of the state.
func (s *State) drop(l *lease) {
	delete(s.leases, l.id)
	s.noteLease(l)
	s.vacate(l)
}

// end drops a lease and remembers why.
func (s *State) end(l *lease, why string) {
	s.drop(l)
	s.gone = append(s.gone, ended{l.id, why})
	s.noteGone()
	if len(s.gone) > goneKept {
		s.gone = slices.Delete(s.gone, 0, len(s.gone)-goneKept)
	}
}

// takeAway ends a lease against the will of its holder.
func (s *State) takeAway(l *lease, why string) {
	s.endUse(l, lockcore.Unknown)
	s.end(l, why)
}

// Waiting reports whether anybody is in line.
func (s *State) Waiting() bool { return len(s.queue) > 0 }
