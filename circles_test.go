package resourcelocker_test

import (
	"fmt"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// circleLimits bounds the files of a package that can only be understood
// together. A package that is not listed has no limit, but its figures are
// printed.
var circleLimits = map[string]struct {
	files int
	why   string
}{
	"report": {17, "folding events is one pass over one state; more than this is several ideas in one package"},
	"rtest":  {8, "a call and its wait know each other; the leases, the record and the requirements can be read alone"},
}

// TestFileCircles counts, by the types, which files of a package use which
// others, and holds the largest circle of files against its limit.
func TestFileCircles(t *testing.T) {
	limits := 0
	for _, p := range loaded(t) {
		g := fileGraph(p)
		circle := largestCircle(g)
		t.Logf("%-30s %3d files %4d arrows, largest circle %d", short(p.PkgPath), len(g), arrows(g), len(circle))
		limit, ok := circleLimits[short(p.PkgPath)]
		if !ok {
			continue
		}
		limits++
		if len(circle) > limit.files {
			t.Errorf("%s: a circle of %d files, at most %d: %s\n%s", short(p.PkgPath), len(circle), limit.files, limit.why, explain(g, circle))
		}
	}
	if limits != len(circleLimits) {
		t.Errorf("%d packages with a limit were found, of %d", limits, len(circleLimits))
	}
}

// A graph says of every file which names of which other files it uses.
type graph map[string]map[string][]string

// fileGraph draws an arrow from one file of a package to another when it uses
// something that is declared there: a function, type, variable, method or field.
func fileGraph(p *packages.Package) graph {
	g := make(graph)
	file := func(o types.Object) string { return filepath.Base(p.Fset.Position(o.Pos()).Filename) }
	for _, f := range p.Syntax {
		g[filepath.Base(p.Fset.Position(f.Pos()).Filename)] = make(map[string][]string)
	}
	for id, o := range p.TypesInfo.Uses {
		if o.Pkg() != p.Types || !o.Pos().IsValid() {
			continue
		}
		if _, name := o.(*types.PkgName); name {
			continue
		}
		from, to := filepath.Base(p.Fset.Position(id.Pos()).Filename), file(o)
		if from != to && !slices.Contains(g[from][to], o.Name()) {
			g[from][to] = append(g[from][to], o.Name())
		}
	}
	return g
}

func arrows(g graph) (n int) {
	for _, to := range g {
		n += len(to)
	}
	return n
}

// largestCircle is the largest set of files each of which reaches each other.
func largestCircle(g graph) (largest []string) {
	reached := make(map[string]map[string]bool)
	for from := range g {
		seen := map[string]bool{}
		for todo := []string{from}; len(todo) > 0; {
			f := todo[0]
			todo = todo[1:]
			for to := range g[f] {
				if !seen[to] {
					seen[to] = true
					todo = append(todo, to)
				}
			}
		}
		reached[from] = seen
	}
	for from := range g {
		var circle []string
		for to := range reached[from] {
			if reached[to][from] {
				circle = append(circle, to)
			}
		}
		if len(circle) > len(largest) {
			largest = circle
		}
	}
	slices.Sort(largest)
	return largest
}

// explain lists the arrows of a circle with the names that cross, those with the
// fewest first: they are the cheapest to cut.
func explain(g graph, circle []string) string {
	type arrow struct {
		from, to string
		names    []string
	}
	var all []arrow
	for _, from := range circle {
		for to, names := range g[from] {
			if slices.Contains(circle, to) {
				slices.Sort(names)
				all = append(all, arrow{from, to, names})
			}
		}
	}
	slices.SortFunc(all, func(a, b arrow) int {
		if d := len(a.names) - len(b.names); d != 0 {
			return d
		}
		return strings.Compare(a.from+a.to, b.from+b.to)
	})
	var b strings.Builder
	for _, a := range all[:min(40, len(all))] {
		fmt.Fprintf(&b, "  %s -> %s: %s\n", a.from, a.to, strings.Join(a.names, " "))
	}
	return b.String()
}

// TestLargestCircle tries the counting on graphs whose answer is plain.
func TestLargestCircle(t *testing.T) {
	g := func(edges ...string) graph {
		g := make(graph)
		for _, e := range edges {
			for i := range len(e) {
				if g[e[i:i+1]] == nil {
					g[e[i:i+1]] = make(map[string][]string)
				}
			}
			for i := range len(e) - 1 {
				g[e[i:i+1]][e[i+1:i+2]] = []string{"x"}
			}
		}
		return g
	}
	for _, c := range []struct {
		g    graph
		want string
	}{
		{g("abc"), ""}, {g("aba"), "ab"}, {g("abca", "cde"), "abc"}, {g("aba", "bcdeb"), "abcde"}, {g("aba", "cdec"), "cde"},
	} {
		if got := strings.Join(largestCircle(c.g), ""); got != c.want {
			t.Errorf("%v: the largest circle is %q, want %q", c.g, got, c.want)
		}
	}
}
