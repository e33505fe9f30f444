package resourcelocker_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

// withoutExamples says why the identifiers of a package stand in no Example.
var withoutExamples = map[string]string{
	"lockcore/locktest":           "it wants a *testing.T, which no Example has",
	"lockcore/locktest/redistest": "it wants a *testing.T, which no Example has",
	"lockcore/locktest/judge":     "it is the judge of the module's own histories",
	"lockcore/locktest/campaign":  "it plays the module's own histories",
	"rtest/bridge":                "it is for ginkgolock alone",
}

// TestEveryIdentifierIsExplainedAndShown wants a doc comment for every exported
// identifier of every package that users can import, and a runnable Example that
// uses it.
func TestEveryIdentifierIsExplainedAndShown(t *testing.T) {
	for _, p := range loaded(t) {
		path := short(p.PkgPath)
		if p.Name == "main" || path == "." || strings.Contains(path, "internal/") || within(path, "examples") {
			continue
		}
		t.Run(path, func(t *testing.T) {
			d, shown := docOf(t, p)
			if _, exempt := withoutExamples[path]; exempt {
				shown = nil
			}
			missing := problems(d, shown)
			if len(missing) > 0 {
				t.Errorf("%d lack something:\n%s", len(missing), strings.Join(missing, "\n"))
			}
		})
	}
}

// docOf reads the documentation of a package, and the identifiers in its Examples
// that run.
func docOf(t *testing.T, p *packages.Package) (*doc.Package, map[string]bool) {
	fset := token.NewFileSet()
	var files, tests []*ast.File
	names, err := filepath.Glob(filepath.Join(dir(p), "*.go"))
	require.NoError(t, err)
	compiled := make(map[string]bool)
	for _, f := range p.GoFiles {
		compiled[filepath.Base(f)] = true
	}
	for _, name := range names {
		test := strings.HasSuffix(name, "_test.go")
		if !test && !compiled[filepath.Base(name)] {
			continue // of another system
		}
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, f)
		if test {
			tests = append(tests, f)
		}
	}
	d, err := doc.NewFromFiles(fset, files, p.PkgPath)
	require.NoError(t, err)
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
	return d, shown
}

// problems lists what exported identifiers lack. Methods need a comment only:
// which of them are worth an Example is up to the type. A nil shown asks for no
// Examples.
func problems(d *doc.Package, shown map[string]bool) (missing []string) {
	check := func(name, text string) {
		if !ast.IsExported(name) {
			return
		}
		if strings.TrimSpace(text) == "" {
			missing = append(missing, name+" has no doc comment")
		}
		if shown != nil && !shown[name] {
			missing = append(missing, name+" stands in no runnable Example")
		}
	}
	values := func(vals []*doc.Value) {
		for _, v := range vals {
			for _, n := range v.Names {
				text := v.Doc
				for _, s := range v.Decl.Specs {
					// In a list of constants each may have a comment of its own.
					if s, ok := s.(*ast.ValueSpec); ok && slices.ContainsFunc(s.Names, func(id *ast.Ident) bool { return id.Name == n }) {
						text += s.Doc.Text() + s.Comment.Text()
					}
				}
				check(n, text)
			}
		}
	}
	functions := func(fs []*doc.Func) {
		for _, f := range fs {
			check(f.Name, f.Doc)
		}
	}
	if strings.TrimSpace(d.Doc) == "" {
		missing = append(missing, "the package has no doc comment")
	}
	values(d.Consts)
	values(d.Vars)
	functions(d.Funcs)
	for _, ty := range d.Types {
		check(ty.Name, ty.Doc)
		values(ty.Consts)
		values(ty.Vars)
		functions(ty.Funcs)
		for _, m := range ty.Methods {
			if ast.IsExported(m.Name) && strings.TrimSpace(m.Doc) == "" {
				missing = append(missing, ty.Name+"."+m.Name+" has no doc comment")
			}
		}
	}
	return missing
}

// TestGoDocFitsOneScreen counts what `go doc` lists below the text of the
// package: the declarations, with the constants and variables of one list as one.
func TestGoDocFitsOneScreen(t *testing.T) {
	screens := 0
	for _, p := range loaded(t) {
		if path := short(p.PkgPath); path != "lockcore" && path != "rtest" {
			continue
		}
		screens++
		d, _ := docOf(t, p)
		n := len(d.Consts) + len(d.Vars) + len(d.Funcs) + len(d.Types)
		for _, ty := range d.Types {
			n += len(ty.Consts) + len(ty.Vars) + len(ty.Funcs)
		}
		if n > 30 {
			t.Errorf("go doc of %s lists %d declarations, at most 30", short(p.PkgPath), n)
		}
	}
	require.Equal(t, 2, screens)
}

// TestCommentsNameWhatTheyExplain: a comment that begins with a name begins with that
// of what it stands above. Sentences begin with a capital letter; so a comment of a
// function or a type that begins with a small one begins with a name.
func TestCommentsNameWhatTheyExplain(t *testing.T) {
	name := regexp.MustCompile(`^[a-z]\w*$`)
	found := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			var what, text string
			switch d := d.(type) {
			case *ast.FuncDecl:
				what, text = d.Name.Name, d.Doc.Text()
			case *ast.GenDecl:
				if s, ok := d.Specs[0].(*ast.TypeSpec); ok && len(d.Specs) == 1 {
					what, text = s.Name.Name, d.Doc.Text()
				}
			}
			first, _, _ := strings.Cut(text, " ")
			if first = strings.TrimRight(first, ",:"); !name.MatchString(first) {
				continue
			}
			if found++; first != what {
				t.Errorf("%s: the comment of %s is about %s", path, what, first)
			}
		}
		return nil
	}))
	require.Greater(t, found, 1000)
}
