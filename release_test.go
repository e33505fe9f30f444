package resourcelocker_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	modmodule "golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// TestReleaseInstalls makes the module's zip as a proxy would make it of a tag, and
// installs the command line tool from it: no file is missing that the repository
// has and the zip has not, and no directive in go.mod stands in the way of go install.
func TestReleaseInstalls(t *testing.T) {
	const version = "v0.1.0"
	proxy, work := t.TempDir(), copyModule(t)
	at := filepath.Join(proxy, filepath.FromSlash(module), "@v")
	require.NoError(t, os.MkdirAll(at, 0o755))

	gomod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(at, version+".mod"), gomod, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(at, version+".info"), []byte(`{"Version":"`+version+`"}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(at, "list"), []byte(version+"\n"), 0o600))
	zip, err := os.Create(filepath.Join(at, version+".zip"))
	require.NoError(t, err)
	require.NoError(t, modzip.CreateFromDir(zip, modmodule.Version{Path: module, Version: version}, work))
	require.NoError(t, zip.Close())

	// The dependencies come from what this module was built with, not from the network.
	cache := goEnv(t, "GOMODCACHE")
	cmd := exec.Command("go", "install", module+"/cmd/rtest-report@"+version)
	cmd.Dir = t.TempDir()
	bin := t.TempDir()
	cmd.Env = append(os.Environ(), "GOBIN="+bin, "GOMODCACHE="+filepath.Join(proxy, "modules"), "GOFLAGS=-trimpath -modcacherw", "GOSUMDB=off",
		"GOPROXY="+strings.Join([]string{fileURL(proxy), fileURL(filepath.Join(cache, "cache", "download"))}, ","))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command(filepath.Join(bin, "rtest-report"), "--version").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), version)
}

func fileURL(dir string) string { return "file://" + filepath.ToSlash(dir) }
