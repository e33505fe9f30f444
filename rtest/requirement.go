package rtest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"sync"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A Requirement asks for some of a pool of items: for one of them, exclusively,
// unless its methods say more. They return a new value and change nothing, so a
// pool can be a package variable that parallel tests use in different ways. Keys
// and tags are worked out once for all values that have the same Key and Tags
// functions.
//
// After [Acquire], [Requirement.From] on the same value, or on the one it was
// made of, returns the items obtained.
type Requirement[T any] struct {
	pool   *pool[T]
	id     *ident
	name   string
	need   int
	shared bool
	seated bool
	seats  int
	choice lockcore.Choice

	prepare func(context.Context, T, Ending) error
	restore func(context.Context, T) error
}

// ident tells values apart: one for each call of a method, with the value at
// the root of the chain.
type ident struct{ origin *ident }

func (i *ident) root() *ident {
	if i.origin != nil {
		return i.origin
	}
	return i
}

// R asks for one of the items, exclusively. An item's key is the item itself if
// it is a string, else what its method ResourceKey() string returns, else its
// String method's result; [Requirement.Key] overrides all of these.
func R[T any](items ...T) Requirement[T] {
	return start(&pool[T]{items: append([]T(nil), items...)})
}

// Discover asks for one of the items that f returns. Every [Acquire] calls f,
// and again about every 5 s while it waits, so that the pool may grow and
// shrink; the place in line is kept. An error of f fails the test, but while
// waiting it only leaves the pool as it was. The context ends with the wait, and
// the wait ends on time if f does not heed it: f runs on a goroutine of its own,
// outside of a testing/synctest bubble, and is part of the time that [Wait] gives.
func Discover[T any](f func(context.Context) ([]T, error)) Requirement[T] {
	return start(&pool[T]{discover: f, dynamic: true})
}

func start[T any](p *pool[T]) Requirement[T] {
	return Requirement[T]{pool: p, id: new(ident), need: 1}
}

// derive gives the copy r an identity of its own.
func (r Requirement[T]) derive() Requirement[T] {
	if r.id == nil {
		r.id = new(ident)
	}
	r.id = &ident{origin: r.id.root()}
	return r
}

// derivePool is derive for a change of the pool, whose keys count anew.
func (r Requirement[T]) derivePool(change func(*pool[T])) Requirement[T] {
	r = r.derive()
	p := &pool[T]{}
	if o := r.pool; o != nil {
		*p = pool[T]{items: o.items, discover: o.discover, dynamic: o.dynamic, key: o.key, tags: o.tags, where: o.where, seatsOf: o.seatsOf, mistake: o.mistake}
	}
	change(p)
	r.pool = p
	return r
}

// Need asks for n items (or seats) instead of 1. A value below 1, or above what
// there is, fails the test that acquires it.
func (r Requirement[T]) Need(n int) Requirement[T] {
	r = r.derive()
	r.need = n
	return r
}

// Key sets how an item is named in the store: the same everywhere, and unique
// in the pool. f must be fit for concurrent use.
func (r Requirement[T]) Key(f func(T) string) Requirement[T] {
	return r.derivePool(func(p *pool[T]) { p.key, p.mistake = f, given("Key", f == nil, p.mistake) })
}

// Tags sets what reports know of an item besides its key. f must be fit for
// concurrent use.
func (r Requirement[T]) Tags(f func(T) map[string]string) Requirement[T] {
	return r.derivePool(func(p *pool[T]) { p.tags, p.mistake = f, given("Tags", f == nil, p.mistake) })
}

// Where leaves out the items for which f is false. f must be fit for concurrent
// use.
func (r Requirement[T]) Where(f func(T) bool) Requirement[T] {
	return r.derivePool(func(p *pool[T]) {
		p.where, p.mistake = append(p.where[:len(p.where):len(p.where)], f), given("Where", f == nil, p.mistake)
	})
}

// given words the mistake of a method that was given no function, unless there was
// one before. There is no test yet that could fail: the one that acquires does.
func given(method string, nothing bool, before string) string {
	if nothing && before == "" {
		return method + " was given no function: it is nil"
	}
	return before
}

// Shared asks for read access: others may share it too, but nobody has the item
// exclusively meanwhile.
func (r Requirement[T]) Shared() Requirement[T] {
	r = r.derive()
	r.shared = true
	return r
}

// Seats says that each item has n seats, as licences do. Every one needed takes
// a seat; several may be of the same item, which [Requirement.From] then lists
// as often.
func (r Requirement[T]) Seats(n int) Requirement[T] {
	r = r.derive()
	r.seats, r.seated = n, true
	return r
}

// Named sets what messages and reports call the requirement.
func (r Requirement[T]) Named(name string) Requirement[T] {
	r = r.derive()
	r.name = name
	return r
}

// InOrder takes the first free items in the order of the pool. The default is a
// random choice, which spreads wear.
func (r Requirement[T]) InOrder() Requirement[T] {
	r = r.derive()
	r.choice = lockcore.InOrder
	return r
}

// LeastRecentlyUsed takes the free items whose last such use is longest ago, so that
// all wear alike. Uses by requests that say so count, of all tests, runs and machines
// that share the store and the namespace: it keeps them, memory for as long as the
// process lives. An item without such a use comes first. With a quorum of servers it is
// as far as the servers agree.
func (r Requirement[T]) LeastRecentlyUsed() Requirement[T] {
	r = r.derive()
	r.choice = lockcore.LeastRecentlyUsed
	return r
}

func (r Requirement[T]) join(a *arguments) error {
	a.wishes = append(a.wishes, &wishOf[T]{r: r})
	return nil
}

// label names the requirement where its candidates are unknown or wrong.
func (r Requirement[T]) label(n int) string {
	if r.name != "" {
		return "requirement " + strconv.Quote(r.name)
	}
	of := "items"
	if n >= 0 {
		of = plural(n, "item", "items")
	}
	return fmt.Sprintf("requirement of %s of type %s", of, reflect.TypeFor[T]())
}

// request is the requirement in lockcore's words, checked as far as that needs
// no other requirement.
func (r Requirement[T]) request(cands []lockcore.Candidate) (lockcore.Requirement, error) {
	q := lockcore.Requirement{Name: r.name, Candidates: cands, Need: r.need, Shared: r.shared, Seats: r.seats, Choice: r.choice}
	if q.Name == "" && len(cands) == 1 && !(r.pool != nil && r.pool.dynamic) {
		q.Name = cands[0].Key // so that what the store learns of it has a name, too
	}
	units := len(cands) * max(1, r.seats)
	switch {
	case r.need < 1:
		return q, fmt.Errorf("%s: need is %d; it must be at least 1", r.label(len(cands)), r.need)
	case r.seated && r.seats < 1:
		return q, fmt.Errorf("%s: seats is %d; it must be at least 1", r.label(len(cands)), r.seats)
	case r.seated && r.shared:
		return q, fmt.Errorf("%s: Shared and Seats exclude each other: choose one", r.label(len(cands)))
	case len(cands) == 0 && r.pool != nil && len(r.pool.where) > 0:
		return q, fmt.Errorf("%s: none is left: Where refuses every item, or there was none", r.label(0))
	case len(cands) == 0 && r.pool != nil && r.pool.dynamic:
		return q, fmt.Errorf("%s: it has no items: the function given to Discover found none", r.label(0))
	case len(cands) == 0:
		return q, fmt.Errorf("%s: it has no items: R was given none, or an empty list", r.label(0))
	case r.need > units && r.seated:
		return q, fmt.Errorf("%s: need is %d, but there %s", q, r.need, areOnly(units, "seat", "seats"))
	case r.need > units:
		return q, fmt.Errorf("%s: need is %d, but there %s", q, r.need, areOnly(units, "item", "items"))
	}
	return q, nil
}

// wish is a Requirement within one call of Acquire, without its type.
type wish interface {
	ident() *ident
	dynamic() bool
	label() string  // names it while its candidates are unknown
	source() string // names the function given to Discover
	// ask resolves the candidates. again is for a pool that may shrink below the
	// need for a while.
	ask(ctx context.Context, again bool) (lockcore.Requirement, error)
	collect(keys []string) any            // the items of these keys, a []T
	facts() ([]string, map[string]string) // for events: the keys of all candidates, and the tags that all have
	tagsOf(key string) map[string]string
	preparing(keys []string, last func(key string) Ending) []*care
	restoring(keys []string) []*care
}

type wishOf[T any] struct {
	r Requirement[T]

	mu    sync.Mutex
	last  *keyed[T]
	found map[string]T // everything discovered so far: the grant may be of an earlier round
}

func (w *wishOf[T]) ident() *ident { return w.r.id }

func (w *wishOf[T]) dynamic() bool { return w.r.pool != nil && w.r.pool.dynamic }

func (w *wishOf[T]) ask(ctx context.Context, again bool) (lockcore.Requirement, error) {
	if w.r.pool == nil {
		return w.r.request(nil)
	}
	k, err := w.r.pool.keyed(ctx, w.r.label)
	if err != nil {
		return lockcore.Requirement{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = k
	if w.dynamic() {
		if w.found == nil {
			w.found = make(map[string]T)
		}
		maps.Copy(w.found, k.byKey())
	}
	q, err := w.r.seatedAs(k.items).request(k.cands)
	if again {
		err = nil
	}
	return q, err
}

func (w *wishOf[T]) collect(keys []string) any {
	items := make([]T, len(keys))
	if len(keys) == 0 {
		return items
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	byKey := w.found
	if byKey == nil {
		byKey = w.last.byKey()
	}
	for i, k := range keys {
		items[i] = byKey[k]
	}
	return items
}

func (w *wishOf[T]) facts() ([]string, map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last.names(), w.last.common()
}

func (w *wishOf[T]) tagsOf(key string) map[string]string {
	if w.r.pool.tags == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.last.cands {
		if c.Key == key {
			return c.Tags
		}
	}
	return nil
}
