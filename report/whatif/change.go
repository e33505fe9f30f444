package whatif

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/simulate"

	"github.com/resourcelocker/resourcelocker/report/internal/words"
)

// A change is resources to add or to take away.
type change struct {
	name   string   // of a pool, a tag or a resource
	like   string   // the resource that new ones are like
	add    int      // new resources
	remove []string // keys
}

// words is the change in a line.
func (c change) words() string {
	if c.add > 0 {
		return fmt.Sprintf("%s +%d (like %s)", words.Plain(c.name), c.add, words.Plain(c.like))
	}
	var keys []string
	for _, k := range c.remove {
		keys = append(keys, words.Plain(k))
	}
	if len(keys) > 4 {
		keys = append(keys[:3], fmt.Sprintf("… and %d more", len(c.remove)-3))
	}
	return "without " + strings.Join(keys, ", ")
}

// members lists the resources behind a name: itself, a tag's, a pool's.
func (p *replay) members(name string) []string {
	for i := range p.sets {
		if p.sets[i].keys[name] {
			return []string{name}
		}
	}
	found := p.tags[name]
	if len(found) == 0 && name != "" {
		found = p.pools[name]
	}
	return slices.SortedFunc(maps.Keys(found), words.NaturalCompare)
}

// parseChange reads NAME=N, or, to take it away, a KEY.
func (p *replay) parseChange(flag, text string) (change, error) {
	adding := flag == "add"
	if m := p.members(text); !adding && len(m) == 1 && m[0] == text {
		return change{name: text, remove: m}, nil
	}
	name, number := text, ""
	if i := strings.LastIndexByte(text, '='); i >= 0 {
		name, number = text[:i], text[i+1:]
	}
	n, err := strconv.Atoi(number)
	members := p.members(name)
	switch {
	case err == nil && n >= 1 && len(members) > 0:
	case len(p.members(text)) > 0: // kind=nrf52, or boards, without a number
		return change{}, fmt.Errorf("--%s %q does not say how many: write %s=1", flag, text, text)
	case len(members) == 0:
		return change{}, fmt.Errorf("--%s %q: no pool, tag or resource of the events is called %q; there are %s", flag, text, name, p.known())
	default:
		return change{}, fmt.Errorf("--%s %q: %q is no number of resources: write %s=1", flag, text, number, name)
	}
	const most = 10_000 // beyond that somebody mistyped
	if adding && n > most {
		return change{}, fmt.Errorf("--add %q: more than %d resources at once; write a smaller number", text, most)
	}
	if adding {
		return change{name: name, like: p.typical(members)[0], add: n}, nil
	}
	if n >= len(members) {
		return change{}, fmt.Errorf("--remove %q: there are %d, and one must stay; write a smaller number", text, len(members))
	}
	return change{name: name, remove: p.last(members, n)}, nil
}

// typical sorts resources so that those come first that stand in the same
// requirements as most others do: "one board more" means a board like most of
// them, not the one with the rare radio.
func (p *replay) typical(members []string) []string {
	kind := map[string]string{}
	n := map[string]int{}
	for _, k := range members {
		var b strings.Builder
		for i := range p.sets {
			if p.sets[i].keys[k] {
				fmt.Fprint(&b, i, " ")
			}
		}
		kind[k] = b.String()
		n[b.String()]++
	}
	sorted := slices.Clone(members)
	slices.SortFunc(sorted, func(a, b string) int {
		return cmp.Or(cmp.Compare(n[kind[b]], n[kind[a]]), cmp.Compare(kind[a], kind[b]), words.NaturalCompare(a, b))
	})
	return sorted
}

// last picks n resources to take away: the typical ones first, and of these those
// with the highest numbers.
func (p *replay) last(members []string, n int) []string {
	var picked []string
	for len(picked) < n {
		typical := p.typical(members)
		like, i := typical[0], 0
		for i+1 < len(typical) && p.alike(typical[i+1], like) {
			i++
		}
		picked = append(picked, typical[i])
		members = slices.Delete(typical, i, i+1)
	}
	return picked
}

// alike reports whether two resources stand in the same requirements.
func (p *replay) alike(a, b string) bool {
	return !slices.ContainsFunc(p.sets, func(s candidateSet) bool { return s.keys[a] != s.keys[b] })
}

// known lists the names that may be changed, by what they are: somebody who mistyped
// the key of a board is helped by keys, not by pools.
func (p *replay) known() string {
	keys := map[string]map[string]bool{}
	for i := range p.sets {
		for k := range p.sets[i].keys {
			if !hidden(k) {
				keys[k] = nil
			}
		}
	}
	var l []string
	for _, kind := range []struct {
		word  string
		names map[string]map[string]bool
	}{{"pool", p.pools}, {"tag", p.tags}, {"resource", keys}} {
		var names []string
		for _, name := range slices.SortedFunc(maps.Keys(kind.names), words.NaturalCompare) {
			if name != "" {
				names = append(names, words.Plain(name))
			}
		}
		const enough = 6
		word := kind.word
		if len(names) > 1 {
			word += "s"
		}
		if n := len(names); n > enough {
			names = append(names[:enough-1], fmt.Sprintf("… (%d more)", n-enough+1))
		}
		if len(names) > 0 {
			l = append(l, "the "+word+" "+strings.Join(names, ", "))
		}
	}
	return strings.Join(l, "; ")
}

// with is the jobs after the changes.
func (p *replay) with(changes []change) []simulate.Job {
	sets := make([][]lockcore.Candidate, len(p.sets))
	for i := range p.sets {
		sets[i] = p.sets[i].candidates
		for n, c := range changes {
			sets[i] = c.apply(sets[i], p.sets[i].keys[c.like], n)
		}
	}
	jobs := slices.Clone(p.jobs)
	for i := range jobs {
		jobs[i].Requirements = slices.Clone(jobs[i].Requirements)
		for r, s := range p.uses[i] {
			jobs[i].Requirements[r].Candidates = sets[s]
		}
	}
	return jobs
}

// apply changes one set of candidates, on a copy.
func (c change) apply(set []lockcore.Candidate, hasLike bool, n int) []lockcore.Candidate {
	if c.add > 0 {
		if !hasLike {
			return set
		}
		set = slices.Clone(set)
		for i := range c.add {
			// No recorded key holds a zero byte in practice.
			set = append(set, lockcore.Candidate{Key: fmt.Sprintf("%s\x00%d.%d", c.like, n, i)})
		}
		return set
	}
	return slices.DeleteFunc(slices.Clone(set), func(x lockcore.Candidate) bool { return slices.Contains(c.remove, x.Key) })
}
