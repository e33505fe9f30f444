// Package hold takes resources for the time of a function, outside of tests and
// typed:
//
//	store, err := storeurl.Open(ctx, "") // or os.Getenv("RTEST_URL")
//	...
//	locker := lockcore.New(store, nil)
//	defer locker.Close()
//	err = hold.Do(ctx, locker, boards, func(ctx context.Context, got []Board) error { return flash(ctx, got[0]) })
//
// In a test, use package rtest, which knows how tests end.
package hold

import (
	"context"
	"errors"
	"fmt"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A Pool says which items there are, and how many of them are wanted.
type Pool[T any] struct {
	Name  string // in messages and reports; may be empty
	Items []T
	// Key names an item in the store: the same everywhere, and unique. Default: the
	// item itself if it is a string, else what its method ResourceKey() string
	// returns, else what String() string does.
	Key    func(T) string
	Tags   func(T) map[string]string // what reports know of an item besides; may be nil
	Need   int                       // how many; 0 means 1
	Shared bool                      // for reading: others may share it, and nobody has it exclusively meanwhile
	Seats  int                       // how many each item has, as licences do; 0: it is taken as a whole
}

// Do takes what the pool says, waiting in line until it is there or ctx ends, calls
// f with the items and gives them back when f returns or panics. The context of f
// ends with ctx and with the lease; an Acquire or a Do under it counts as nested.
//
// The error is that of [lockcore.Locker.Acquire] if f was not called. Else it is
// that of f, joined by one that wraps [lockcore.ErrLost] if the lease was lost
// while f ran, and by what went wrong when it was given back. It is safe for
// concurrent use.
func Do[T any](ctx context.Context, l *lockcore.Locker, p Pool[T], f func(ctx context.Context, got []T) error) error {
	if f == nil {
		return errors.New("hold: Do was given no function")
	}
	one, err := p.resolve()
	if err != nil {
		return err
	}
	return during(ctx, l, []lockcore.Requirement{one.requirement}, func(ctx context.Context, got [][]string) error {
		return f(ctx, one.items(got[0]))
	})
}

// Do2 is [Do] for something of each of two pools, all or nothing. An item that
// stands in both is given to one of them.
func Do2[A, B any](ctx context.Context, l *lockcore.Locker, a Pool[A], b Pool[B], f func(ctx context.Context, as []A, bs []B) error) error {
	if f == nil {
		return errors.New("hold: Do2 was given no function")
	}
	one, err := a.resolve()
	if err != nil {
		return err
	}
	other, err := b.resolve()
	if err != nil {
		return err
	}
	return during(ctx, l, []lockcore.Requirement{one.requirement, other.requirement}, func(ctx context.Context, got [][]string) error {
		return f(ctx, one.items(got[0]), other.items(got[1]))
	})
}

// during holds the requirements for the time of f.
func during(ctx context.Context, l *lockcore.Locker, reqs []lockcore.Requirement, f func(context.Context, [][]string) error) (err error) {
	lease, err := l.Acquire(ctx, lockcore.Request{Requirements: reqs})
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancelCause(lease.Context())
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	returned := false
	defer func() {
		stop()
		cancel(nil)
		if !returned || err != nil {
			lease.SetEnding(lockcore.TestFailed)
		}
		if e := lease.Release(context.WithoutCancel(ctx)); e != nil && !errors.Is(err, e) {
			err = errors.Join(err, e)
		}
	}()
	err = f(inner, lease.Obtained())
	returned = true
	return err
}

// resolved is a pool whose keys are known.
type resolved[T any] struct {
	requirement lockcore.Requirement
	byKey       map[string]T
}

func (p Pool[T]) resolve() (r resolved[T], err error) {
	r.requirement = lockcore.Requirement{Name: p.Name, Need: p.Need, Shared: p.Shared, Seats: p.Seats}
	r.byKey = make(map[string]T, len(p.Items))
	for i, item := range p.Items {
		key, ok := p.keyOf(item)
		switch {
		case !ok:
			return r, fmt.Errorf("hold: %s: item %d is a %T, which has no key: set Pool.Key, or give it a method ResourceKey() string", p.label(), i+1, item)
		case key == "":
			return r, fmt.Errorf("hold: %s: the key of item %d is empty", p.label(), i+1)
		}
		if _, twice := r.byKey[key]; twice {
			return r, fmt.Errorf("hold: %s: item %d has the key %q of an earlier one; keys must be unique", p.label(), i+1, key)
		}
		r.byKey[key] = item
		c := lockcore.Candidate{Key: key}
		if p.Tags != nil {
			c.Tags = p.Tags(item)
		}
		r.requirement.Candidates = append(r.requirement.Candidates, c)
	}
	return r, nil
}

func (p Pool[T]) label() string {
	if p.Name == "" {
		return "a pool without a name"
	}
	return fmt.Sprintf("pool %q", p.Name)
}

func (p Pool[T]) keyOf(item T) (key string, ok bool) {
	if p.Key != nil {
		return p.Key(item), true
	}
	switch x := any(item).(type) {
	case string:
		return x, true
	case interface{ ResourceKey() string }:
		return x.ResourceKey(), true
	case fmt.Stringer:
		return x.String(), true
	}
	return "", false
}

// items are those of the keys. Of a key that gave several seats it is there as often.
func (r resolved[T]) items(keys []string) []T {
	items := make([]T, len(keys))
	for i, k := range keys {
		items[i] = r.byKey[k]
	}
	return items
}
