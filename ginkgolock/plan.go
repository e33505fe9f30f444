package ginkgolock

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"github.com/resourcelocker/resourcelocker/rtest/bridge"
)

// plan is what a spec needs.
type plan struct {
	chain []declaration // of the containers, from the outermost, and of the spec
	args  []any         // all of them together, once resolved
	at    types.CodeLocation
	group *group // nil unless in an Ordered container
	text  string // keeps the pointer alive by which the plan is found
}

// group is an outermost Ordered container, which holds what its specs need.
type group struct {
	name     string
	at       types.CodeLocation
	args     []any // what one of its specs needs at most
	built    int   // specs
	reported int   // specs that are over
	holding  *holding
}

// plans are found by the text of the spec: not by what it says, since the
// entries of a table, or specs made in a loop, may have text and line in common,
// but by where in memory it is. Ginkgo has no other way to tell from a report
// which node it is about. Texts that are the same are copied to make them
// different; should a version of Ginkgo copy them again, the plan is sought by
// line and text, and a spec that has a double with other needs fails.
var plans = struct {
	byText map[*byte]*plan
	byLine map[string][]*plan
}{map[*byte]*plan{}, map[string][]*plan{}}

// register files the plan and returns the text that the spec must have.
func (p *plan) register(text string, s *scope) string {
	// A copy of an empty string has no memory; the beginning of another has.
	p.text = strings.Clone(text + "\x00")[:len(text)]
	plans.byText[unsafe.StringData(p.text)] = p
	path := ""
	if s != nil {
		path = s.path()
	}
	key := lineKey(p.at, path, text)
	plans.byLine[key] = append(plans.byLine[key], p)
	return p.text
}

func lineKey(at types.CodeLocation, path, text string) string {
	return at.String() + "\x00" + strings.TrimSpace(path+" "+text)
}

// planOf finds the plan of the spec that a report is about, nil if it needs
// nothing.
func planOf(r ginkgo.SpecReport) (*plan, error) {
	if p := plans.byText[unsafe.StringData(r.LeafNodeText)]; p != nil {
		return p, nil
	}
	found := plans.byLine[lineKey(r.LeafNodeLocation, strings.Join(r.ContainerHierarchyTexts, " "), r.LeafNodeText)]
	if len(found) > 1 {
		return nil, fmt.Errorf("ginkgolock: %d specs at %s are called %q, so it is unknown what this one needs; give them different texts", len(found), r.LeafNodeLocation, r.FullText())
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return nil, nil
}

// resolve adds up what the chain declares. Labels are a set, as everywhere in
// Ginkgo: one that a container and the spec both have counts once.
func (p *plan) resolve() error {
	seen := make(map[string]bool)
	p.args = nil
	for _, d := range p.chain {
		if d.labels {
			d.locks = slices.DeleteFunc(slices.Clone(d.locks), func(l string) bool {
				twice := seen[l]
				seen[l] = true
				return twice
			})
		}
		args, err := d.resolve()
		if err != nil {
			return mistake(d.at, "%v", err)
		}
		p.args = bridge.Together(p.args, args)
	}
	if err := bridge.Check(p.args); err != nil {
		return mistake(p.at, "%v. What the containers of a spec and the spec itself declare adds up", err)
	}
	return nil
}
