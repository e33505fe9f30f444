package rtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// From returns the items that the lease holds for this requirement, in no
// particular order. A value derived from the one that was acquired finds them, too,
// and so does the one that it was derived from:
//
//	lease := rtest.Acquire(t, boards.Need(2))
//	boards.From(lease) // both boards
//
// Only when several requirements of the lease are derived from the same R, it must
// be the very value that was acquired. With a nil lease, the items are those of
// [Main]. The test fails if the lease has nothing of the requirement.
func (r Requirement[T]) From(l *Lease) []T {
	l, err := orSuite(l)
	if err == nil {
		var items []T
		if items, err = pick[T](r, l); err == nil {
			return slices.Clone(items)
		}
	}
	if l == nil {
		panic("rtest: From: " + err.Error()) // there is no test to fail
	}
	l.t.Helper()
	stop(l.t, false, "rtest: From: "+err.Error())
	return nil
}

// One is From for a requirement of which the lease holds a single item; the test
// fails if it holds more.
func (r Requirement[T]) One(l *Lease) T {
	items := r.From(l)
	if len(items) == 1 {
		return items[0]
	}
	if l, _ = orSuite(l); l != nil {
		l.t.Helper()
		stop(l.t, false, fmt.Sprintf("rtest: One: the lease holds %d items of this requirement (%s); use From", len(items), list(l.keys, keysShown)))
	}
	var none T
	return none
}

// orSuite is the lease itself, or that of Main: a test has no other way to it,
// as Main returns nothing but the exit code.
func orSuite(l *Lease) (*Lease, error) {
	if l != nil {
		return l, nil
	}
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if reg.suite == nil {
		return nil, errors.New("the lease is nil, and there is none of rtest.Main: use the one that rtest.Acquire returns")
	}
	return reg.suite, nil
}

// pick finds what belongs to the requirement: the value itself first, then values
// that come from the same R or Discover.
func pick[T any](r Requirement[T], l *Lease) ([]T, error) {
	if r.id == nil {
		return nil, fmt.Errorf("the requirement is empty: make one with R")
	}
	// The same origin is enough in the usual case, a pool in a package variable of
	// which the test acquired one requirement, and saves the test a variable.
	var related []int
	var names []string
	exact := -1
	for i, g := range l.items {
		names = append(names, l.reqs[i].String())
		if g.id == r.id {
			if exact >= 0 {
				return nil, fmt.Errorf("the same requirement was acquired twice in one Acquire (at %s), so it does not say which one is meant; keep boards.Named(\"left\") and boards.Named(\"right\"), or their like, in variables", l.at)
			}
			exact = i
		}
		if g.id.root() == r.id.root() {
			related = append(related, i)
		}
	}
	switch {
	case exact >= 0:
		return items[T](l, exact)
	case len(related) == 1:
		return items[T](l, related[0])
	case len(related) > 1:
		return nil, fmt.Errorf("%d requirements of the lease acquired at %s are made of this one, so it does not say which one is meant; keep the values that go into Acquire in variables, and call From on those", len(related), l.at)
	}
	what := "an unnamed requirement"
	if r.name != "" {
		what = fmt.Sprintf("requirement %q", r.name)
	}
	return nil, fmt.Errorf("%s is not part of the lease acquired at %s, which holds %s", what, l.at, strings.Join(names, " and "))
}

// items gives the list its type back.
func items[T any](l *Lease, i int) ([]T, error) {
	got, ok := l.items[i].items.([]T)
	if !ok {
		// Values of one origin have one type; only a forged one gets here.
		return nil, fmt.Errorf("the lease has %T for this requirement", l.items[i].items)
	}
	return got, nil
}

// sure is orSuite for a method, which has no error to return and no test to fail.
func (l *Lease) sure(method string) *Lease {
	l, err := orSuite(l)
	if err != nil {
		panic("rtest: Lease." + method + ": " + err.Error())
	}
	return l
}
