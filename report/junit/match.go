package junit

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// match finds the uses of a testcase. The problem is why a testcase that should
// have one has none.
func (x *index) match(c *elem) (uses []*use, problem string) {
	run, several := x.runs[c], x.several[c]
	seen := map[*use]bool{}
	for _, id := range c.reqs {
		if u := x.byReq[id]; u != nil && !seen[u] {
			seen[u] = true
			uses = append(uses, u)
		}
	}
	switch {
	case len(uses) > 0:
		return uses, ""
	case len(c.reqs) > 0:
		// Its own word says that it is another run than any of the events.
		return nil, fmt.Sprintf("no events of its request %s", c.reqs[0])
	case several != "":
		return nil, several
	case run != nil:
		return []*use{run}, ""
	}
	return nil, ""
}

// testOf is the test that the testcase is by name and package, nil if that used no
// locks.
func (x *index) testOf(c *elem) (t *test, several string) {
	var best []*test
	top := 0
	for _, name := range caseNames(c.name) {
		for _, t := range x.byName[name] {
			switch s := c.samePackage(t); {
			case s == 0 || s < top:
			case s == top:
				best = append(best, t)
			default:
				best, top = append(best[:0:0], t), s
			}
		}
		if len(best) > 0 {
			break
		}
	}
	switch len(best) {
	case 0:
		return nil, ""
	case 1:
		return best[0], ""
	}
	return nil, fmt.Sprintf("it could be the test of %s or of %s", best[0].pkg, best[1].pkg)
}

var (
	ginkgoNode   = regexp.MustCompile(`^\[[A-Za-z]+\] `)
	ginkgoLabels = regexp.MustCompile(` \[[^\[\]]*\]$`)
)

// caseNames are the names that a test may have in events: as it is, and what
// Ginkgo adds to the text of a spec, "[It] boots [slow]", taken away.
func caseNames(name string) []string {
	plain := plainName(name)
	names := []string{plain}
	if node := ginkgoNode.FindString(plain); node != "" {
		spec := strings.TrimPrefix(plain, node)
		names = append(names, spec, ginkgoLabels.ReplaceAllString(spec, ""))
	}
	return names
}

// plainName is a name as it survives an XML attribute: white space is a blank,
// and what XML cannot hold is U+FFFD.
func plainName(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r < 0x20 || r >= 0xFFFE && r <= 0xFFFF:
			return unicode.ReplacementChar
		}
		return r
	}, s))
}

// samePackage says how well the package of a test fits a testcase: 0 not at all,
// higher is better.
func (e *elem) samePackage(t *test) int {
	names := []string{e.class, e.pkg}
	for s := e.suite; s != nil; s = s.suite {
		names = append(names, s.name, s.pkg, s.class)
	}
	return packageFit(names, t.pkg, t.ginkgo)
}

// packageFit compares a package with the names that a producer gave, which may
// be its import path, the end of it, or a directory; most specific first.
// Ginkgo gives the description of the suite too, which says nothing.
func packageFit(names []string, pkg string, ginkgo bool) int {
	const exact, tail, unknown = 3000, 2000, 1
	if pkg == "" {
		return unknown
	}
	best := 0
	for _, n := range names {
		n = strings.ReplaceAll(n, `\`, "/")
		switch {
		case n == "":
		case n == pkg:
			return exact
		case strings.HasSuffix(pkg, "/"+n):
			best = max(best, tail+len(n))
		case isDirectory(n):
			common := commonTail(n, pkg)
			if common == 0 {
				return best
			}
			best = max(best, common)
		case strings.Contains(n, "/") && !strings.Contains(n, " ") && !ginkgo:
			return 0 // the path of another package
		}
	}
	if best == 0 && ginkgo {
		best = unknown
	}
	return best
}

// isDirectory reports whether a name is an absolute path, here or elsewhere.
func isDirectory(n string) bool {
	return strings.HasPrefix(n, "/") || len(n) > 2 && n[1] == ':' && n[2] == '/'
}

// commonTail counts the last elements that two paths share.
func commonTail(a, b string) int {
	as, bs := strings.Split(strings.TrimRight(a, "/"), "/"), strings.Split(b, "/")
	n := 0
	for n < len(as) && n < len(bs) && as[len(as)-1-n] == bs[len(bs)-1-n] {
		n++
	}
	return n
}

// suiteUses are the leases of a whole suite, by its package. They belong to the
// first suite that fits.
func (x *index) suiteUses(s *elem) []*use {
	var best *suite
	top := 0
	for _, o := range x.suites {
		switch fit := packageFit([]string{s.name, s.pkg}, o.pkg, false); {
		case fit == 0 || fit < top || o.pkg == "":
		case fit == top:
			best = nil // one of several: none
		default:
			best, top = o, fit
		}
	}
	if best == nil || best.told != nil && best.told != s {
		return nil
	}
	best.told = s
	return best.uses
}
