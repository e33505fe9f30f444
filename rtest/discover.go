package rtest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest/internal/outside"
)

// A function given to Discover is the user's, and asks a service that may hang. So
// it runs on a goroutine of its own, and the wait ends on time though the function
// has not returned:
//
//	0 s  Acquire(t, Discover(f), Wait(3*time.Second)) calls f
//	3 s  Acquire fails the test: f had not returned after 3 s
//	9 s  f returns, and nobody listens

// singleAttempt is how long a discovery has where Wait(0) asks for no waiting in
// line: it says nothing about how long a pool takes to answer.
const singleAttempt = 10 * time.Second

// asking is a call of a Discover function that has not returned.
type asking struct {
	wish  wish
	since time.Time
}

// finding is how a round of discovery ended.
type finding struct {
	reqs     []lockcore.Requirement
	err      error
	ended    bool // false: by runtime.Goexit, as t.FailNow does
	panicked any
	stack    []byte
}

// demands are what a call asks for, and how long it may take to find it out.
type demands struct {
	arguments
	t      TB
	runner *outside.Runner // nil unless in a bubble
	limit  limit
	asking atomic.Pointer[asking]
}

// discover asks every requirement for its candidates.
func (c *demands) discover() ([]lockcore.Requirement, error) {
	if !slices.ContainsFunc(c.wishes, wish.dynamic) {
		return c.askAll(context.Background(), false)
	}
	var f finding
	c.runner.Do(func() { f = c.discoverAside() })
	switch {
	case f.panicked != nil:
		panic(fmt.Sprintf("%v [in a function given to rtest.Discover]\n\n%s", f.panicked, f.stack))
	case !f.ended:
		runtime.Goexit()
	}
	return f.reqs, f.err
}

// discoverAside calls the functions on a goroutine of its own, outside the bubble
// if the test is in one, and returns when they have returned or the wait is over.
func (c *demands) discoverAside() finding {
	base := context.Background()
	if ctx := contextOf(c.t); ctx != nil && c.runner == nil {
		base = ctx
	}
	limit := c.limit
	if limit.d == 0 {
		cfg := c.cfg
		cfg.wait, cfg.waitSet = singleAttempt, true
		if limit = cfg.limit(c.t, time.Now()); limit.d == singleAttempt {
			limit.why = "all that a discovery has where the wait is a single attempt"
		}
	}
	ctx, cancel := limit.context(base)
	defer cancel()
	done := make(chan finding, 1)
	go func() {
		f := finding{}
		defer func() {
			if !f.ended {
				if f.panicked = recover(); f.panicked != nil {
					f.stack = debug.Stack()
				}
			}
			done <- f
		}()
		f.reqs, f.err = c.askAll(ctx, false)
		f.ended = true
	}()
	select {
	case f := <-done:
		if f.err != nil && ctx.Err() != nil && errors.Is(f.err, ctx.Err()) {
			f.err = fmt.Errorf("%w (it was given %s: %w)", f.err, short(limit.d), context.Cause(ctx))
		}
		return f
	case <-ctx.Done():
		words := c.stillAsking()
		if words == "" { // it returned at this very moment
			return <-done
		}
		return finding{ended: true, err: fmt.Errorf("%s (%w)", words, context.Cause(ctx))}
	}
}

// askAll asks one after the other.
func (c *demands) askAll(ctx context.Context, again bool) ([]lockcore.Requirement, error) {
	reqs := make([]lockcore.Requirement, len(c.wishes))
	defer c.asking.Store(nil)
	for i, w := range c.wishes {
		if w.dynamic() {
			c.asking.Store(&asking{w, time.Now()})
		}
		var err error
		if reqs[i], err = w.ask(ctx, again); err != nil {
			return nil, err
		}
		c.asking.Store(nil)
	}
	return reqs, nil
}

// stillAsking names the Discover function that has not returned; it is empty if
// there is none.
func (c *demands) stillAsking() string {
	a := c.asking.Load()
	if a == nil {
		return ""
	}
	return fmt.Sprintf("%s: the function given to Discover (%s) had not returned after %s", a.wish.label(), a.wish.source(), short(time.Since(a.since)))
}

// label names the requirement while its candidates are unknown.
func (w *wishOf[T]) label() string { return w.r.label(-1) }

// source names the Discover function and where it stands.
func (w *wishOf[T]) source() string {
	f := runtime.FuncForPC(reflect.ValueOf(w.r.pool.discover).Pointer())
	if f == nil {
		return "unknown"
	}
	file, line := f.FileLine(f.Entry())
	return fmt.Sprintf("%s, %s:%d", filepath.Base(f.Name()), filepath.Base(file), line)
}
