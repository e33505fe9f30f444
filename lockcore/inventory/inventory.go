// Package inventory reads the file that lists which resources there are: one for
// a laboratory, whatever language its users write in. RTEST_POOLS names it.
//
//	pools:
//	  boards:
//	    items:
//	      - {key: board-1, tags: {fw: "4", kind: nrf52}}
//	      - board-2                      # a key alone
//	  licences:
//	    seats: 5                         # of each item; left out: one user at a time
//	    items: [simulator]
//
// A JSON file will do, since JSON is YAML. Nothing here writes the file: it belongs to
// the lab. The store alone knows who holds what. It may change while somebody waits. A
// [Source] reads it again when it is asked, and keeps what it knew for a while when the
// file cannot be read or is wrong.
package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// An Inventory is what a file lists. It must not be changed.
type Inventory struct {
	where string
	pools map[string]*Pool
}

// A Pool is resources of which one is as good as another.
type Pool struct {
	Name  string
	Seats int // of each item; 0 for items that are used by one at a time
	Items []Item
}

// An Item is a resource.
type Item struct {
	Key  string // its name in the store, the same everywhere
	Tags map[string]string
}

// ResourceKey is the key.
func (i Item) ResourceKey() string { return i.Key }

// Names lists the pools, sorted.
func (v *Inventory) Names() []string { return slices.Sorted(maps.Keys(v.pools)) }

// Pool returns the pool of a name. If there is none, the error lists the names that
// exist.
func (v *Inventory) Pool(name string) (*Pool, error) {
	if p := v.pools[name]; p != nil {
		return p, nil
	}
	names := v.Names()
	for i, n := range names {
		names[i] = strconv.Quote(n)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no pool %q: it has none at all", v.where, name)
	}
	return nil, fmt.Errorf("%s has no pool %q; it has %s", v.where, name, strings.Join(names, ", "))
}

// String says where the inventory was read, without a password.
func (v *Inventory) String() string { return v.where }

// Requirement asks for n of the items that have all the tags, or n seats of them. Tags
// may be nil. It fails when no item has the tags.
func (p *Pool) Requirement(n int, shared bool, tags map[string]string) (lockcore.Requirement, error) {
	r := lockcore.Requirement{Name: p.Name, Need: n, Shared: shared, Seats: p.Seats}
	for _, i := range p.Items {
		if i.Has(tags) {
			r.Candidates = append(r.Candidates, lockcore.Candidate{Key: i.Key, Tags: i.Tags})
		}
	}
	switch units := len(r.Candidates) * max(1, p.Seats); {
	case n < 1:
		return r, fmt.Errorf("pool %q: %d of it were asked for; ask for at least 1", p.Name, n)
	case shared && p.Seats > 0:
		return r, fmt.Errorf("pool %q has seats, which cannot be shared: ask for one seat", p.Name)
	case len(p.Items) == 0:
		return r, fmt.Errorf("pool %q has no items", p.Name)
	case len(r.Candidates) == 0:
		return r, fmt.Errorf("pool %q has no item with %s", p.Name, words(tags))
	case n > units && len(tags) > 0:
		return r, fmt.Errorf("pool %q: %d were asked for, and there %s with %s", p.Name, n, areOnly(units), words(tags))
	case n > units:
		return r, fmt.Errorf("pool %q: %d were asked for, and there %s", p.Name, n, areOnly(units))
	}
	return r, nil
}

// Has reports whether the item has all the tags, with these values.
func (i Item) Has(tags map[string]string) bool {
	for tag, value := range tags {
		if v, ok := i.Tags[tag]; !ok || v != value {
			return false
		}
	}
	return true
}

func words(tags map[string]string) string {
	var l []string
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		l = append(l, tag+"="+tags[tag])
	}
	return strings.Join(l, " and ")
}

// Find returns the item with the key, and the first pool that lists it, in the order of
// their names. The bool is false when no pool does.
func (v *Inventory) Find(key string) (Item, *Pool, bool) {
	for _, name := range v.Names() {
		p := v.pools[name]
		for _, i := range p.Items {
			if i.Key == key {
				return i, p, true
			}
		}
	}
	return Item{}, nil, false
}

// areOnly continues "there".
func areOnly(n int) string {
	if n == 1 {
		return "is only 1"
	}
	return fmt.Sprintf("are only %d", n)
}
