// Package suspects finds what the failures of tests follow: a resource, a tag of
// resources, or one test on one resource. Give each run of a test to
// [Collector.Add], from one run of a suite or from a month of them, then ask
// [Collector.Find].
//
// # Method
//
// Tests fail at different rates, and not every test runs on every board. So each test
// is compared with itself only: how often does it fail with the resource, and how
// often without it?
//
//	            on board-3     elsewhere
//	TestFlash   5 of 8 failed  1 of 30
//	TestSoak    4 of 6 failed  1 of 31
//
// If the board had nothing to do with it, each test's failures would be spread over
// its runs by chance: the number of those on board-3 has a hypergeometric
// distribution, and their sum over all tests the convolution of these. The
// probability of that sum, or a larger one, is the exact conditional test for a
// common odds ratio in several 2x2 tables (M. Zelen, "The analysis of several 2x2
// contingency tables", Biometrika 58, 1971; J. J. Gart, "Point and interval
// estimation of the common odds ratio in the combination of 2x2 tables with fixed
// marginals", Biometrika 57, 1970). It needs no large numbers, as the chi-squared test
// of Cochran, Mantel and Haenszel does. Tests that always or never fail, or that ran
// on nothing else, say nothing, and do not count.
//
// Who looks at a hundred boards finds one that chance made look bad. Probabilities
// are therefore corrected for the number of comparisons (S. Holm, "A simple
// sequentially rejective multiple test procedure", Scandinavian Journal of Statistics
// 6, 1979): of a hundred healthy labs, at most five have a suspect at all. Half of
// that goes to resources and tags, half to pairs of a test and a resource.
//
// One sick board makes its tags look bad, too, and a bad firmware all boards that have
// it. The clearest is taken first, and the others are compared again without its runs.
//
// Below [UsesLeast] runs with it, or [FailuresLeast] failures, nothing is a suspect,
// whatever its probability. Left out are runs that were skipped, that gave up waiting,
// whose end is not known, and all of a suite's run in which nearly everything failed:
// there, something else was broken.
//
// # How well it works
//
// Simulated labs, 1,000 of each row, in which each test runs on a random board, which
// is used 50 times in the healthy ones; in the sick ones board-1 fails 30 of 100 more.
// go test -run TestSimulatedLabs -v -labs 1000
// ./report/suspects prints this table:
//
//	boards tests  fail  healthy labs with  sick board found within  another found
//	                    a suspect          25    50    100  uses    besides
//	   5    20     0%  0.0%               87.4% 99.9% 100.0%       0.0%
//	   5    20     2%  0.2%               74.9% 98.4% 100.0%       0.0%
//	   5   200    10%  1.1%               2.1%  46.2% 98.2%        1.4%
//	  20    20     2%  0.4%               90.0% 99.8% 100.0%       0.0%
//	  20   200     2%  0.1%               51.2% 98.2% 100.0%       0.0%
//	  20   200    10%  0.6%               26.9% 86.8% 99.8%        1.1%
//	  50    20    10%  1.3%               58.8% 95.3% 99.9%        1.7%
//	  50   200     2%  0.3%               75.8% 99.3% 100.0%       0.0%
//	  50   200    10%  1.3%               41.9% 91.6% 99.9%        1.7%
//
// No library of Go that was looked at has this test, or the hypergeometric
// distribution (gonum 0.17 has neither), so both are here; a test compares them with
// counting all cases.
package suspects

import (
	"cmp"
	"maps"
	"slices"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

const (
	// UsesLeast is how many runs with it a suspect needs.
	UsesLeast = 5
	// FailuresLeast is how many of them must have failed.
	FailuresLeast = 3

	alpha = 0.05 // labs of which chance makes something a suspect
	// excess is how much more often something must fail with a suspect than without:
	// what is smaller may be real, and is nothing to mend first.
	excess = 0.1
	// A run of a suite in which more than this part failed, of so many at least, was
	// broken as a whole.
	brokenPart  = 0.8
	brokenLeast = 5
	// A test that fails at least so often, with several resources, fails everywhere.
	everywherePart = 0.5
)

// A Collector collects runs of tests. Its zero value is ready to use. It keeps about
// 50 bytes a run, and is not safe for concurrent use.
type Collector struct {
	tests     []test
	testIndex map[testKey]int32
	keys      []string // of resources, and tags as name=value
	isTag     []bool
	keyIndex  map[string]int32
	suites    map[string]int32
	runs      []run
	units     []int32 // of all runs, one after the other
	skipped   int
	unknown   int
}

type testKey struct{ pkg, name string }

// A test is one that ran.
type test struct{ pkg, name string }

// A run is one run of a test.
type run struct {
	test, suite int32
	from, to    int32 // of units
	failed      bool
}

// Add takes a run of a test, in any order; it fits [report.Options.OnTest].
func (c *Collector) Add(t *report.TestRun) {
	switch {
	case t.Verdict == "":
		c.unknown++
		return
	case t.Verdict == eventlog.VerdictSkipped || t.GaveUp || len(t.Held) == 0:
		c.skipped++
		return
	}
	if c.testIndex == nil {
		c.testIndex, c.keyIndex, c.suites = map[testKey]int32{}, map[string]int32{}, map[string]int32{}
	}
	k := testKey{t.Test.Pkg, t.Test.Name}
	i, ok := c.testIndex[k]
	if !ok {
		i = int32(len(c.tests))
		c.testIndex[k] = i
		c.tests = append(c.tests, test(k))
	}
	suite, ok := c.suites[t.Process.Run]
	if !ok {
		suite = int32(len(c.suites))
		c.suites[t.Process.Run] = suite
	}
	r := run{test: i, suite: suite, from: int32(len(c.units)), failed: t.Verdict.Bad()}
	for _, h := range t.Held {
		c.unit(r.from, h.Key, false)
		for name, value := range h.Tags {
			c.unit(r.from, name+"="+value, true)
		}
	}
	r.to = int32(len(c.units))
	c.runs = append(c.runs, r)
}

// unit adds a resource or tag to the run that begins at from, once.
func (c *Collector) unit(from int32, name string, tag bool) {
	id := name
	if tag {
		id = "\x00" + name // a resource may be called as a tag is
	}
	u, ok := c.keyIndex[id]
	if !ok {
		u = int32(len(c.keys))
		c.keyIndex[id] = u
		c.keys, c.isTag = append(c.keys, name), append(c.isTag, tag)
	}
	if !slices.Contains(c.units[from:], u) {
		c.units = append(c.units, u)
	}
}

// A Result is what [Collector.Find] found.
type Result struct {
	Runs     int `json:"runs"`     // of tests, that were compared
	Failed   int `json:"failed"`   // of these
	Skipped  int `json:"skipped"`  // runs without a word on resources: skipped, or not served
	Unknown  int `json:"unknown"`  // runs whose end is not in the events
	Broken   int `json:"broken"`   // runs in suites in which nearly everything failed
	Compared int `json:"compared"` // resources, tags, and pairs of a test and a resource

	Suspects   []Suspect `json:"suspects"`   // the clearest first
	Everywhere []Test    `json:"everywhere"` // tests that fail wherever they run
}

// A Kind is what a suspect is.
type Kind string

// The kinds of suspects.
const (
	Resource Kind = "resource"
	Tag      Kind = "tag"
	Pair     Kind = "pair" // of a test and a resource
)

// A Suspect is what failures follow.
type Suspect struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`           // of the resource, or the tag as name=value
	Pkg  string `json:"pkg,omitempty"`  // of the test of a pair
	Test string `json:"test,omitempty"` // of a pair

	Uses      int `json:"uses"`             // runs of tests with it
	Failed    int `json:"failed"`           // of these
	Else      int `json:"elsewhere"`        // runs of the same tests without it
	ElseFails int `json:"elsewhere_failed"` // of these

	P float64 `json:"p"` // how likely chance alone is, corrected for all that was compared
}

// A Test is one that fails wherever it runs.
type Test struct {
	Pkg       string `json:"pkg,omitempty"`
	Name      string `json:"name"`
	Runs      int    `json:"runs"`
	Failed    int    `json:"failed"`
	Resources int    `json:"resources"` // that it ran on and failed with
}

// Find compares. The same runs give the same result, in whatever order they came,
// except for the order of equal suspects.
func (c *Collector) Find() *Result {
	f := &finder{c: c, r: &Result{Skipped: c.skipped, Unknown: c.unknown, Suspects: []Suspect{}, Everywhere: []Test{}}}
	f.leaveOutBroken()
	f.count()
	f.single()
	f.pairs()
	f.everywhere()
	slices.SortStableFunc(f.r.Suspects, func(a, b Suspect) int { return cmp.Compare(a.P, b.P) })
	return f.r
}

// A finder is at work on one result.
type finder struct {
	c    *Collector
	r    *Result
	runs []run           // those that count
	by   map[int32][]int // runs by unit

	used      map[int32]bool // units that explain runs
	explained []bool         // by run
	totals    []stratum      // by test: n and f, without what is explained
}

// leaveOutBroken leaves out suites in which nearly everything failed.
func (f *finder) leaveOutBroken() {
	type sums struct{ runs, failed int }
	suites := make([]sums, len(f.c.suites))
	for _, r := range f.c.runs {
		suites[r.suite].runs++
		if r.failed {
			suites[r.suite].failed++
		}
	}
	for _, r := range f.c.runs {
		// With one suite there is nothing to compare it with.
		if s := suites[r.suite]; len(suites) > 1 && s.runs >= brokenLeast && float64(s.failed) > brokenPart*float64(s.runs) {
			f.r.Broken++
			continue
		}
		f.runs = append(f.runs, r)
	}
}

func (f *finder) count() {
	f.by, f.used = map[int32][]int{}, map[int32]bool{}
	f.explained, f.totals = make([]bool, len(f.runs)), make([]stratum, len(f.c.tests))
	for i, r := range f.runs {
		f.r.Runs++
		f.totals[r.test].n++
		f.totals[r.test].f += btoi(r.failed)
		if r.failed {
			f.r.Failed++
		}
		for _, u := range f.c.units[r.from:r.to] {
			f.by[u] = append(f.by[u], i)
		}
	}
}

// strata are the runs of each test with and without a unit, but for those that are
// explained by another.
func (f *finder) strata(u int32) []stratum {
	of := f.with(u)
	l := make([]stratum, 0, len(of))
	for _, t := range slices.Sorted(maps.Keys(of)) {
		l = append(l, *of[t])
	}
	return l
}

// with are the strata of a unit by test.
func (f *finder) with(u int32) map[int32]*stratum {
	of := map[int32]*stratum{}
	for _, i := range f.by[u] {
		if f.explained[i] {
			continue
		}
		r := &f.runs[i]
		s := of[r.test]
		if s == nil {
			s = &stratum{n: f.totals[r.test].n, f: f.totals[r.test].f}
			of[r.test] = s
		}
		s.m++
		s.a += btoi(r.failed)
	}
	return of
}

// explain takes the runs with a unit out of what is compared later.
func (f *finder) explain(u int32) {
	f.used[u] = true
	for _, i := range f.by[u] {
		if r := &f.runs[i]; !f.explained[i] {
			f.explained[i] = true
			f.totals[r.test].n--
			f.totals[r.test].f -= btoi(r.failed)
		}
	}
}

// A found is a comparison.
type found struct {
	Suspect
	unit int32
}

// compare compares the tests that used a unit. ok: it could be told apart from chance
// at all.
func (f *finder) compare(u int32, strata []stratum) (s found, ok bool) {
	s = found{Suspect: Suspect{Kind: Resource, Name: f.c.keys[u]}, unit: u}
	if f.c.isTag[u] {
		s.Kind = Tag
	}
	return s, s.set(strata)
}

// set fills in the figures of a comparison.
func (s *found) set(strata []stratum) (ok bool) {
	for _, t := range strata {
		s.Uses += t.m
		s.Failed += t.a
		s.Else += t.n - t.m
		s.ElseFails += t.f - t.a
		ok = ok || t.informs()
	}
	if ok {
		s.P = tail(strata)
	}
	return ok
}

// enough reports whether a comparison may be a suspect, whatever its probability.
func (s *found) enough() bool {
	if s.Uses < UsesLeast || s.Failed < FailuresLeast || s.Else == 0 {
		return false
	}
	return float64(s.Failed)/float64(s.Uses) >= float64(s.ElseFails)/float64(s.Else)+excess
}

// single finds resources and tags.
func (f *finder) single() {
	units := slices.Sorted(maps.Keys(f.by))
	units = f.distinct(units)
	n := 0 // comparisons
	for round := 0; ; round++ {
		var best *found
		open := 0
		for _, u := range units {
			if f.used[u] {
				continue
			}
			s, ok := f.compare(u, f.strata(u))
			if !ok {
				continue
			}
			open++
			if s.enough() && (best == nil || s.P < best.P) {
				best = &s
			}
		}
		if round == 0 {
			n = open
			f.r.Compared += n
		}
		// Holm's procedure: the clearest is held against all, the next one against all
		// but that, and so on.
		if best == nil || best.P*float64(max(1, n-round)) > alpha/2 {
			return
		}
		best.P = min(1, best.P*float64(max(1, n-round)))
		f.explain(best.unit)
		f.r.Suspects = append(f.r.Suspects, best.Suspect)
	}
}

// distinct leaves out tags that stand for exactly the runs of a resource or of an
// earlier tag: they are the same comparison.
func (f *finder) distinct(units []int32) []int32 {
	slices.SortStableFunc(units, func(a, b int32) int { // resources first
		return cmp.Or(cmp.Compare(btoi(f.c.isTag[a]), btoi(f.c.isTag[b])), cmp.Compare(f.c.keys[a], f.c.keys[b]))
	})
	seen := map[int][]int32{} // by number of runs
	return slices.DeleteFunc(units, func(u int32) bool {
		l := f.by[u]
		if f.c.isTag[u] && slices.ContainsFunc(seen[len(l)], func(o int32) bool { return slices.Equal(f.by[o], l) }) {
			return true
		}
		seen[len(l)] = append(seen[len(l)], u)
		return false
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pairs finds tests that fail with one resource, which others do not.
func (f *finder) pairs() {
	var l []found
	for _, u := range slices.Sorted(maps.Keys(f.by)) {
		if f.c.isTag[u] || f.used[u] {
			continue
		}
		of := f.with(u)
		for _, t := range slices.Sorted(maps.Keys(of)) {
			s := found{Suspect: Suspect{Kind: Pair, Name: f.c.keys[u], Pkg: f.c.tests[t].pkg, Test: f.c.tests[t].name}, unit: u}
			if s.set([]stratum{*of[t]}) {
				l = append(l, s)
			}
		}
	}
	f.r.Compared += len(l)
	slices.SortStableFunc(l, func(a, b found) int { return cmp.Compare(a.P, b.P) })
	for i := range l {
		p := min(1, l[i].P*float64(len(l)-i))
		if p > alpha/2 {
			return
		}
		if l[i].enough() {
			l[i].P = p
			f.r.Suspects = append(f.r.Suspects, l[i].Suspect)
		}
	}
}

// everywhere finds tests that fail with more than one resource.
func (f *finder) everywhere() {
	type sums struct {
		runs, failed int
		on           map[int32]bool
	}
	of := map[int32]*sums{}
	for i := range f.runs {
		r := &f.runs[i]
		if f.explained[i] {
			continue
		}
		s := of[r.test]
		if s == nil {
			s = &sums{on: map[int32]bool{}}
			of[r.test] = s
		}
		s.runs++
		if r.failed {
			s.failed++
			for _, u := range f.c.units[r.from:r.to] {
				if !f.c.isTag[u] {
					s.on[u] = true
				}
			}
		}
	}
	for _, t := range slices.Sorted(maps.Keys(of)) {
		s := of[t]
		if s.failed >= FailuresLeast && s.runs >= UsesLeast && float64(s.failed) >= everywherePart*float64(s.runs) && len(s.on) > 1 {
			f.r.Everywhere = append(f.r.Everywhere, Test{f.c.tests[t].pkg, f.c.tests[t].name, s.runs, s.failed, len(s.on)})
		}
	}
	slices.SortStableFunc(f.r.Everywhere, func(a, b Test) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(a.Pkg, b.Pkg), cmp.Compare(a.Name, b.Name))
	})
}
