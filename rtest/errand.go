package rtest

import (
	"context"
	"slices"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// errand is the part of a call that runs on goroutines of its own: outside the
// bubble, if the test is in one. So its channels are made there too.
type errand struct {
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
func (e *errand) begin() {
	c := e.call
	e.notices, e.done = make(chan notice), make(chan result, 1)
	e.over, e.served, e.probed = make(chan struct{}), make(chan struct{}), make(chan struct{})
	c.start = time.Now()
	if c.limit.d > 0 {
		// A discovery that took long has used some of it up. What is left may be
		// nothing, then there is a single attempt.
		c.limit.d = max(0, c.limit.d-c.start.Sub(c.began))
	}
	c.log = newRecord(c)
	base := context.Background()
	if ctx := contextOf(c.t); ctx != nil && c.helper == nil {
		base = ctx // that of a bubble cannot be waited for outside
	}
	base, c.cancel = context.WithCancelCause(base)
	guardEnter(c.env.signals && driven(c.t))
	c.test.asked(c)
	c.log.request()
	if err := reg.enterCall(c); err != nil {
		guardLeave()
		e.done <- result{nil, err}
		return
	}
	go func() {
		defer guardLeave()
		lease, err := e.run(base)
		e.done <- result{lease, err}
	}()
}

func (e *errand) run(base context.Context) (*Lease, error) {
	c := e.call
	locker, err := c.open(base)
	if err != nil {
		return nil, err
	}
	c.locker = locker
	ctx, cancel := c.limit.context(base)
	defer cancel()
	mute := e.watchStore()
	req := c.request(func(b *lockcore.BusyError) {
		mute()
		e.tell(notice{busy: b})
	})
	if c.log.wantsLine() {
		go e.probe(ctx)
	} else {
		close(e.probed)
	}
	e.showsWait()
	inner, err := e.obtain(base, ctx, req)
	mute()
	if err != nil {
		return nil, err
	}
	if err := reg.refused(); err != nil {
		if c.legacy() == nil {
			_ = inner.Release(context.Background()) // if it fails, the lease expires
		}
		return nil, err
	}
	e.awaitProbe()
	for _, w := range c.doubts() {
		e.tell(notice{doubt: w})
	}
	for {
		l := newLease(c, inner)
		if c.legacy() != nil {
			return l, nil // the process that obtained it has prepared it
		}
		again, err := e.prepare(base, l)
		if err != nil {
			return nil, err
		}
		if !again {
			return l, nil
		}
		req.ID, req.Requirements, req.Waited = c.id, c.reqs, time.Since(c.start)
		if inner, err = e.obtain(base, ctx, req); err != nil {
			return nil, err
		}
	}
}

// obtain asks for what is to be obtained, and waits for it.
func (e *errand) obtain(base, ctx context.Context, req lockcore.Request) (*lockcore.Lease, error) {
	c := e.call
	switch g := c.legacy(); {
	case g != nil:
		return c.locker.Adopt(base, g)
	case c.limit.d > 0:
		return c.locker.Acquire(ctx, req)
	}
	return c.locker.TryAcquire(base, req)
}

// tell hands something to the test's goroutine.
func (e *errand) tell(n notice) {
	select {
	case e.notices <- n:
	case <-e.over:
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
		if l.inner != nil {
			req.Holding = append(req.Holding, l.inner)
		}
	}
	if slices.ContainsFunc(c.wishes, wish.dynamic) {
		req.Rediscover = c.rediscover
	}
	return req
}

// renewGrace is how long a lease is renewed after -timeout should have ended the
// test binary: enough for a binary that is busy printing its goroutines.
const renewGrace = 10 * time.Second

func (c *call) rediscover(ctx context.Context) ([]lockcore.Requirement, error) {
	reqs, err := c.askAll(ctx, true)
	if err == nil {
		reqs, err = c.withoutUnfit(reqs)
	}
	if err != nil {
		return nil, err
	}
	c.log.rediscovered(reqs)
	return reqs, nil
}

// blockers of the last notice, for the record.
func (c *call) blockers() []lockcore.Blocker {
	if c.last == nil {
		return nil
	}
	return c.last.Blockers
}
