package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const recipes = "../../examples/ci"

// ours finds the command lines of this program in a shell script.
var ours = regexp.MustCompile(`(?m)(?:^|[\s/'"])rtest-report ([^|>;&'"\n]*)`)

// TestRecipesAreAccepted parses what the CI recipes call with the flags that this
// program really has.
func TestRecipesAreAccepted(t *testing.T) {
	files, err := filepath.Glob(recipes + "/*.yml")
	require.NoError(t, err)
	files = append(files, recipes+"/Jenkinsfile")
	require.Len(t, files, 5)
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			script := string(text)
			if filepath.Ext(f) == ".yml" {
				script = strings.Join(scripts(t, text), "\n")
			}
			var runs int
			for _, m := range ours.FindAllStringSubmatch(script, -1) {
				accept(t, strings.Fields(m[1]))
				if strings.HasPrefix(m[1], "run ") {
					runs++
				}
			}
			assert.Contains(t, string(text), "RTEST_URL")
			assert.Equal(t, 1, runs, "every recipe runs the tests once")
		})
	}
}

// accept parses arguments as the program would, up to where it would begin.
func accept(t *testing.T, args []string) {
	t.Helper()
	cmd, rest, err := newRoot().Find(args)
	require.NoError(t, err, args)
	require.NotEqual(t, cmd.Root(), cmd, "%q is no subcommand", args)
	require.NoError(t, cmd.ParseFlags(rest), args)
	require.NoError(t, cmd.ValidateArgs(cmd.Flags().Args()), args)
	for _, name := range []string{"format", "ci"} {
		if f := cmd.Flags().Lookup(name); f != nil {
			s := show{format: "text", ci: "none"}
			*map[string]*string{"format": &s.format, "ci": &s.ci}[name] = f.Value.String()
			_, err := s.view()
			require.NoError(t, err, args)
		}
	}
}

// scripts collects what a YAML file runs, whichever CI it is for.
func scripts(t *testing.T, text []byte) []string {
	var doc any
	require.NoError(t, yaml.Unmarshal(text, &doc))
	var found []string
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(k, x)
			}
		case []any:
			for _, x := range v {
				walk(key, x)
			}
		case string:
			if key == "run" || key == "script" || key == "after_script" || key == "command" {
				found = append(found, v)
			}
		}
	}
	walk("", doc)
	return found
}

// TestRecipesAgreeWithThemselves holds that what a recipe makes is what it keeps.
func TestRecipesAgreeWithThemselves(t *testing.T) {
	kept := func(file string, path ...any) any {
		text, err := os.ReadFile(filepath.Join(recipes, file))
		require.NoError(t, err)
		var doc any
		require.NoError(t, yaml.Unmarshal(text, &doc))
		for _, p := range path {
			switch p := p.(type) {
			case int:
				require.Greater(t, len(doc.([]any)), p)
				doc = doc.([]any)[p]
			case string:
				require.Contains(t, doc, p)
				doc = doc.(map[string]any)[p]
			}
		}
		return doc
	}
	assert.Equal(t, "junit.xml", kept("gitlab.yml", "test", "artifacts", "reports", "junit"))
	// Without the slash GitLab shows no link for a directory.
	assert.Contains(t, kept("gitlab.yml", "test", "artifacts", "paths"), "contention/")
	assert.Equal(t, "always", kept("gitlab.yml", "test", "artifacts", "when"))
	assert.Contains(t, kept("buildkite.yml", "steps", 0, "artifact_paths"), "junit.xml")
	assert.NotRegexp(t, `(^|[^$])\$[^$]`, kept("buildkite.yml", "steps", 0, "command"), "replaced at upload")
	assert.Contains(t, kept("github.yml", "jobs", "test", "steps", 6, "with", "path"), "contention")
	assert.Contains(t, kept("github.yml", "jobs", "test", "steps", 4, "run"), `>> "$GITHUB_STEP_SUMMARY"`)
	assert.Equal(t, "junit.xml", kept("azure.yml", "jobs", 0, "steps", 4, "inputs", "testResultsFiles"))
	assert.Equal(t, "contention", kept("azure.yml", "jobs", 0, "steps", 5, "inputs", "targetPath"))
}
