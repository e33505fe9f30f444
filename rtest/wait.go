package rtest

import (
	"context"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/nested"
	"github.com/resourcelocker/resourcelocker/rtest/bridge"
)

// wait is the part of a call that runs on goroutines of its own: outside the
// bubble, if the test is in one. So its channels are made there too.
type wait struct {
	call    *call
	notices chan notice
	done    chan result
	over    chan struct{} // closed when nobody listens any more
	served  chan struct{} // closed when the request is granted
	probed  chan struct{} // closed when the early look at the line is over
}

type result struct {
	lease *Lease
	err   error
}

// begin opens the store and sets off.
func (w *wait) begin() {
	c := w.call
	w.notices, w.done = make(chan notice), make(chan result, 1)
	w.over, w.served, w.probed = make(chan struct{}), make(chan struct{}), make(chan struct{})
	c.start = time.Now()
	if c.limit.d > 0 {
		// A discovery that took long has used some of it up. What is left may be
		// nothing, then there is a single attempt.
		c.limit.d = max(0, c.limit.d-c.start.Sub(c.began))
	}
	base := context.Background()
	if ctx := contextOf(c.t); ctx != nil && c.runner == nil {
		base = ctx // that of a bubble cannot be waited for outside
	}
	base, c.cancel = context.WithCancelCause(base)
	guardEnter(c.guarded())
	var err error
	c.above, err = reg.begin(&c.pending)
	c.log = c.newRecord()
	c.test.totals.asked(c.id, c.reqs)
	c.log.request()
	if err != nil {
		guardLeave()
		w.done <- result{nil, err}
		return
	}
	go func() {
		defer guardLeave()
		lease, err := w.run(base)
		w.done <- result{lease, err}
	}()
}

func (c *call) newRecord() *record {
	r := &record{
		id: c.id, test: testInfo(c.t, c.test.attempt, c.at), first: c.index == 1 && len(c.unfitSoFar()) == 0, cfg: c.cfg, limit: c.limit.d,
		wishes: c.wishes, reqs: c.reqs, start: c.start, parent: nested.Parent(),
	}
	if len(c.above) > 0 {
		// The nearest: the one taken last.
		r.parent = slices.MaxFunc(c.above, func(a, b *Lease) int { return a.granted.Compare(b.granted) }).id
	}
	if adoptedGrant(c.t) == nil { // else the process that obtained it has put it on record
		r.open(c.t, c.env)
	}
	return r
}

func (w *wait) run(base context.Context) (*Lease, error) {
	c := w.call
	locker, err := c.open(base)
	if err != nil {
		return nil, err
	}
	c.locker = locker
	ctx, cancel := c.limit.context(base)
	defer cancel()
	mute := w.watchStore()
	req := c.request(func(b *lockcore.BusyError) {
		mute()
		w.tell(notice{busy: b})
	})
	if c.log.wantsLine() {
		go w.probe(ctx)
	} else {
		close(w.probed)
	}
	if o, ok := c.t.(bridge.Onlooker); ok {
		o.Waiting(c.look)
	}
	inner, err := w.obtain(base, ctx, req)
	mute()
	if err != nil {
		return nil, err
	}
	if err := reg.refused(); err != nil {
		_ = c.hold(inner).release(0) // if it fails, the lease expires
		return nil, err
	}
	w.awaitProbe()
	for _, warning := range warningsOf(c.source) {
		w.tell(notice{warning: warning})
	}
	for {
		l := c.newLease(inner)
		if !l.held.own() {
			return l, nil // the process that obtained it has prepared it
		}
		again, err := w.prepare(base, l)
		if err != nil {
			return nil, err
		}
		if !again {
			return l, nil
		}
		req = c.request(req.OnWait)
		req.Waited = time.Since(c.start)
		if inner, err = w.obtain(base, ctx, req); err != nil {
			return nil, err
		}
	}
}

// obtain asks for what is to be obtained, and waits for it.
func (w *wait) obtain(base, ctx context.Context, req lockcore.Request) (*lockcore.Lease, error) {
	c := w.call
	switch g := adoptedGrant(c.t); {
	case g != nil:
		return c.locker.Adopt(base, g)
	case c.limit.d > 0:
		return c.locker.Acquire(ctx, req)
	}
	return c.locker.TryAcquire(base, req)
}

// hold says how a lease of this call ends.
func (c *call) hold(inner *lockcore.Lease) holding {
	if adoptedGrant(c.t) != nil {
		return joinedHolding{inner}
	}
	return ownHolding{inner}
}

// newLease makes a lease of what the store gave.
func (c *call) newLease(inner *lockcore.Lease) *Lease {
	l := c.lease(c.hold(inner), inner.ID(), inner.Obtained(), inner.Token())
	l.early, l.waited, l.ctx = inner.Backfilled(), inner.Waited()-time.Duration(c.cared.Load()), inner.Context()
	if c.runner != nil {
		// lockcore's context looks at the clock, which inside the bubble is not the
		// lease's.
		l.ctx, l.cancel = context.WithCancel(l.ctx)
	}
	l.begin(c.guarded())
	return l
}

// tell hands something to the test's goroutine.
func (w *wait) tell(n notice) {
	select {
	case w.notices <- n:
	case <-w.over:
	}
}

func (c *call) open(ctx context.Context) (*lockcore.Locker, error) {
	if c.cfg.locker != nil {
		return c.cfg.locker, nil
	}
	return openLocker(ctx, c.source.(storeID))
}

func (c *call) request(onWait func(*lockcore.BusyError)) lockcore.Request {
	req := lockcore.Request{
		ID: c.id, Requirements: c.reqs, Owner: ownerOf(c.t, c.at), Priority: c.cfg.priority,
		TTL: c.cfg.ttl, Expect: c.cfg.expect, Reason: c.cfg.reason, OnWait: onWait, WaitForDisabled: c.cfg.waitForOutage,
	}
	if d := deadlineOf(c.t); !d.IsZero() {
		req.RenewUntil = d.Add(renewGrace)
	}
	for _, l := range c.above {
		if s := l.held.stored(); s != nil {
			req.Holding = append(req.Holding, s)
		}
	}
	if slices.ContainsFunc(c.wishes, wish.dynamic) {
		log := c.log // of this request, though another may follow
		req.Rediscover = func(ctx context.Context) ([]lockcore.Requirement, error) { return c.rediscover(ctx, log) }
	}
	return req
}

// renewGrace is how long a lease is renewed after -timeout should have ended the
// test binary: enough for a binary that is busy printing its goroutines.
const renewGrace = 10 * time.Second

func (c *call) rediscover(ctx context.Context, log *record) ([]lockcore.Requirement, error) {
	reqs, err := c.askAll(ctx, true)
	if err == nil {
		reqs, err = c.withoutUnfit(reqs)
	}
	if err != nil {
		return nil, err
	}
	log.rediscovered(reqs)
	return reqs, nil
}

// blockers of the last notice, for the record.
func (c *call) blockers() []lockcore.Blocker {
	if c.last == nil {
		return nil
	}
	return c.last.Blockers
}
