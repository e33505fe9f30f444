// Package judge tells right from wrong in a history: what the processes of a
// campaign wrote down about the leases that they had, while servers, networks and
// processes failed. It knows of the promises and of nothing that a store does to
// keep them, so that no mistake of a store can hide in it. Start at [Promises].
package judge

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Use is a time during which a process had keys, with reason: it looked at its
// lease after Acquire had returned, and for the last time at To, and both times
// the lease was good. Times are those of [Now], in nanoseconds.
type Use struct {
	Who   string // the process, for the verdict
	Asked int64  // before Acquire was called; counts for tokens only
	From  int64  // after it had returned, and before the first look
	To    int64  // before the last look
	Token uint64 `json:",omitempty"`
	Want  []int  `json:",omitempty"` // how many keys each requirement asked for; nil: somebody else has looked
	Got   []Got  `json:",omitempty"` // by requirement
	Odd   string `json:",omitempty"` // what the process itself found wrong; such a use needs nothing else
}

// Got is what one requirement obtained. A key of which several seats were had
// stands there several times.
type Got struct {
	Mode string // x exclusive, s shared, or n and the number of seats that there are
	Keys []string
}

// Taken is how somebody has one key.
type Taken struct {
	Mode  string // as in [Got]
	Units int
}

// Compatible reports whether one key may be had in all these ways at once. Those
// who do not agree on its number of seats get as many as the most modest of them
// believes in.
func Compatible(held []Taken) bool {
	taken, seats := 0, math.MaxInt
	for _, h := range held {
		kind := h.Mode[:min(1, len(h.Mode))]
		if !strings.HasPrefix(held[0].Mode, kind) {
			return false
		}
		switch h.Mode {
		case "x":
			if len(held) > 1 || h.Units > 1 {
				return false
			}
		case "s":
			if h.Units > 1 {
				return false
			}
		default:
			n, err := strconv.Atoi(strings.TrimPrefix(h.Mode, "n"))
			if err != nil || kind != "n" {
				return false // a judge who shrugs at what he cannot read acquits everybody
			}
			taken += h.Units
			seats = min(seats, n)
		}
	}
	return taken <= seats
}

// Promises are what a store is held to. The zero value stands for all of them.
type Promises struct {
	// Unfenced says that the store gives no fencing tokens.
	Unfenced bool
}

// Contradictions lists in words what in a history contradicts the promises: who had
// a key beside somebody else, or less than was asked for, tokens that do not rise,
// and whatever the processes themselves found odd.
func (p Promises) Contradictions(uses []Use) (bad []string) {
	byKey := make(map[string][]span)
	for i := range uses {
		u := &uses[i]
		if wrong := u.alone(); wrong != "" {
			bad = append(bad, wrong)
		}
		for _, g := range u.Got {
			units := make(map[string]int)
			for _, k := range g.Keys {
				units[k]++
			}
			for k, n := range units {
				byKey[k] = append(byKey[k], span{u, Taken{g.Mode, n}})
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		spans := byKey[key]
		slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.From, b.From) })
		bad = append(bad, overlaps(key, spans)...)
		if !p.Unfenced {
			bad = append(bad, keyTokens(key, spans)...)
		}
	}
	if !p.Unfenced {
		bad = append(bad, allTokens(uses)...)
	}
	return bad
}

// alone says what is wrong with a use whatever others did.
func (u *Use) alone() string {
	switch {
	case u.Odd != "":
		return u.Odd
	case u.To < u.From:
		return fmt.Sprintf("%+v ended before it began", *u)
	case u.Want != nil && !slices.EqualFunc(u.Want, u.Got, func(n int, g Got) bool { return len(g.Keys) == n }):
		return fmt.Sprintf("%+v did not get what was wanted", *u)
	}
	return ""
}

// A span is what one use had of one key.
type span struct {
	*Use
	taken Taken
}

// overlaps walks along the uses of one key, by their beginnings.
func overlaps(key string, spans []span) (bad []string) {
	var open []span
	for _, s := range spans {
		open = slices.DeleteFunc(open, func(o span) bool { return o.To < s.From })
		open = append(open, s)
		held := make([]Taken, len(open))
		for i, o := range open {
			held[i] = o.taken
		}
		if !Compatible(held) {
			bad = append(bad, fmt.Sprintf("%s: %+v as %+v beside %+v as %+v", key, *s.Use, s.taken, *open[0].Use, open[0].taken))
		}
	}
	return bad
}

// keyTokens is allTokens for one key, where it can tell more: whoever excludes
// another one and came after it has the higher token, whenever it asked.
func keyTokens(key string, spans []span) (bad []string) {
	exclusive, highest := new(Use), new(Use) // those with the highest tokens so far
	for _, s := range spans {
		before := exclusive
		if s.taken.Mode == "x" {
			before = highest
		}
		if s.Token <= before.Token {
			bad = append(bad, fmt.Sprintf("%s: %+v as %s came after %+v, and has no higher token", key, *s.Use, s.taken.Mode, *before))
		}
		if s.Token > highest.Token {
			highest = s.Use
		}
		if s.taken.Mode == "x" && s.Token > exclusive.Token {
			exclusive = s.Use
		}
	}
	return bad
}

// allTokens looks at all keys together: whoever asked after another one had been
// given something has the higher token, and no two are alike.
func allTokens(uses []Use) (bad []string) {
	var given []*Use
	for i := range uses {
		if uses[i].Odd == "" || uses[i].Got != nil {
			given = append(given, &uses[i])
		}
	}
	asked := slices.Clone(given)
	slices.SortFunc(given, func(a, b *Use) int { return cmp.Compare(a.From, b.From) })
	slices.SortFunc(asked, func(a, b *Use) int { return cmp.Compare(a.Asked, b.Asked) })
	i, highest := 0, new(Use)
	for _, u := range asked {
		for ; i < len(given) && given[i].From < u.Asked; i++ {
			if given[i].Token > highest.Token {
				highest = given[i]
			}
		}
		if u.Token <= highest.Token {
			bad = append(bad, fmt.Sprintf("token %d was given to %+v, after %+v", u.Token, *u, *highest))
		}
	}
	seen := make(map[uint64]bool)
	for _, u := range given {
		if seen[u.Token] {
			bad = append(bad, fmt.Sprintf("token %d was given twice, also to %+v", u.Token, *u))
		}
		seen[u.Token] = true
	}
	return bad
}
