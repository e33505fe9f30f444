package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/inventory"
)

// wants are the resources that a command line asks for.
type wants struct {
	keys   []string
	need   int
	given  func(flag string) bool // tells --need 0 from none; nil without flags
	pools  []string               // boards, boards*2, staging:shared
	where  []string               // TAG=VALUE
	shared bool
	even   bool // of free ones, those that were not used for longest
}

func (w *wants) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	w.given = f.Changed
	f.IntVar(&w.need, "need", 0, "any `N` of the KEYs, or of their seats where the inventory gives some (default all KEYs)")
	f.StringArrayVar(&w.pools, "pool", nil, "one of pool `NAME` of the inventory, or N with NAME*N; NAME:shared is for reading; repeatable")
	f.StringArrayVar(&w.where, "where", nil, "only items of the pools with this `TAG=VALUE`; repeatable")
	f.BoolVar(&w.shared, "shared", false, "read access: others may share it, nobody has it alone")
	f.BoolVar(&w.even, "least-recently-used", false, "of several free ones, those whose last use with this flag is longest ago: wears all alike")
}

// requirements words what is wanted for the store, with the pools as the
// inventory lists them now. What is doubtful, but no mistake, is in warnings.
func (w *wants) requirements(ctx context.Context) (reqs []lockcore.Requirement, warnings []string, err error) {
	for i, k := range w.keys {
		switch {
		case k == "":
			return nil, nil, errors.New("a KEY is empty")
		case slices.Contains(w.keys[:i], k):
			return nil, nil, fmt.Errorf("KEY %q is named twice", k)
		}
	}
	switch {
	case w.need < 0, w.need == 0 && w.given != nil && w.given("need"):
		return nil, nil, fmt.Errorf("--need %d: ask for at least 1", w.need)
	case w.need > 0 && len(w.keys) == 0:
		return nil, nil, errors.New("--need is about the KEYs, and none is named; of a pool, N are --pool 'NAME*N'")
	case len(w.where) > 0 && len(w.pools) == 0:
		return nil, nil, errors.New("--where chooses among the items of a --pool, and none is named")
	}
	// Keys need no inventory: one that cannot be read must not keep a person from a board.
	v, err := readInventory(ctx)
	if err != nil && len(w.pools) > 0 {
		return nil, nil, err
	}
	if err != nil && !errors.Is(err, inventory.ErrNone) {
		warnings = append(warnings, err.Error())
	}
	// KEYs first and then pools, each in the order of the command line, also when the inventory is
	// read again: by its place a grant and the record tell what was for which requirement.
	reqs, odd, err := w.ofKeys(v)
	if err != nil {
		return nil, nil, err
	}
	warnings = append(warnings, odd...)
	tags, err := w.tags()
	if err != nil {
		return nil, nil, err
	}
	for _, p := range w.pools {
		r, err := poolRequirement(v, p, w.shared, tags)
		if err != nil {
			return nil, nil, err
		}
		reqs = append(reqs, r)
	}
	for i := range reqs {
		if w.even {
			reqs[i].Choice = lockcore.LeastRecentlyUsed
		}
	}
	return reqs, warnings, nil
}

// ofKeys asks for the keys: for each by a requirement of its own, whose name messages
// and reports show; or for --need N of them by one requirement, since only the
// candidates of one can stand in for each other. The inventory tells their tags and
// seats, and which of them it does not know.
func (w *wants) ofKeys(v *inventory.Inventory) (reqs []lockcore.Requirement, warnings []string, err error) {
	one := lockcore.Requirement{Need: w.need, Shared: w.shared}
	for i, k := range w.keys {
		c := lockcore.Candidate{Key: k}
		seats := 0
		if v != nil {
			item, pool, known := v.Find(k)
			if !known {
				warnings = append(warnings, fmt.Sprintf("%s does not list %s", v, printable(k)))
			} else {
				c.Tags, seats = item.Tags, pool.Seats
			}
		}
		if w.need > 0 {
			if i == 0 {
				one.Seats = seats
			}
			// A requirement has one number of seats, and a key may be held in one way only.
			if seats != one.Seats {
				return nil, nil, fmt.Errorf("--need %d: %s is taken %s and %s %s; name KEYs of one kind", w.need, printable(w.keys[0]), bySeat(one.Seats), printable(k), bySeat(seats))
			}
			one.Candidates = append(one.Candidates, c)
			continue
		}
		r := lockcore.Requirement{Name: k, Candidates: []lockcore.Candidate{c}, Shared: w.shared, Seats: seats}
		if r.Seats > 0 {
			r.Shared = false // a seat is shared by its nature
		}
		reqs = append(reqs, r)
	}
	if w.need == 0 {
		return reqs, warnings, nil
	}
	if one.Seats > 0 {
		one.Shared = false
	}
	switch seats := len(w.keys) * one.Seats; {
	case one.Seats == 0 && w.need > len(w.keys):
		return nil, nil, fmt.Errorf("--need %d: there are only %d KEYs", w.need, len(w.keys))
	case one.Seats > 0 && w.need > seats:
		return nil, nil, fmt.Errorf("--need %d: there are only %d seats of the KEYs", w.need, seats)
	}
	return append(reqs, one), warnings, nil
}

// bySeat words how a key is taken.
func bySeat(seats int) string {
	switch seats {
	case 0:
		return "whole"
	case 1:
		return "by the seat (1 seat)"
	}
	return fmt.Sprintf("by the seat (%d seats)", seats)
}

func (w *wants) tags() (map[string]string, error) {
	tags := map[string]string{}
	for _, s := range w.where {
		tag, value, ok := strings.Cut(s, "=")
		if !ok || tag == "" {
			return nil, fmt.Errorf("--where %q: write TAG=VALUE, as in fw=4", s)
		}
		if _, twice := tags[tag]; twice {
			return nil, fmt.Errorf("--where names the tag %q twice; an item has one value for it", tag)
		}
		tags[tag] = value
	}
	return tags, nil
}

// poolRequirement reads NAME, NAME*N, NAME:shared or NAME*N:shared, as a lock
// label of Ginkgo is written.
func poolRequirement(v *inventory.Inventory, s string, shared bool, tags map[string]string) (lockcore.Requirement, error) {
	rest, mode, ok := strings.Cut(s, ":")
	if ok && mode != "shared" {
		return lockcore.Requirement{}, fmt.Errorf("--pool %q: after the colon comes %q; the only word there is shared", s, mode)
	}
	name, count, counted := strings.Cut(rest, "*")
	n := 1
	if counted {
		var err error
		if n, err = strconv.Atoi(count); err != nil || n < 1 {
			return lockcore.Requirement{}, fmt.Errorf("--pool %q: the count %q is no number above 0; write %s*2, say", s, count, name)
		}
	}
	p, err := v.Pool(name)
	if err != nil {
		return lockcore.Requirement{}, err
	}
	return p.Requirement(n, shared || ok, tags)
}

// readInventory reads what RTEST_POOLS names.
func readInventory(ctx context.Context) (*inventory.Inventory, error) {
	source, err := inventory.Default()
	if err != nil {
		return nil, err
	}
	return source.Read(ctx)
}
