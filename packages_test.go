package resourcelocker_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

const module = "github.com/resourcelocker/resourcelocker"

// load reads and type-checks the module's packages, without their tests; once
// for all tests.
var load = sync.OnceValues(func() ([]*packages.Package, error) {
	return packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo,
	}, "./...")
})

func loaded(t *testing.T) []*packages.Package {
	pkgs, err := load()
	require.NoError(t, err)
	require.Greater(t, len(pkgs), 20)
	for _, p := range pkgs {
		require.Empty(t, p.Errors, p.PkgPath)
	}
	return pkgs
}

// short is the path of a package within the module, or the whole path of one
// that is not in it.
func short(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

// within reports whether a path is the root, or below it.
func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// dir is where the files of a package of the module lie, from its root.
func dir(p *packages.Package) string { return short(p.PkgPath) }
