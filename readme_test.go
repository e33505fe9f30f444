package resourcelocker_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	assert.LessOrEqual(t, strings.Count(string(text), "\n"), 170)
	fences := strings.Count(string(text), "\n```")
	assert.Equal(t, fences, 2*(len(readmeBlocks(t, "go"))+len(readmeBlocks(t, "sh"))), "every block is of a language that a test here compiles or runs")
}

// TestReadmeInClone runs what the README tells to run in a clone, in a copy of the
// module. The block that runs the tests would run this test again; the CI script
// takes it from the README and runs it. The last one is TestReadmeTable's.
func TestReadmeInClone(t *testing.T) {
	blocks := readmeBlocks(t, "sh")
	require.Len(t, blocks, 7)
	assert.Equal(t, "go tool gotestsum -- -timeout 30m ./...\n", blocks[2])
	// With -trimpath the next build finds this one in the cache, wherever the clone lies.
	out, err := outsideShell(t, copyModule(t), blocks[1], "GOFLAGS=-trimpath")
	require.NoError(t, err, out)
	for _, want := range []string{"Bottleneck: rf-chamber", "examples/boards/pairing", "requests by", "Who waited for whom"} {
		assert.Contains(t, out, want)
	}
}

// TestReadmeOutside does what the README says in a module of a user's: the tests
// compile as they are copied, and every command ends well.
func TestReadmeOutside(t *testing.T) {
	code, shell := readmeBlocks(t, "go"), readmeBlocks(t, "sh")
	require.Len(t, code, 2)
	dir := outsideModule(t, map[string]string{
		"radio_test.go": code[0],
		"suite/suite_test.go": `package suite

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/rtest"
)

var boards = rtest.R("board-1", "board-2", "board-3", "board-4", "board-5").Named("boards")

func TestSuite(t *testing.T) { RunSpecs(t, "radio") }

` + code[1],
	})
	run := func(script string, want ...string) {
		t.Helper()
		out, err := outsideShell(t, dir, script)
		require.NoError(t, err, "%s\n%s", script, out)
		for _, w := range want {
			assert.Contains(t, out, w, script)
		}
	}
	run("go vet ./... && go test ./... && go test -run . ./...", "ok  \texample.com/lab/suite")
	run(shell[3], "flashing board-")
	run(shell[4], "antenna swap", "PSU is dead")
	run("go tool rtest-report ls", "0 held, 0 waiting")

	pytest(t, dir)
	server := redistest.Start(t)
	require.Contains(t, shell[5], "localhost:6379")
	run(strings.ReplaceAll(shell[5], "localhost:6379", server.Addr), "requests by")
	junit, err := os.ReadFile(filepath.Join(dir, "junit.xml"))
	require.NoError(t, err)
	assert.Contains(t, string(junit), "rtest.waited_s")
	assert.FileExists(t, filepath.Join(dir, "contention", "index.html"))
}

// pytest runs a test of the user's with the fixture that the README links to, on the
// inventory beside it. The tool is put on the PATH as the README says.
func pytest(t *testing.T, dir string) {
	t.Helper()
	python := "/usr/bin/python3" // Debian's own, where its packages are
	if exec.Command(python, "-c", "import pytest").Run() != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("pytest is missing: apt-get install python3-pytest")
		}
		t.Log("pytest was not tried: apt-get install python3-pytest")
		return
	}
	for from, to := range map[string]string{"pytest/conftest.py": "conftest.py", "lab.yml": "lab.yml"} {
		text, err := os.ReadFile(filepath.Join("examples", "lock", filepath.FromSlash(from)))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, to), text, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "test_boot.py"), []byte("def test_boot(board):\n    assert board in ('board-1', 'board-2')\n"), 0o600))
	out, err := outsideShell(t, dir, "GOBIN=$PWD/bin go install tool && PATH=$PWD/bin:$PATH "+python+" -m pytest -q", "RTEST_POOLS="+filepath.Join(dir, "lab.yml"))
	require.NoError(t, err, out)
	assert.Contains(t, out, "1 passed")
}

// TestReadmeLinks holds that every file that the README links to is there.
func TestReadmeLinks(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	links := regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, links)
	for _, l := range links {
		_, err := os.Stat(l[1])
		assert.NoError(t, err)
	}
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
