package resourcelocker_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// outsideModule makes a module that uses this one as a user's does: go.mod
// requires it, a replace directive stands in for a release, and the tools are
// there as go get -tool leaves them. It needs nothing from the network, since it
// requires the versions that this module was built with.
func outsideModule(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	ours, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	_, requires, found := strings.Cut(string(ours), "\nrequire ")
	require.True(t, found)
	requires, _, found = strings.Cut(requires, "\ntool ")
	require.True(t, found)
	sums, err := os.ReadFile("go.sum")
	require.NoError(t, err)

	dir = t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	write("go.mod", fmt.Sprintf(`module example.com/lab

go %s

require %s v0.0.0

replace %s => %s

require %s
tool (
	%s/cmd/rtest-report
	github.com/onsi/ginkgo/v2/ginkgo
	gotest.tools/gotestsum
)
`, goVersion(t, string(ours)), module, module, root, requires, module))
	write("go.sum", string(sums))
	for name, text := range files {
		write(name, text)
	}
	return dir
}

// goVersion is the least version of Go that a go.mod file demands.
func goVersion(t *testing.T, gomod string) string {
	t.Helper()
	for line := range strings.Lines(gomod) {
		if v, ok := strings.CutPrefix(line, "go "); ok {
			return strings.TrimSpace(v)
		}
	}
	t.Fatal("go.mod has no go line")
	return ""
}

// outsideShell runs a script in a module that is not this one, as a user or a CI
// runner would: bash -e, a cache directory of its own, nothing of RTEST_ but what
// env says.
func outsideShell(t *testing.T, dir, script string, env ...string) (out string, err error) {
	t.Helper()
	cmd := exec.Command("bash", "-e", "-o", "pipefail", "-c", script)
	cmd.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "RTEST_") && !strings.HasPrefix(v, "GOFLAGS=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "GOCACHE="+goEnv(t, "GOCACHE"))
	cmd.Env = append(cmd.Env, env...)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// compile compiles a test file, without its package clause, as a package that is laid
// over the module.
func compile(t *testing.T, name, src string) {
	t.Helper()
	root, err := filepath.Abs(".")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), name+"_test.go")
	require.NoError(t, os.WriteFile(file, []byte("package "+name+"\n\n"+src), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "examples", name, name+"_test.go"): file}})
	require.NoError(t, err)
	list := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o600))
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-o", filepath.Join(t.TempDir(), name+".test"), "-overlay", list, "./examples/"+name)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
