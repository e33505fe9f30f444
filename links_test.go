package resourcelocker_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/types"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestDocLinksResolve holds that [Name] and [pkg.Name] in doc comments are links to
// something: go vet does not look, and pkg.go.dev prints the brackets of those that
// are not.
func TestDocLinksResolve(t *testing.T) {
	pkgs := loaded(t)
	byPath, names := make(map[string]*types.Package), make(map[string]bool)
	for _, p := range pkgs {
		names[p.Name] = true
		byPath[p.PkgPath] = p.Types
		for path, i := range p.Imports {
			byPath[path] = i.Types
		}
	}
	links := 0
	for _, p := range pkgs {
		if p.Name == "main" {
			continue // its doc is that of a command
		}
		d, _ := docOf(t, p)
		for name, text := range docsOf(d) {
			for _, block := range d.Parser().Parse(text).Content {
				eachText(block, func(x comment.Text) {
					switch x := x.(type) {
					case comment.Plain:
						for _, dead := range deadLink.FindAllString(string(x), -1) {
							if word := strings.Trim(dead, "[]"); strings.ToLower(word) == word && !names[word] {
								continue
							}
							t.Errorf("%s: %s: %s is no link: the package does not import it, or has no such name", short(p.PkgPath), name, dead)
						}
					case *comment.DocLink:
						links++
						if x.ImportPath != "" && byPath[x.ImportPath] != nil {
							assert.True(t, has(byPath[x.ImportPath], x.Recv, x.Name), "%s: %s: %s has no %s %s", short(p.PkgPath), name, x.ImportPath, x.Recv, x.Name)
						}
					}
				})
			}
		}
	}
	assert.Greater(t, links, 200)
}

// deadLink is a name in brackets that stayed text: an identifier as Go exports it, or a
// word that may be one of the module's packages. KEY and the like are of command lines.
var deadLink = regexp.MustCompile(`\[(?:[a-z]+|\*?(?:[a-z]\w*\.)?[A-Z](?:\w*[a-z]\w*)?(?:\.[A-Z]\w*)?)\]`)

// docsOf returns the texts that pkg.go.dev shows, by what they are of.
func docsOf(d *doc.Package) map[string]string {
	docs := map[string]string{"package": d.Doc}
	values := func(vals []*doc.Value) {
		for _, v := range vals {
			docs[strings.Join(v.Names, ", ")] = v.Doc
		}
	}
	functions := func(of string, fs []*doc.Func) {
		for _, f := range fs {
			docs[of+f.Name] = f.Doc
		}
	}
	values(d.Consts)
	values(d.Vars)
	functions("", d.Funcs)
	for _, ty := range d.Types {
		docs[ty.Name] = ty.Doc
		values(ty.Consts)
		values(ty.Vars)
		functions("", ty.Funcs)
		functions(ty.Name+".", ty.Methods)
	}
	return docs
}

// eachText calls f for the pieces of a block's text; code has none.
func eachText(block comment.Block, f func(comment.Text)) {
	switch b := block.(type) {
	case *comment.Heading:
		for _, x := range b.Text {
			f(x)
		}
	case *comment.Paragraph:
		for _, x := range b.Text {
			f(x)
		}
	case *comment.List:
		for _, item := range b.Items {
			for _, c := range item.Content {
				eachText(c, f)
			}
		}
	}
}

// has reports whether a package has a name, or a type of it a method or a field.
func has(p *types.Package, recv, name string) bool {
	if name == "" {
		return true // a link to the package
	}
	if recv == "" {
		return p.Scope().Lookup(name) != nil
	}
	ty := p.Scope().Lookup(recv)
	if ty == nil || !ast.IsExported(name) {
		return false
	}
	o, _, _ := types.LookupFieldOrMethod(types.NewPointer(ty.Type()), true, p, name)
	if o == nil {
		o, _, _ = types.LookupFieldOrMethod(ty.Type(), true, p, name)
	}
	return o != nil
}
