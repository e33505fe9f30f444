package resourcelocker_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFuzzTestsHaveSeeds wants inputs under testdata/fuzz for every fuzz test: they
// run with every go test, and a fuzzer begins with them.
func TestFuzzTestsHaveSeeds(t *testing.T) {
	fuzz := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	found := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return filepath.SkipDir // suites there are of the tests that run them
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		src, err := os.ReadFile(path)
		for _, m := range fuzz.FindAllSubmatch(src, -1) {
			found++
			seeds, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "testdata", "fuzz", string(m[1]), "*"))
			assert.NotEmpty(t, seeds, "%s in %s", m[1], path)
		}
		return err
	}))
	require.Greater(t, found, 10)
}
