package sched

import (
	"slices"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A part of a line is waiters of whom no one wants anything that a waiter outside of
// it wants too, and the holders that are in their way; each by its place in the
// snapshot. A part can be played forward by itself, and that is what makes a line
// before a hundred pools cheap: what comes free in one is nothing to the others.
//
//	w1 wants a or b    w2 wants c    w3 wants b and d    parts: w1 w3, w2
type part struct {
	holders, waiters []int
	classes          []*class        // of the waiters
	listed           map[string]bool // the keys that they list
}

// split finds the parts of the line, in the order of their first waiters. Where
// requests are nested, waiters wait for each other by way of what they hold already:
// then everything is one part.
func split(snap *lockcore.Snapshot) []*part {
	var s splitting
	nested := false
	for i := range snap.Waiters {
		s.add(snap.Waiters[i].Requirements)
		nested = nested || len(snap.Waiters[i].Parents) > 0
	}
	if nested {
		clear(s.up) // all to the first
	}
	var parts []*part
	partOf := make([]*part, len(s.classes)) // by root
	for i, c := range s.of {
		root := s.root(c)
		if partOf[root] == nil {
			partOf[root] = &part{listed: make(map[string]bool)}
			parts = append(parts, partOf[root])
		}
		p := partOf[root]
		p.waiters, p.classes = append(p.waiters, i), append(p.classes, s.classes[c])
	}
	for k, c := range s.lister {
		partOf[s.root(c)].listed[k] = true
	}
	for i := range snap.Holders {
		for _, k := range snap.Holders[i].Keys() {
			c, listed := s.lister[k]
			if !listed {
				continue
			}
			if p := partOf[s.root(c)]; len(p.holders) == 0 || p.holders[len(p.holders)-1] != i {
				p.holders = append(p.holders, i)
			}
		}
	}
	return parts
}

// A splitting joins classes that have a key in common.
type splitting struct {
	classes []*class
	of      []int          // the class of each waiter
	up      []int          // of each class, one that it is in a part with; itself at the root
	lister  map[string]int // of each key, the first class that lists it
	known   map[string]int // classes by signature
}

func (s *splitting) add(reqs []lockcore.Requirement) {
	if s.known == nil {
		s.known, s.lister = make(map[string]int), make(map[string]int)
	}
	// Names make no difference here, and the fewer classes there are, the less work.
	reqs = slices.Clone(reqs)
	for i := range reqs {
		reqs[i].Name = ""
	}
	sig := signature(reqs)
	c, ok := s.known[sig]
	if !ok {
		c = len(s.classes)
		s.known[sig] = c
		s.classes, s.up = append(s.classes, &class{sig: sig, reqs: reqs, need: needed(reqs)}), append(s.up, c)
		for i := range reqs {
			for _, k := range reqs[i].Candidates {
				if other, listed := s.lister[k.Key]; listed {
					s.up[s.root(other)] = s.root(c)
				} else {
					s.lister[k.Key] = c
				}
			}
		}
	}
	s.of = append(s.of, c)
}

func (s *splitting) root(c int) int {
	for s.up[c] != c {
		s.up[c] = s.up[s.up[c]]
		c = s.up[c]
	}
	return c
}
