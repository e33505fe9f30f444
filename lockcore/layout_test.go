package lockcore_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/resourcelocker/resourcelocker/"

// pkg is what go list knows of a package of the module.
type pkg struct {
	path, dir string
	imports   []string
}

func packages(t *testing.T) []pkg {
	cmd := exec.Command("go", "list", "-e", "-f", "{{.ImportPath}}\t{{.Dir}}\t{{join .Imports \" \"}}", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	require.NoError(t, err)
	var pkgs []pkg
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		f = append(f, "")
		pkgs = append(pkgs, pkg{strings.TrimPrefix(f[0], module), f[1], strings.Fields(f[2])})
	}
	require.NotEmpty(t, pkgs)
	return pkgs
}

// within reports whether a path is the package, or below it.
func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// TestLayers holds the imports of every package against the layering. Tests may
// import what they like.
func TestLayers(t *testing.T) {
	stores := []string{"lockcore/memstore", "lockcore/filestore", "lockcore/redisstore", "lockcore/quorumstore"}
	only := func(allowed ...string) func(string) bool {
		return func(user string) bool {
			return slices.ContainsFunc(allowed, func(a string) bool { return within(user, a) })
		}
	}
	for _, rule := range []struct {
		banned string
		users  func(user string) bool // who may import it all the same
		why    string
	}{
		{"github.com/onsi/ginkgo", only("ginkgolock", "examples/ginkgo"), "users of go test should not compile Ginkgo"},
		{"github.com/spf13/cobra", only("cmd"), "the command line is the command's business"},
		{"github.com/redis/go-redis", only("lockcore/redisstore", "lockcore/quorumstore", "report/redisreport", "report/eventlog", "lockcore/storeurl", "lockcore/locktest", "rtest", "cmd"), "whoever uses the file store should not need Redis to read the code"},
		{"github.com/stretchr/testify", only("lockcore/locktest"), "it is for tests"},
		{"github.com/alicebob/miniredis", only(), "it is for tests"},
		{module + "lockcore/internal/sched", only("lockcore/memstore", "lockcore/filestore", "lockcore/redisstore", "lockcore/quorumstore", "lockcore/locktest", "lockcore/simulate", "lockcore/internal"), "the scheduler is reached through a store"},
		{module + "lockcore/storeurl", only("rtest", "cmd", "examples"), "it drags in every store"},
		{module + "rtest", only("ginkgolock", "examples", "rtest", "cmd"), "the library must not need testing"},
		{module + "report", only("report", "rtest", "ginkgolock", "cmd", "examples"), "stores know nothing of reports"},
		{module + "lockcore/locktest", only(), "it is for tests"},
		{"testing", only("rtest", "lockcore/locktest", "ginkgolock"), "it registers flags in every program that imports it"},
	} {
		for _, p := range packages(t) {
			for _, imp := range p.imports {
				if within(imp, rule.banned) && !within(p.path, strings.TrimPrefix(rule.banned, module)) && !rule.users(p.path) {
					t.Errorf("%s imports %s: %s", p.path, imp, rule.why)
				}
			}
		}
	}
	for _, p := range packages(t) {
		for _, imp := range p.imports {
			imp = strings.TrimPrefix(imp, module)
			switch {
			case p.path == "lockcore" && strings.Contains(imp, "."):
				t.Errorf("lockcore imports %s: it is the vocabulary of all, and needs the standard library only", imp)
			case slices.Contains(stores, imp) && slices.Contains(stores, p.path) && imp != p.path:
				t.Errorf("%s imports %s: a store stands alone", p.path, imp)
			case slices.Contains(stores, imp) && within(p.path, "report"):
				t.Errorf("%s imports %s: reports are made of events, wherever they come from", p.path, imp)
			case slices.Contains(stores, imp) && p.path == "rtest":
				t.Errorf("rtest imports %s: it opens stores by URL", imp)
			}
		}
	}
}

// TestEveryIdentifierIsExplainedAndShown wants a doc comment for every exported
// identifier of the packages that users read, and a runnable Example that uses
// it.
func TestEveryIdentifierIsExplainedAndShown(t *testing.T) {
	for _, p := range packages(t) {
		switch p.path {
		case "lockcore", "rtest", "lockcore/memstore", "lockcore/filestore", "lockcore/storeurl", "lockcore/redisstore", "lockcore/quorumstore", "ginkgolock":
		default:
			continue
		}
		t.Run(p.path, func(t *testing.T) {
			fset := token.NewFileSet()
			var code, tests []*ast.File
			files, err := filepath.Glob(filepath.Join(p.dir, "*.go"))
			require.NoError(t, err)
			for _, f := range files {
				parsed, err := parser.ParseFile(fset, f, nil, parser.ParseComments)
				require.NoError(t, err)
				if strings.HasSuffix(f, "_test.go") {
					tests = append(tests, parsed)
				} else {
					code = append(code, parsed)
				}
			}
			shown := shownIn(tests)
			d, err := doc.NewFromFiles(fset, append(code, tests...), module+p.path)
			require.NoError(t, err)
			assert.NotEmpty(t, d.Doc, "package doc")
			check := func(name, text string) {
				if !ast.IsExported(name) {
					return
				}
				if strings.TrimSpace(text) == "" {
					t.Errorf("%s has no doc comment", name)
				}
				if !shown[name] {
					t.Errorf("%s stands in no runnable Example", name)
				}
			}
			for _, v := range append(d.Consts, d.Vars...) {
				for _, n := range v.Names {
					check(n, v.Doc)
				}
			}
			for _, f := range d.Funcs {
				check(f.Name, f.Doc)
			}
			for _, ty := range d.Types {
				check(ty.Name, ty.Doc)
				for _, v := range append(ty.Consts, ty.Vars...) {
					for _, n := range v.Names {
						check(n, v.Doc)
					}
				}
				for _, f := range ty.Funcs {
					check(f.Name, f.Doc)
				}
				for _, m := range ty.Methods {
					if ast.IsExported(m.Name) && strings.TrimSpace(m.Doc) == "" {
						t.Errorf("%s.%s has no doc comment", ty.Name, m.Name)
					}
				}
			}
		})
	}
}

// shownIn collects the identifiers in the Examples that run.
func shownIn(tests []*ast.File) map[string]bool {
	shown := make(map[string]bool)
	for _, ex := range doc.Examples(tests...) {
		if ex.Output == "" && !ex.EmptyOutput {
			continue
		}
		ast.Inspect(ex.Code, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				shown[id.Name] = true
			}
			return true
		})
	}
	return shown
}

// TestGoDocFitsOneScreen counts the lines that `go doc` prints.
func TestGoDocFitsOneScreen(t *testing.T) {
	for _, p := range []string{"./lockcore", "./rtest"} {
		cmd := exec.Command("go", "doc", p)
		cmd.Dir = ".."
		out, err := cmd.Output()
		require.NoError(t, err)
		assert.LessOrEqual(t, strings.Count(string(out), "\n"), 30, "%s:\n%s", p, out)
	}
}
