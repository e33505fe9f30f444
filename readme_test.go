package resourcelocker_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// readmeBlocks returns the code blocks of the README in one language.
func readmeBlocks(t *testing.T, lang string) []string {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```"+lang+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	require.NotEmpty(t, blocks)
	return blocks
}

func TestReadmeIsShort(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	assert.LessOrEqual(t, strings.Count(string(text), "\n"), 150)
	fences := strings.Count(string(text), "\n```")
	assert.Equal(t, fences, 2*(len(readmeBlocks(t, "go"))+len(readmeBlocks(t, "sh"))), "every block is of a language that a test here compiles or runs")
}

// TestReadmeGoCompiles compiles the Go blocks, put together, as a package that is
// laid over the module.
func TestReadmeGoCompiles(t *testing.T) {
	compile(t, "readme", `import (
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/rtest"
)

`+strings.Join(readmeBlocks(t, "go"), "\n"))
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

// TestReadmeCommands runs the shell blocks in a copy of the module. The one that
// runs the tests would run this test again; the CI script takes it from the
// README and runs it. The last one is TestReadmeTable's.
func TestReadmeCommands(t *testing.T) {
	blocks := readmeBlocks(t, "sh")
	require.Len(t, blocks, 4)
	assert.Equal(t, "go tool gotestsum -- ./...\n", blocks[1])

	dir := copyModule(t)
	shell := func(script string) string {
		cmd := exec.Command("sh", "-e", "-c", script)
		cmd.Dir = dir
		// Without the settings of whoever runs these tests.
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "RTEST_") })
		cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "GOCACHE="+goEnv(t, "GOCACHE"), "GOFLAGS=")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}

	out := shell(blocks[0])
	for _, want := range []string{"examples/boards/pairing", "requests by", "rf-chamber", "Who waited for whom"} {
		assert.Contains(t, out, want)
	}

	server := redistest.Start(t)
	require.Contains(t, blocks[2], "localhost:6379")
	out = shell(strings.ReplaceAll(blocks[2], "localhost:6379", server.Addr))
	assert.Contains(t, out, "requests by")
	junit, err := os.ReadFile(filepath.Join(dir, "junit.xml"))
	require.NoError(t, err)
	assert.Contains(t, string(junit), "rtest.waited_s")
	assert.FileExists(t, filepath.Join(dir, "contention", "index.html"))
}

// TestReadmeTable runs the command above the table, and wants the table of it.
func TestReadmeTable(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?m)^```sh\n(go test .*)\n```\n\n((?:\\|.*\n)+)").FindStringSubmatch(string(readme))
	require.NotNil(t, block, "a table below the command that prints it")
	cmd := exec.Command("sh", "-c", block[1])
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), block[2])
}

// TestReadmeReport runs the commands in the sample of the report, and wants what
// stands below them. An estimate is that of the present scheduler: it may come to
// other figures than the one that the sample is of.
func TestReadmeReport(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	samples := regexp.MustCompile(`(?m)^    \$ (.*)\n((?:    [^$].*\n)+)`).FindAllStringSubmatch(string(readme), -1)
	require.Len(t, samples, 2)
	for _, s := range samples {
		cmd := exec.Command("sh", "-c", s[1])
		cmd.Env = append(os.Environ(), "GOFLAGS=")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, "%s%s", out, &stderr)
		want, got := regexp.MustCompile(`(?m)^    `).ReplaceAllString(s[2], ""), string(out)
		if figures := regexp.MustCompile(`[-+]?[0-9.]+m?s?`); strings.Contains(want, "(estimate)") {
			want, got = figures.ReplaceAllString(want, "N"), figures.ReplaceAllString(got, "N")
		}
		assert.Equal(t, want, got, s[1])
	}
}

func goEnv(t *testing.T, name string) string {
	out, err := exec.Command("go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// copyModule copies what the commands need, so that what they write is not
// written into the sources.
func copyModule(t *testing.T) string {
	dir := t.TempDir()
	for _, part := range []string{"cmd", "examples", "ginkgolock", "lockcore", "report", "rtest"} {
		require.NoError(t, os.CopyFS(filepath.Join(dir, part), os.DirFS(part)))
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), data, 0o600))
	}
	return dir
}
