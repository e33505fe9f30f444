package resourcelocker_test

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// recipe says how the shell lines of a CI recipe are run here.
type recipe struct {
	file string
	// values stand in for what the CI system replaces before a shell sees it.
	values *strings.Replacer
	// env is what the CI system sets.
	env []string
}

// TestRecipesRun runs every shell line of the CI recipes, in their order, in a
// module that a user might have: what a team copies does what it says.
func TestRecipesRun(t *testing.T) {
	server := redistest.Start(t)
	all := []recipe{
		{"github.yml", strings.NewReplacer("${{ matrix.suite }}", "./..."), []string{"GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY=summary.md"}},
		{"gitlab.yml", strings.NewReplacer(), []string{"SUITE=./...", "GITLAB_CI=true"}},
		{"Jenkinsfile", strings.NewReplacer(), nil},
		{"buildkite.yml", strings.NewReplacer("$$", "$"), []string{"BUILDKITE=true", "BUILDKITE_JOB_ID=7", "RTEST_EVENTS=events"}},
		{"azure.yml", strings.NewReplacer("$(suite)", "./...", "$(Build.ArtifactStagingDirectory)", "."), []string{"TF_BUILD=True"}},
	}
	for _, r := range all {
		t.Run(r.file, func(t *testing.T) {
			dir := outsideModule(t, map[string]string{
				"radio_test.go": labTest,
				// What stands in for the program that Buildkite's agent brings.
				"bin/buildkite-agent": "#!/bin/sh\ncat > annotation.md\n",
			})
			require.NoError(t, os.Chmod(filepath.Join(dir, "bin", "buildkite-agent"), 0o755))
			env := append([]string{
				"RTEST_URL=redis://" + server.Addr, "RTEST_NAMESPACE=" + strings.ReplaceAll(r.file, ".", "-"),
				"RTEST_EVENTS=" + filepath.Join(dir, "events"), "CI=true",
				"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"),
			}, r.env...)
			lines := shellLines(t, r.file)
			require.NotEmpty(t, lines)
			for _, line := range lines {
				out, err := outsideShell(t, dir, r.values.Replace(line), env...)
				require.NoError(t, err, "%s\n%s", line, out)
			}
			metrics, err := filepath.Abs(filepath.Join("examples", "ci", "metrics.sh"))
			require.NoError(t, err)
			out, err := outsideShell(t, dir, "'"+metrics+"' events .", env...)
			require.NoError(t, err, out)
			assert.FileExists(t, filepath.Join(dir, "rtest.prom"))
			junit, err := os.ReadFile(filepath.Join(dir, "junit.xml"))
			require.NoError(t, err)
			assert.Contains(t, string(junit), "rtest.waited_s")
			assert.FileExists(t, filepath.Join(dir, "contention", "index.html"))
			for _, made := range map[string][]string{
				"github.yml": {"summary.md"}, "gitlab.yml": {"metrics.txt"}, "buildkite.yml": {"annotation.md"}, "azure.yml": {"contention.md"},
			}[r.file] {
				text, err := os.ReadFile(filepath.Join(dir, made))
				require.NoError(t, err)
				assert.Contains(t, string(text), "board", made)
			}
		})
	}
}

// labTest is a test of that user's.
const labTest = `package radio

import (
	"testing"

	"github.com/resourcelocker/resourcelocker/rtest"
)

var boards = rtest.R("board-1", "board-2").Named("boards")

func TestBoot(t *testing.T) { t.Log(rtest.Get(t, boards)) }
func TestPair(t *testing.T) { t.Log(rtest.Get(t, boards.Need(2))) }
`

// shellLines returns what a recipe gives to a shell, in the order of the file.
func shellLines(t *testing.T, file string) (lines []string) {
	text, err := os.ReadFile(filepath.Join("examples", "ci", file))
	require.NoError(t, err)
	if filepath.Ext(file) != ".yml" {
		for _, m := range regexp.MustCompile(`(?m)^ *sh '(.*)'$`).FindAllStringSubmatch(string(text), -1) {
			lines = append(lines, m[1])
		}
		return lines
	}
	var doc yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &doc))
	var walk func(key string, n *yaml.Node)
	walk = func(key string, n *yaml.Node) {
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i < len(n.Content); i += 2 {
				walk(n.Content[i].Value, n.Content[i+1])
			}
		case yaml.ScalarNode:
			if key == "run" || key == "script" || key == "after_script" || key == "command" {
				lines = append(lines, n.Value)
			}
		default:
			for _, c := range n.Content {
				walk(key, c)
			}
		}
	}
	walk("", &doc)
	return lines
}

// TestGitHubRecipe lints the workflow: its expressions, keys and runner labels.
func TestGitHubRecipe(t *testing.T) {
	labels := filepath.Join(t.TempDir(), "actionlint.yaml")
	require.NoError(t, os.WriteFile(labels, []byte("self-hosted-runner:\n  labels: [lab]\n"), 0o600))
	l, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{ConfigFile: labels})
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join("examples", "ci", "github.yml"))
	require.NoError(t, err)
	found, err := l.Lint("test.yml", text, nil)
	require.NoError(t, err)
	for _, e := range found {
		t.Error(e)
	}
}

// TestRecipesCollideNowhere holds that jobs of a matrix keep apart what they keep.
func TestRecipesCollideNowhere(t *testing.T) {
	for file, part := range map[string]string{
		"github.yml": "strategy.job-index", "gitlab.yml": "CI_JOB_NAME_SLUG", "buildkite.yml": "BUILDKITE_JOB_ID", "azure.yml": "System.JobName",
	} {
		text, err := os.ReadFile(filepath.Join("examples", "ci", file))
		require.NoError(t, err)
		assert.Regexp(t, `contention-.*`+regexp.QuoteMeta(part), string(text), file)
		assert.NotContains(t, string(text), "@latest", file)
	}
}

// TestServeRecipes holds that the unit and the container start serve with flags that it
// has, and with few rights.
func TestServeRecipes(t *testing.T) {
	unit, err := os.ReadFile(filepath.Join("examples", "ci", "rtest-serve.service"))
	require.NoError(t, err)
	for _, want := range []string{"\nDynamicUser=yes\n", "\nCapabilityBoundingSet=\n", "\nProtectSystem=strict\n", "\nNoNewPrivileges=yes\n"} {
		assert.Contains(t, string(unit), want)
	}
	container, err := os.ReadFile(filepath.Join("examples", "ci", "Containerfile"))
	require.NoError(t, err)
	assert.Contains(t, string(container), "\nFROM scratch\n")
	assert.Regexp(t, `\nUSER [1-9]`, string(container))
	source, err := os.ReadFile(filepath.Join("cmd", "rtest-report", "serve.go"))
	require.NoError(t, err)
	start := regexp.MustCompile(`(?m)^(ExecStart|ENTRYPOINT)\W.*$`)
	lines := append(start.FindAllString(string(unit), -1), start.FindAllString(string(container), -1)...)
	require.Len(t, lines, 2)
	for _, line := range lines {
		assert.Regexp(t, `rtest-report"?,? "?serve`, line)
		for _, flag := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(line, -1) {
			assert.Contains(t, string(source), `"`+flag[1]+`"`, line)
		}
	}
}
