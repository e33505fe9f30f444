package resourcelocker_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLayers holds the imports of every package against the layering. What a test
// imports is free.
//
//	rtest -> storeurl -> stores -> lockcore      ginkgolock -> rtest
//	memstore, filestore -> sched                 rtest, report -> eventlog
//	cmd -> report, storeurl
func TestLayers(t *testing.T) {
	stores := []string{"lockcore/memstore", "lockcore/filestore", "lockcore/redisstore", "lockcore/quorumstore"}
	const goRedis = "github.com/redis/go-redis"
	type rule struct {
		banned string   // a package and what is below it, from the module's root
		users  []string // packages, and those below them, that import it all the same
		why    string
	}
	rules := []rule{
		{"github.com/onsi/ginkgo", []string{"ginkgolock"}, "users of go test should not compile Ginkgo"},
		{"github.com/spf13/cobra", []string{"cmd"}, "the command line is the command's business"},
		{goRedis, []string{"lockcore/redisstore", "lockcore/quorumstore", "lockcore/locktest/redistest", "report/redisreport", "report/eventlog/redisstream", "rtest", "cmd"}, "whoever uses the file store should not need Redis to read the code"},
		{"github.com/stretchr/testify", nil, "it is for tests"},
		{"github.com/alicebob/miniredis", nil, "it is for tests"},
		{"golang.org/x/tools", nil, "it is for tests"},
		{"testing", []string{"rtest", "lockcore/locktest", "report/internal/reporttest"}, "it registers flags in every program that imports it"},
		{"go.yaml.in/yaml", []string{"lockcore/inventory"}, "one package reads the inventory for all"},
		{"github.com/bmatcuk/doublestar", []string{"cmd"}, "patterns of paths are the command line's business"},
		{"html/template", []string{"report/html", "report/live"}, "whoever folds events should not link the pages"},
		{"github.com/google/pprof", []string{"report/pprof"}, "whoever folds events should not link the profile"},
		{"report/html", []string{"cmd"}, "whoever folds events should not link the page"},
		{"report/live", []string{"cmd"}, "it serves: whoever folds events should not link a web server"},
		{"report/summary", []string{"report/html", "report/live", "cmd"}, "the page shows the same lines and tables; the rest needs none"},
		{"report/whatif", []string{"cmd"}, "it brings the scheduler"},
		{"report/suspects", []string{"report/html", "report/live", "cmd"}, "the page has a section for them; the rest needs none"},
		{"report/junit", []string{"cmd"}, "it stands alone"},
		{"report/trace", []string{"cmd"}, "it stands alone"},
		{"report/pprof", []string{"cmd"}, "it stands alone"},
		{"report/metrics", []string{"cmd"}, "it stands alone"},
		{"report/internal/reporttest", nil, "it is for tests"},

		{"lockcore/internal/sched", append(stores, "lockcore/locktest", "lockcore/simulate"), "the scheduler is reached through a store"},
		{"lockcore/internal/modes", append(stores, "lockcore", "lockcore/locktest"), "others ask Requirement.FreeBeside"},
		{"lockcore/storeurl", []string{"rtest", "cmd", "examples/plain"}, "it drags in every store"},
		{"lockcore/inventory", []string{"rtest", "ginkgolock", "cmd"}, "stores know no pools: which resources exist is the client's business"},
		{"lockcore/nested", []string{"rtest", "cmd"}, "those who start programs, or are started, hand leases down"},
		{"lockcore/hold", []string{"examples/plain"}, "it is for programs that are no tests; tests have rtest, and stores and reports hold nothing"},
		{"lockcore/locktest", []string{"examples/internal/overlap"}, "it is for tests"},
		{"lockcore/simulate", []string{"report/whatif"}, "only an estimate plays the scheduler"},
		{"rtest", []string{"ginkgolock", "examples"}, "the library must not need testing"},
		{"ginkgolock", nil, "it needs Ginkgo"},
		{"report", []string{"rtest", "cmd"}, "stores know nothing of reports"},
		{"examples", nil, "it is for reading"},
		{"cmd", nil, "it is a program"},
	}
	for _, s := range stores {
		rules = append(rules, rule{s, []string{"lockcore/storeurl"}, "a store stands alone, and is opened by its URL"})
	}
	for _, p := range loaded(t) {
		user := short(p.PkgPath)
		for imp := range p.Imports {
			imp = short(imp)
			for _, r := range rules {
				if within(imp, r.banned) && !within(user, r.banned) && !slices.ContainsFunc(r.users, func(u string) bool { return within(user, u) }) {
					t.Errorf("%s imports %s: %s", user, imp, r.why)
				}
			}
		}
	}
}

// TestReportIsData: the core of report is what packages below it show, and eventlog
// is what every process writes that asks for resources. Neither knows what comes
// after it.
func TestReportIsData(t *testing.T) {
	found := 0
	for _, p := range loaded(t) {
		user := short(p.PkgPath)
		if user != "report" && user != "report/eventlog" {
			continue
		}
		found++
		for imp := range p.Imports {
			if imp = short(imp); within(imp, "report") && (user != "report" || imp != "report/eventlog") {
				t.Errorf("%s imports %s", user, imp)
			}
		}
	}
	require.Equal(t, 2, found)
}

// TestLockcoreNeedsNothing: it is the vocabulary of all, so it imports the
// standard library and the module's own rule of modes only.
func TestLockcoreNeedsNothing(t *testing.T) {
	for _, p := range loaded(t) {
		if short(p.PkgPath) != "lockcore" {
			continue
		}
		for imp := range p.Imports {
			if strings.Contains(imp, ".") && !within(short(imp), "lockcore/internal") {
				t.Errorf("lockcore imports %s", imp)
			}
		}
		return
	}
	t.Error("lockcore was not found")
}

// TestReportIsLight: whoever folds events links no page, no profile and no
// scheduler, by whatever way.
func TestReportIsLight(t *testing.T) {
	core := map[string]bool{}
	imports := make(map[string][]string)
	for _, p := range loaded(t) {
		for imp := range p.Imports {
			imports[short(p.PkgPath)] = append(imports[short(p.PkgPath)], short(imp))
		}
	}
	var visit func(pkg string)
	visit = func(pkg string) {
		for _, imp := range imports[pkg] {
			if !core[imp] {
				core[imp] = true
				visit(imp)
			}
		}
	}
	visit("report")
	require.NotEmpty(t, core)
	for imp := range core {
		for _, heavy := range []string{"html/template", "runtime/pprof", "github.com/google/pprof", "lockcore/simulate", "lockcore/internal/sched"} {
			if within(imp, heavy) {
				t.Errorf("report links %s", imp)
			}
		}
	}
}

// TestTopLevel keeps the first thing that a reader sees short.
func TestTopLevel(t *testing.T) {
	want := []string{"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MIGRATING.md", "README.md", "cmd", "doc.go", "examples", "ginkgolock", "go.mod", "go.sum", "lockcore", "report", "rtest"}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		name := e.Name()
		if !slices.Contains(want, name) && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "_test.go") {
			t.Errorf("%s does not belong at the top of the module", name)
		}
	}
	for _, name := range want {
		_, err := os.Stat(name)
		require.NoError(t, err)
	}
}
