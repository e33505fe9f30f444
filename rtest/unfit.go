package rtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A request goes on without the items for which Prepare failed.

// prepare makes what was obtained fit for use. It reports whether the request has
// to go on because some of it is not; then the lease was given back.
func (w *wait) prepare(base context.Context, l *Lease) (again bool, err error) {
	c := w.call
	var all []*care
	stored := l.held.stored()
	for i, wish := range c.wishes {
		all = append(all, wish.preparing(l.obtained[i], stored.Last)...)
	}
	if len(all) == 0 {
		return false, nil
	}
	failed, took := careForAll(stored.Context(), base, deadlineOf(l.t), all)
	l.prepared.Store(int64(took))
	c.cared.Add(int64(took))
	cause := context.Cause(stored.Context())
	if cause == nil {
		cause = context.Cause(base)
	}
	switch {
	case cause != nil: // the lease was lost, or the test is over: what failed then says nothing about the item
		stored.SetEnding(Unknown)
		_ = l.release(0)
		return false, cause
	case len(failed) == 0:
		return false, nil
	}
	for _, f := range failed {
		w.tell(notice{warning: f.words("Prepare", l.putOut(f, "Prepare")+"; the request goes on without it")})
	}
	stored.SetEnding(Unknown) // the others may have been changed by Prepare, and were not used
	_ = l.release(0)
	if err = w.replace(failed); err != nil {
		return false, err
	}
	c.log.request()
	return true, nil
}

// replace makes the call another request, without what failed. The goroutine of the
// test does it, since it reads all of that, and other calls look at it in the
// registry.
func (w *wait) replace(failed []*care) error {
	c := w.call
	done := make(chan error, 1)
	w.tell(notice{do: func() {
		unfit := append(c.unfitSoFar(), failed...)
		c.unfit.Store(&unfit)
		reqs, err := c.withoutUnfit(c.reqs)
		if err == nil {
			reg.change(&c.pending, fmt.Sprintf("%.26s-%d", c.id, len(unfit)), reqs)
			c.log = c.newRecord()
		}
		done <- err
	}})
	select {
	case err := <-done:
		return err
	case <-w.over:
		return errOver
	}
}

// unfitSoFar lists what could not be prepared.
func (c *call) unfitSoFar() []*care {
	if p := c.unfit.Load(); p != nil {
		return slices.Clone(*p)
	}
	return nil
}

// withoutUnfit leaves out the candidates for which Prepare has failed.
func (c *call) withoutUnfit(reqs []lockcore.Requirement) ([]lockcore.Requirement, error) {
	unfit := c.unfitSoFar()
	if len(unfit) == 0 {
		return reqs, nil
	}
	out := slices.Clone(reqs)
	for i := range out {
		r := &out[i]
		r.Candidates = slices.DeleteFunc(slices.Clone(r.Candidates), func(k lockcore.Candidate) bool {
			return slices.ContainsFunc(unfit, func(u *care) bool { return u.key == k.Key })
		})
		if r.Units() > len(r.Candidates)*max(1, r.Seats) {
			return nil, &unfitError{reqs[i].String(), unfit}
		}
	}
	return out, nil
}
