package lockcore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// wait1 is one acquisition on its way: the loop that asks, waits and asks
// again.
type wait1 struct {
	locker  *Locker
	req     *Request
	ticket  *Ticket
	parents []string
	start   time.Time
	wake    chan *Grant

	sent time.Time // when the last successful ask was sent; with a grant, the first that may have brought it
	// unanswered is when the first ask was sent since an answer came; zero: all were
	// answered.
	unanswered time.Time
	failure    error // why the last ask had no answer; nil: it had one
	window     time.Duration
	latest     uint64    // token given out before its answer
	pushed     bool      // the grant came unasked, and is to be confirmed
	disabled   []string  // keys that are out of service, as of the last ask
	poll       time.Time // when to ask next at the latest
	notice     time.Time // when to call OnWait next
	told       int       // how often it was called

	rediscovered chan []Requirement // of the discovery under way, or nil
	discoverAt   time.Time
}

const (
	firstNotice    = time.Second
	discoverEvery  = 5 * time.Second
	storeDownLimit = 30 * time.Second // how long a waiter outlives a store that does not answer
	snapshotLimit  = 2 * time.Second  // for the words of an error message
)

func (w *wait1) run(ctx context.Context) (*Grant, error) {
	grant, err := w.ask(ctx)
	if err != nil {
		return nil, w.firstError(ctx, err)
	}
	if grant != nil {
		return grant, nil
	}
	if err := w.outOfService(ctx); err != nil {
		if w.ticket.Wait {
			w.locker.withdraw(ctx, w.ticket.ID)
		}
		return nil, err
	}
	if !w.ticket.Wait {
		return nil, w.busy(ctx, nil)
	}
	if err := w.hopeless(ctx); err != nil {
		w.locker.withdraw(ctx, w.ticket.ID)
		return nil, err
	}
	w.notice = time.Now().Add(firstNotice)
	w.discoverAt = time.Now().Add(discoverEvery)
	return w.loop(ctx)
}

// firstError words a failure of the first ask. The store may have handled it
// all the same, so the ticket is withdrawn, but not on the caller's time.
func (w *wait1) firstError(ctx context.Context, err error) error {
	if w.locker.begin() {
		go func() {
			defer w.locker.work.Done()
			w.locker.withdraw(ctx, w.ticket.ID)
		}()
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return &BusyError{Requirements: w.ticket.Requirements, Waited: time.Since(w.start), Cause: context.Cause(ctx)}
	}
	if errors.Is(err, ErrDeadlock) || errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("lockcore: %w", err)
	}
	return w.locker.cannotAsk("for "+wanted(w.ticket.Requirements), err)
}

// cannotAsk words a question that the store did not answer, and names the store once:
// the errors of some begin with it.
func (l *Locker) cannotAsk(what string, err error) error {
	if !l.named(err) {
		what = fmt.Sprint(l.store, " ", what)
	}
	return fmt.Errorf("lockcore: cannot ask %s: %w", what, err)
}

// named reports whether an error begins with the name of the store.
func (l *Locker) named(err error) bool {
	return strings.HasPrefix(err.Error(), fmt.Sprint(l.store)+": ")
}

// ask sends the ticket and notes what the answer says about the next step.
func (w *wait1) ask(ctx context.Context) (*Grant, error) {
	t := *w.ticket // the store may keep what it is given
	t.Waited = time.Since(w.start)
	sent := time.Now()
	if w.unanswered.IsZero() {
		w.unanswered = sent
	}
	ans, err := w.locker.store.Ask(ctx, &t, w.hint)
	if err != nil {
		return nil, err
	}
	if ans.Grant != nil {
		// Perhaps the store granted it when it was asked before, and that answer was
		// lost: the TTL counts from then, for asking again does not extend it.
		sent = w.unanswered
	}
	w.unanswered, w.failure = time.Time{}, nil
	w.sent, w.window, w.latest, w.pushed = sent, ans.Window, ans.Latest, false
	w.disabled = ans.Disabled
	if ans.Poll <= 0 {
		ans.Poll = discoverEvery
	}
	w.poll = time.Now().Add(ans.Poll)
	return ans.Grant, nil
}

// hint takes the store's call: a grant, or word that there may be one. Only the
// last matters, so a full channel is emptied.
func (w *wait1) hint(g *Grant) {
	for {
		select {
		case w.wake <- g:
			return
		default:
		}
		select {
		case old := <-w.wake:
			if g == nil {
				g = old
			}
		default:
		}
	}
}

// loop waits in line until the grant is there.
func (w *wait1) loop(ctx context.Context) (*Grant, error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(w.nextEvent()))
		select {
		case g := <-w.wake:
			// A reservation is taken up by asking: nobody renews it.
			if g != nil && w.req.For == 0 && w.fresh(g) {
				w.pushed = true
				return g, nil
			}
			w.poll = time.Now()
		case reqs := <-w.rediscovered:
			w.rediscovered = nil
			w.discoverAt = time.Now().Add(discoverEvery)
			w.revise(reqs)
		case <-timer.C:
		case <-ctx.Done():
			err := w.busy(ctx, context.Cause(ctx))
			w.locker.withdraw(ctx, w.ticket.ID)
			return nil, err
		case <-w.locker.closed:
			w.locker.withdraw(ctx, w.ticket.ID)
			return nil, errClosed
		}
		now := time.Now()
		if !now.Before(w.poll) {
			if g, err := w.again(ctx); g != nil || err != nil {
				return g, err
			}
		}
		if w.req.OnWait != nil && !now.Before(w.notice) {
			w.notice = now.Add(noticeGap(w.told))
			w.told++
			w.req.OnWait(w.busy(ctx, nil))
		}
		if w.req.Rediscover != nil && w.rediscovered == nil && !now.Before(w.discoverAt) {
			w.discover(ctx)
		}
	}
}

// fresh reports whether a pushed grant may be used unasked: it was made after
// the last ask, so it is younger than that, and provisional for the window. One
// that came while the process was stopped may be read after an ask that found
// the request forgotten, and put it in line anew.
func (w *wait1) fresh(g *Grant) bool {
	return g.Token > w.latest && time.Now().Before(w.sent.Add(w.window-w.window/10))
}

func (w *wait1) nextEvent() time.Time {
	next := w.poll
	if w.req.OnWait != nil && w.notice.Before(next) {
		next = w.notice
	}
	if w.req.Rediscover != nil && w.rediscovered == nil && w.discoverAt.Before(next) {
		next = w.discoverAt
	}
	return next
}

// noticeGap is the pause after the n-th progress line, so that they come after
// 1 s, 5 s, 15 s, 30 s, 1 min, 2 min, and then every two minutes.
func noticeGap(n int) time.Duration {
	gaps := []time.Duration{4 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute}
	if n < len(gaps) {
		return gaps[n]
	}
	return 2 * time.Minute
}

// again asks while in line. A store that does not answer is given time: it may
// be restarting, and giving up the place would be worse.
func (w *wait1) again(ctx context.Context) (*Grant, error) {
	g, err := w.ask(ctx)
	if err == nil {
		if g == nil {
			err = w.outOfService(ctx)
		}
		if g == nil && err == nil && len(w.parents) > 0 {
			err = w.deadlocked(ctx)
		}
		if err != nil {
			w.locker.withdraw(ctx, w.ticket.ID)
			return nil, err
		}
		return g, nil
	}
	if errors.Is(err, ErrDeadlock) { // a store below another lease sees what w.parents do not say
		w.locker.withdraw(ctx, w.ticket.ID)
		return nil, fmt.Errorf("lockcore: %w", err)
	}
	if ctx.Err() != nil {
		w.poll = time.Now().Add(time.Hour) // the loop ends the wait in its own words
		return nil, nil
	}
	if time.Since(w.sent) > storeDownLimit {
		w.locker.withdraw(ctx, w.ticket.ID)
		lost := "the store"
		if !w.locker.named(err) {
			lost = fmt.Sprint(w.locker.store)
		}
		return nil, fmt.Errorf("lockcore: lost %s while waiting %s for %s: %w", lost, short(time.Since(w.start)), wanted(w.ticket.Requirements), err)
	}
	w.failure = err
	w.poll = time.Now().Add(min(time.Second, max(50*time.Millisecond, time.Since(w.sent)/10)))
	return nil, nil
}

// hopeless finds, once the request has to wait at all, what no waiting mends.
func (w *wait1) hopeless(ctx context.Context) error {
	if err := feasible(w.ticket.Requirements); err != nil {
		return err
	}
	if len(w.parents) > 0 {
		return w.deadlocked(ctx)
	}
	return nil
}

func (w *wait1) deadlocked(ctx context.Context) error {
	s, err := w.locker.store.Snapshot(ctx)
	if err != nil {
		return nil // unknown for now; the next poll looks again
	}
	if err := s.Deadlock(w.ticket.ID); err != nil {
		return fmt.Errorf("lockcore: %w", err)
	}
	return nil
}

// discover calls Rediscover aside, so that a slow discovery does not delay a
// grant.
func (w *wait1) discover(ctx context.Context) {
	ch := make(chan []Requirement, 1)
	w.rediscovered = ch
	old, f := w.ticket.Requirements, w.req.Rediscover
	go func() {
		reqs := old
		defer func() { ch <- reqs }() // also when f ends its goroutine, as FailNow of a test does
		if found, err := f(ctx); err == nil {
			reqs = found
		}
	}()
}

// revise takes newly discovered requirements into the ticket. A pool that
// shrank below the need is no error here: it may grow again.
func (w *wait1) revise(reqs []Requirement) {
	if sameRequirements(w.ticket.Requirements, reqs) {
		return
	}
	for i := range reqs {
		if distinct(&reqs[i]) != nil {
			return
		}
	}
	w.ticket.Requirements = reqs
	w.ticket.Revision++
	w.poll = time.Now()
}

func sameRequirements(a, b []Requirement) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Units() != b[i].Units() || a[i].Shared != b[i].Shared || a[i].Seats != b[i].Seats || len(a[i].Candidates) != len(b[i].Candidates) {
			return false
		}
		for j := range a[i].Candidates {
			if a[i].Candidates[j].Key != b[i].Candidates[j].Key {
				return false
			}
		}
	}
	return true
}

// busy words the present state of the wait. A store that does not answer costs
// the message its details, and no more than snapshotLimit; the message then says so.
func (w *wait1) busy(ctx context.Context, cause error) *BusyError {
	e := &BusyError{Requirements: w.ticket.Requirements, Waited: time.Since(w.start), Cause: cause, StoreError: w.failure}
	if e.StoreError == nil { // else another question would only take its time
		var s Snapshot
		if s, e.StoreError = w.snapshot(ctx); e.StoreError == nil {
			w.standing(e, &s)
			return e
		}
	}
	e.Silent = time.Since(w.sent)
	return e
}

func (w *wait1) snapshot(ctx context.Context) (Snapshot, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), snapshotLimit)
	defer cancel()
	return w.locker.store.Snapshot(ctx)
}

// standing completes an error by the place in line and the blockers.
func (w *wait1) standing(e *BusyError, s *Snapshot) {
	me := &Waiter{ID: w.ticket.ID, Requirements: w.ticket.Requirements}
	e.Time = s.Time
	e.Position, e.Blockers = s.Blockers(me)
	at := slices.IndexFunc(s.Waiters, func(o Waiter) bool { return o.ID == me.ID })
	if at >= 0 {
		e.Since = s.Waiters[at].Since
	}
	if needsDisabled(me.Requirements, w.disabled) {
		return
	}
	if at < 0 { // a single attempt: as if it went to the end of the line
		line := *s
		line.Waiters = append(slices.Clip(s.Waiters), Waiter{ID: me.ID, Requirements: me.Requirements, Since: s.Time, Expect: w.req.Expect, Priority: w.req.Priority, For: w.req.For})
		s = &line
	}
	e.Start = w.locker.expectedStarts(*s, me.ID)[me.ID]
}

func (w *wait1) lease(ctx context.Context, g *Grant) *Lease {
	valid, due := w.validity()
	le := &Lease{locker: w.locker, grant: g, waited: time.Since(w.start), until: w.req.RenewUntil, parents: w.parents, valid: valid, due: due}
	le.open(ctx)
	return le
}
