package resourcelocker_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	modmodule "golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// TestRelease makes the module's zip as a proxy would make it of a tag, and uses
// it as a stranger does: no file is missing that the repository has and the zip has
// not, and no directive in go.mod stands in the way.
func TestRelease(t *testing.T) {
	const version = "v0.1.0"
	proxy := t.TempDir()
	at := filepath.Join(proxy, filepath.FromSlash(module), "@v")
	require.NoError(t, os.MkdirAll(at, 0o755))
	gomod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(at, version+".mod"), gomod, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(at, version+".info"), []byte(`{"Version":"`+version+`"}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(at, "list"), []byte(version+"\n"), 0o600))
	zip, err := os.Create(filepath.Join(at, version+".zip"))
	require.NoError(t, err)
	require.NoError(t, modzip.CreateFromDir(zip, modmodule.Version{Path: module, Version: version}, copyModule(t)))
	require.NoError(t, zip.Close())

	// The dependencies come from what this module was built with; from the network only those
	// that nothing here needed so far, such as one for Windows alone. -trimpath lets builds be found in the cache wherever the modules lie.
	env := []string{
		"GOFLAGS=-trimpath -modcacherw", "GOMODCACHE=" + filepath.Join(proxy, "modules"), "GOSUMDB=off",
		"GOPROXY=" + fileURL(proxy) + "," + fileURL(filepath.Join(goEnv(t, "GOMODCACHE"), "cache", "download")) + "," + goEnv(t, "GOPROXY"),
	}
	dir := t.TempDir()
	run := func(script string) string {
		t.Helper()
		out, err := outsideShell(t, dir, script, env...)
		require.NoError(t, err, "%s\n%s", script, out)
		return out
	}
	run("GOBIN=$PWD go install " + module + "/cmd/rtest-report@" + version)
	assert.Contains(t, run("./rtest-report --version"), version)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "radio_test.go"), []byte(readmeBlocks(t, "go")[0]), 0o600))
	run("go mod init example.com/radio")
	run(readmeBlocks(t, "sh")[0]) // the README's way to install
	// "go tool" builds the same, but knows no -trimpath: it would compile everything anew.
	run("go build -o . tool")
	assert.Contains(t, run("./rtest-report run -- go test ."), "TestPairing")
}

func fileURL(dir string) string { return "file://" + filepath.ToSlash(dir) }
