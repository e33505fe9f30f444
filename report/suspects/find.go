package suspects

import (
	"cmp"
	"maps"
	"slices"
)

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
	runs []run     // those that count
	by   [][]int32 // runs by unit

	used      []bool    // by unit: it explains runs
	explained []bool    // by run
	totals    []stratum // by test: n and f, without what is explained
	scratch   []stratum // by test; empty between two calls of with
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
	f.by, f.used = make([][]int32, len(f.c.keys)), make([]bool, len(f.c.keys))
	f.explained, f.totals, f.scratch = make([]bool, len(f.runs)), make([]stratum, len(f.c.tests)), make([]stratum, len(f.c.tests))
	for i, r := range f.runs {
		f.r.Runs++
		f.totals[r.test].n++
		f.totals[r.test].f += btoi(r.failed)
		if r.failed {
			f.r.Failed++
		}
		for _, u := range f.c.units[r.from:r.to] {
			f.by[u] = append(f.by[u], int32(i))
		}
	}
}

// units lists those that anything ran with.
func (f *finder) units() (l []int32) {
	for u, runs := range f.by {
		if len(runs) > 0 {
			l = append(l, int32(u))
		}
	}
	return l
}

// with are the runs of each test with and without a unit, in the order of the tests,
// but for those that are explained by another.
func (f *finder) with(u int32) (tests []int32, strata []stratum) {
	for _, i := range f.by[u] {
		if f.explained[i] {
			continue
		}
		r := &f.runs[i]
		s := &f.scratch[r.test]
		if s.m == 0 {
			tests = append(tests, r.test)
		}
		s.m++
		s.a += btoi(r.failed)
	}
	slices.Sort(tests)
	strata = make([]stratum, len(tests))
	for i, t := range tests {
		strata[i] = stratum{n: f.totals[t].n, f: f.totals[t].f, m: f.scratch[t].m, a: f.scratch[t].a}
		f.scratch[t] = stratum{}
	}
	return tests, strata
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
	unit  int32
	least float64 // that P could have been
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
		s.P, s.least = tail(strata)
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
	units := f.distinct(f.units())
	for round := 0; ; round++ {
		var best *found
		var least []float64
		for _, u := range units {
			if f.used[u] {
				continue
			}
			_, strata := f.with(u)
			s, ok := f.compare(u, strata)
			if !ok {
				continue
			}
			least = append(least, s.least)
			if s.enough() && (best == nil || s.P < best.P) {
				best = &s
			}
		}
		if round == 0 {
			f.r.Compared += len(least)
		}
		// The clearest is held against all, the next one against all but that, and so on.
		if best == nil || best.P*float64(comparable(least, alphaSingle)) > alphaSingle {
			return
		}
		best.P = min(1, best.P*float64(comparable(least, alphaSingle)))
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
	for _, u := range f.units() {
		if f.c.isTag[u] || f.used[u] {
			continue
		}
		tests, strata := f.with(u)
		for i, t := range tests {
			s := found{Suspect: Suspect{Kind: Pair, Name: f.c.keys[u], Pkg: f.c.tests[t].pkg, Test: f.c.tests[t].name}, unit: u}
			if s.set(strata[i : i+1]) {
				l = append(l, s)
			}
		}
	}
	f.r.Compared += len(l)
	slices.SortStableFunc(l, func(a, b found) int { return cmp.Compare(a.P, b.P) })
	for i := range l {
		var least []float64
		for _, s := range l[i:] {
			least = append(least, s.least)
		}
		p := min(1, l[i].P*float64(comparable(least, alpha-alphaSingle)))
		if p > alpha-alphaSingle {
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
