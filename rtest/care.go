package rtest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// care is Prepare or Restore of one item.
type care struct {
	key  string
	call func(context.Context) error
	err  error
}

const (
	// careLimit bounds Prepare and Restore where nothing else does.
	careLimit = 5 * time.Minute
	// careGrace is how long a function may take to return once its context is over.
	careGrace = time.Second
)

func (w *wishOf[T]) item(key string) T { return w.collect([]string{key}).([]T)[0] }

func (w *wishOf[T]) preparing(keys []string, last func(key string) Ending) (all []*care) {
	if w.r.prepare == nil {
		return nil
	}
	for _, k := range distinct(keys) {
		item := w.item(k)
		all = append(all, &care{key: k, call: func(ctx context.Context) error { return w.r.prepare(ctx, item, last(k)) }})
	}
	return all
}

func (w *wishOf[T]) restoring(keys []string) (all []*care) {
	if w.r.restore == nil {
		return nil
	}
	for _, k := range distinct(keys) {
		item := w.item(k)
		all = append(all, &care{key: k, call: func(ctx context.Context) error { return w.r.restore(ctx, item) }})
	}
	return all
}

// distinct drops repetitions: several seats may be of one item.
func distinct(keys []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(keys)))
}

// careForAll does all of it side by side, and returns what failed, and how long it
// took. Its context ends with both contexts, before deadline if there is one, and
// after careLimit.
func careForAll(lease, base context.Context, deadline time.Time, all []*care) (failed []*care, took time.Duration) {
	limit := careLimit
	if !deadline.IsZero() {
		limit = max(0, min(limit, time.Until(deadline)-leastMargin))
	}
	ctx, cancel := context.WithTimeoutCause(lease, limit, fmt.Errorf("it was given %s", short(limit)))
	defer cancel()
	defer context.AfterFunc(base, cancel)()
	began := time.Now()
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() { c.err = c.run(ctx) })
	}
	wg.Wait()
	took = time.Since(began)
	return slices.DeleteFunc(all, func(c *care) bool { return c.err == nil }), took
}

var errExited = errors.New("it ended its goroutine, as FailNow does, and returned nothing")

// run calls the function on a goroutine of its own: one that hangs must not hold up
// the test.
func (c *care) run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		err := errExited
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("it panicked: %v\n%s", r, debug.Stack())
			}
			done <- err
		}()
		err = c.call(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(careGrace):
		return fmt.Errorf("it had not returned %s after its context was over (%w)", careGrace, context.Cause(ctx))
	}
}

// unfitError tells that too few items are left after Prepare failed for others.
type unfitError struct {
	of    string
	items []*care
}

func (e *unfitError) Unwrap() []error { return []error{lockcore.ErrBusy, lockcore.ErrOutOfService} }

func (e *unfitError) Error() string {
	return fmt.Sprintf("too few are left of %s: %s", e.of, unfitWords(e.items))
}

func unfitWords(items []*care) string {
	words := make([]string, len(items))
	for i, c := range items {
		words[i] = fmt.Sprintf("Prepare of %s failed: %s", c.key, firstLine(c.err))
	}
	return strings.Join(words, "; ")
}

// words say what failed and what became of the item; the stack of a panic comes
// last.
func (c *care) words(what, then string) string {
	line, stack, _ := strings.Cut(c.err.Error(), "\n")
	if stack != "" {
		stack = "\n" + stack
	}
	return fmt.Sprintf("%s of %s failed: %s; %s%s", what, c.key, line, then, stack)
}

// firstLine leaves out the stack of a panic.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
