package whatif

import (
	"errors"
	"fmt"
	"slices"
)

// adviceMost bounds the search for a size.
const adviceMost = 64

// advise looks for the smallest number of resources with which the wait, in the
// worst of the tie-breaks, is as wished. It tries one after the other: more
// resources do not always mean shorter waits, so halving could miss the smallest.
func (p *replay) advise(w WhatIf, changes []change, as mode, n draws) (*Advice, error) {
	name := p.reason()
	if len(w.Add) > 0 {
		name = changes[0].name
		changes = changes[1:]
	}
	members := slices.DeleteFunc(p.members(name), func(k string) bool {
		return slices.ContainsFunc(changes, func(c change) bool { return slices.Contains(c.remove, k) })
	})
	if name == "" || len(members) == 0 {
		return nil, fmt.Errorf("%w: no pool of the events has a name to recommend a size for; name one with --add NAME=1", ErrNoEstimate)
	}
	like := p.typical(members)[0]
	a := &Advice{Of: name, WaitP95: w.WaitP95, Now: len(members)}
	try := func(by int) (Scenario, error) {
		c := change{name: name, like: like, add: by}
		if by < 0 {
			c.remove = p.last(members, -by)
		}
		all := changes
		if by != 0 {
			all = append(slices.Clone(changes), c)
		}
		s, err := p.play("", all, as, n)
		if err != nil {
			return Scenario{}, err
		}
		return s.scenario((*plays).usual), nil
	}
	// The most first: where that does not help, 64 simulations need not tell so.
	s, err := try(adviceMost)
	if err != nil {
		return nil, err
	}
	a.Needed, a.P95, a.Enough = a.Now+adviceMost, s.P95, s.P95.Max <= w.WaitP95
	for by := 0; a.Enough && by < adviceMost; by++ {
		s, err := try(by)
		if err != nil {
			return nil, err
		}
		if s.P95.Max <= w.WaitP95 {
			a.Needed, a.P95 = a.Now+by, s.P95
			break
		}
	}
	for by := -1; a.Needed == a.Now+by+1 && a.Now+by > 0; by-- { // fewer may do
		s, err := try(by)
		if errors.Is(err, ErrNoEstimate) || err == nil && s.P95.Max > w.WaitP95 {
			break
		}
		if err != nil {
			return nil, err
		}
		a.Needed, a.P95 = a.Now+by, s.P95
	}
	return a, nil
}

// reason is the pool that was waited for most.
func (p *replay) reason() (name string) {
	for pool, waited := range p.poolWait {
		known := len(p.members(pool)) > 0
		if known && (name == "" || waited > p.poolWait[name] || waited == p.poolWait[name] && pool < name) {
			name = pool
		}
	}
	return name
}
