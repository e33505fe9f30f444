package resourcelocker_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestContributingIsComplete wants every variable that changes a test, and every
// package with files that -rewrite renews, in CONTRIBUTING.md, and a short text.
func TestContributingIsComplete(t *testing.T) {
	raw, err := os.ReadFile("CONTRIBUTING.md")
	require.NoError(t, err)
	text := string(raw)
	assert.LessOrEqual(t, strings.Count(text, "\n"), 80)

	between := regexp.MustCompile(`_(CHILD|JOB|MUTANT|STARTED_WITH|TEST_DIR)($|_(URL|SEED)$)|^ENVIRON_`) // from a test to its own processes
	knob := regexp.MustCompile(`"((?:[A-Z]+(?:STORE|LOCK|TEST)|RTEST)_[A-Z_]+)"`)
	notForTests := knobsOfUsers(t)
	found := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go") && !(within(path, "lockcore/locktest") && strings.HasSuffix(path, ".go")):
			return nil
		}
		src, err := os.ReadFile(path)
		for _, m := range knob.FindAllSubmatch(src, -1) {
			name := string(m[1])
			if between.MatchString(name) || notForTests[name] || within(path, "lockcore/environ") {
				continue
			}
			found++
			assert.True(t, strings.Contains(text, name), "%s is read in %s", name, path)
		}
		return err
	}))
	require.Greater(t, found, 10)

	out, err := exec.Command("go", "list", "-test", "-deps=false", "-f", "{{.ImportPath}} {{join .Imports \" \"}} {{join .TestImports \" \"}} {{join .XTestImports \" \"}}", "./...").Output()
	require.NoError(t, err)
	rewrites := 0
	command := regexp.MustCompile(`(?s)go test [^\n]*\\\n[^\n]* -rewrite`).FindString(text)
	require.NotEmpty(t, command)
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		path := short(f[0])
		if strings.Contains(path, "internal/reporttest") || within(path, "lockcore/locktest") || strings.Contains(f[0], "[") || !slices.ContainsFunc(f[1:], func(imp string) bool {
			return strings.HasSuffix(imp, "/datadriven")
		}) {
			continue
		}
		rewrites++
		assert.Contains(t, command, "./"+path+" ")
	}
	require.Positive(t, rewrites)
}

// knobsOfUsers are the variables that the library itself reads.
func knobsOfUsers(t *testing.T) map[string]bool {
	src, err := os.ReadFile("lockcore/environ/environ.go")
	require.NoError(t, err)
	known := make(map[string]bool)
	for _, m := range regexp.MustCompile(`"(RTEST_[A-Z_]+)":\s+(\w+)`).FindAllStringSubmatch(string(src), -1) {
		known[m[1]] = m[2] != "byTests"
	}
	require.Greater(t, len(known), 10)
	return known
}
