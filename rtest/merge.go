package rtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest/bridge"
)

// Package ginkgolock adds up what the containers of a spec and the spec itself
// need, and checks it before anything is asked of a store.

func init() {
	bridge.Together = func(outer, inner []any) []any { return merge(outer, inner, addUp) }
	bridge.InTurn = func(one, other []any) []any { return merge(one, other, larger) }
	bridge.Check = check
	bridge.Name = nameAll
	bridge.Pool = poolOf
}

// mergeable is what requirements of all types have in common. Two are alike when
// they ask for the same pool in the same way, but for the number and for who
// else may look on.
type mergeable interface {
	Arg
	likeness() (demand, int)
	demanding(need int, shared bool) Arg
	called(name string) Arg
}

type demand struct {
	pool   any
	name   string
	seats  int
	choice lockcore.Choice
	shared bool
}

func (r Requirement[T]) likeness() (demand, int) {
	return demand{r.pool, r.name, r.seats, r.choice, r.shared}, r.need
}

func (r Requirement[T]) demanding(need int, shared bool) Arg {
	r = r.derive()
	r.need, r.shared = need, shared
	return r
}

// called is the requirement itself under another name: From finds it by the old
// value.
func (r Requirement[T]) called(name string) Arg {
	r.name = name
	return r
}

// nameAll names what has no name yet.
func nameAll(args []any, name func(pool any) string) []any {
	out := append([]any(nil), args...)
	for i, arg := range out {
		if r, ok := arg.(mergeable); ok && !isNil(r) {
			if d, _ := r.likeness(); d.name == "" {
				out[i] = r.called(name(d.pool))
			}
		}
	}
	return out
}

// poolOf is nil for what is no requirement.
func poolOf(arg any) any {
	r, ok := arg.(mergeable)
	if !ok {
		return nil
	}
	d, _ := r.likeness()
	return d.pool
}

// merge joins two lists of arguments; alike requirements become one.
func merge(one, other []any, need func(a, b int, shared bool) int) []any {
	out := append([]any(nil), one...)
	for _, arg := range other {
		r, ok := arg.(mergeable)
		i := -1
		if ok {
			i = alike(out, r)
		}
		if i < 0 {
			out = append(out, arg)
			continue
		}
		a, n := out[i].(mergeable).likeness()
		b, m := r.likeness()
		switch {
		case a.shared == b.shared:
			m = need(n, m, a.shared)
		default:
			m = max(n, m) // who has it exclusively may read it too
		}
		if m != n || a.shared && !b.shared {
			out[i] = out[i].(mergeable).demanding(m, a.shared && b.shared)
		}
	}
	return out
}

func alike(args []any, r mergeable) int {
	want, _ := r.likeness()
	want.shared = false
	if want.pool == nil {
		return -1
	}
	for i, arg := range args {
		if o, ok := arg.(mergeable); ok {
			have, _ := o.likeness()
			if have.shared = false; have == want {
				return i
			}
		}
	}
	return -1
}

func addUp(a, b int, shared bool) int {
	if shared {
		return max(a, b)
	}
	return a + b
}

func larger(a, b int, _ bool) int { return max(a, b) }

// check is the part of Acquire that asks nobody.
func check(args []any) error {
	c := &arguments{}
	for i, a := range args {
		arg, ok := a.(Arg)
		if !ok || isNil(arg) {
			return fmt.Errorf("argument %d is nil", i+1)
		}
		if err := arg.join(c); err != nil {
			return err
		}
	}
	reqs := make([]lockcore.Requirement, 0, len(c.wishes))
	for _, w := range c.wishes {
		if w.dynamic() {
			continue // asking would be I/O
		}
		q, err := w.ask(context.Background(), false)
		if err != nil {
			return err
		}
		reqs = append(reqs, q)
	}
	all := func(r int, _ string) int { return max(1, reqs[r].Seats) }
	if _, ok := lockcore.Match(reqs, all, nil); !ok {
		return errors.New(wanted(reqs) + " cannot be had together, even with all of them free")
	}
	return nil
}
