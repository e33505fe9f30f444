package rtest

import (
	"context"
	"sync"

	"github.com/resourcelocker/resourcelocker/lockcore/inventory"
)

// An Item is a resource that the inventory lists, see [Pool].
type Item struct {
	Key  string            // its name in the store
	Tags map[string]string // what the inventory says of it; it must not be changed

	seats int // of each item of its pool
}

// ResourceKey is the key.
func (i Item) ResourceKey() string { return i.Key }

// Pool asks for one of the items of a pool of the inventory: of the YAML or JSON
// file, or http or https URL, that RTEST_POOLS names and that a laboratory keeps
// for all its users.
//
//	pools:
//	  boards:
//	    items:
//	      - {key: board-1, tags: {fw: "4"}}
//	      - {key: board-2, tags: {fw: "5"}}
//
// The inventory is read when something is acquired, and again while that waits, as
// with [Discover]: a board that comes into the file is taken into account. What
// was read last stays good for five minutes while the file cannot be read.
// A pool with seats needs no [Requirement.Seats].
//
// Two calls with one name return the same requirement: [Requirement.From] on the
// one returns what was obtained for the other.
func Pool(name string) Requirement[Item] {
	if r, known := listed.Load(name); known {
		return r.(Requirement[Item])
	}
	r := Discover(func(ctx context.Context) ([]Item, error) { return itemsOf(ctx, name) })
	r.pool.tags = func(i Item) map[string]string { return i.Tags }
	r.pool.seatsOf = func(i Item) int { return i.seats }
	r.name = name
	first, _ := listed.LoadOrStore(name, r)
	return first.(Requirement[Item])
}

// listed are the pools that Pool was called for, Requirement[Item] by name.
var listed sync.Map

// itemsOf reads a pool.
func itemsOf(ctx context.Context, name string) ([]Item, error) {
	source, err := inventory.Default()
	if err != nil {
		return nil, err
	}
	v, err := source.Read(ctx)
	if err != nil {
		return nil, err
	}
	p, err := v.Pool(name)
	if err != nil {
		return nil, err
	}
	items := make([]Item, len(p.Items))
	for i, x := range p.Items {
		items[i] = Item{Key: x.Key, Tags: x.Tags, seats: p.Seats}
	}
	return items, nil
}

// seatedAs is the requirement with the seats that an inventory says its items
// have. They have the same number all, since they are of one pool.
func (r Requirement[T]) seatedAs(items []T) Requirement[T] {
	if r.pool.seatsOf == nil || r.seated || len(items) == 0 {
		return r
	}
	if n := r.pool.seatsOf(items[0]); n > 0 {
		r.seats, r.seated = n, true
	}
	return r
}
