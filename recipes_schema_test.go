package resourcelocker_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// A recipeLint returns what is wrong with each text of a recipe, or "".
type recipeLint func(t *testing.T, texts []string) []string

// TestRecipeSchemas lints recipes against what packages of npm know about the files
// of their CI systems. Each recipe is spoiled in some ways too: a lint that finds
// nothing in those would find nothing in the recipe either.
//
// GitHub's has a linter in Go, above. For Azure there is nothing: the schema is in the
// repository of the editor's extension, and azure-pipelines-language-service, the
// one package around it, comes without: hold the recipe against a copy by hand. For
// Jenkins the one full linter is a server of Jenkins; this one reads the file with
// Groovy's own compiler.
func TestRecipeSchemas(t *testing.T) {
	for _, r := range []struct {
		file    string
		lint    recipeLint
		spoiled [][2]string // what stands in the recipe, and what stands there instead
	}{
		{"gitlab.yml", gitlabSchema, [][2]string{
			{"after_script:", "after_scripts:"}, {"reports:", "report:"}, {"when: always", "when: allways"}, {"expose_as:", "expose:"},
		}},
		{"buildkite.yml", buildkiteTypes, [][2]string{
			{"command:", "comand:"}, {"artifact_paths:", "artefact_paths:"}, {"label: test", "label: [test]"}, {"steps:", "stages:"},
		}},
		{"Jenkinsfile", groovySyntax, [][2]string{
			{"junit 'junit.xml'", "junit 'junit.xml"}, {"post {", "post"}, {"agent {", "agent ("},
		}},
	} {
		t.Run(r.file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("examples", "ci", r.file))
			require.NoError(t, err)
			texts := []string{string(text)}
			for _, s := range r.spoiled {
				require.Equal(t, 1, strings.Count(texts[0], s[0]), s[0])
				texts = append(texts, strings.Replace(texts[0], s[0], s[1], 1))
			}
			wrong := r.lint(t, texts)
			require.Len(t, wrong, len(texts))
			assert.Empty(t, wrong[0])
			for i, s := range r.spoiled {
				assert.NotEmpty(t, wrong[i+1], "%q for %q", s[1], s[0])
			}
		})
	}
}

// gitlabSchema is GitLab's schema, as gitlab-ci-local brings it.
func gitlabSchema(t *testing.T, texts []string) (wrong []string) {
	module := fileURL(filepath.Join(npmPackage(t, "gitlab-ci-local@4.64.1"), "src", "schema", "schema.js"))
	text, err := exec.Command("node", "--input-type=module", "-e", `import("`+module+`").then(m => console.log(JSON.stringify(m.schema)))`).Output()
	require.NoError(t, err)
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("gitlab.json", schema))
	compiled, err := c.Compile("gitlab.json")
	require.NoError(t, err)
	for _, text := range texts {
		var recipe any
		require.NoError(t, yaml.Unmarshal([]byte(text), &recipe))
		words := ""
		if err := compiled.Validate(recipe); err != nil {
			words = err.Error()
		}
		wrong = append(wrong, words)
	}
	return wrong
}

// buildkiteTypes are the types of Buildkite's own package, for a pipeline that is
// written as a literal: the compiler refuses a key that they do not know.
func buildkiteTypes(t *testing.T, texts []string) []string {
	types, compiler := npmPackage(t, "@buildkite/buildkite-sdk@0.3.2"), npmPackage(t, "typescript@5.9.3")
	files := lintFiles(t, ".ts", texts, func(text string) string {
		var recipe any
		require.NoError(t, yaml.Unmarshal([]byte(text), &recipe))
		literal, err := json.MarshalIndent(recipe, "", "  ")
		require.NoError(t, err)
		return `import type { Pipeline, CommandStep } from "` + filepath.ToSlash(types) + `/src/index";
export const pipeline: Partial<Pick<Pipeline, "agents" | "env" | "notify">> & { steps: CommandStep[] } = ` + string(literal) + ";\n"
	})
	return linesOf(t, files, "node", append([]string{filepath.Join(compiler, "lib", "tsc.js"),
		"--pretty", "false", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2020"}, files...)...)
}

// groovySyntax is the compiler of Groovy, as npm-groovy-lint brings it.
func groovySyntax(t *testing.T, texts []string) []string {
	if _, err := exec.LookPath("java"); err != nil {
		t.Skipf("the Jenkinsfile was not linted: %v (apt-get install default-jre-headless)", err)
	}
	jars, err := filepath.Glob(filepath.Join(npmPackage(t, "npm-groovy-lint@18.0.0"), "lib", "java", "groovy", "lib", "groovy-4*.jar"))
	require.NoError(t, err)
	require.Len(t, jars, 1)
	files := lintFiles(t, ".groovy", texts, func(text string) string { return text })
	return linesOf(t, files, "java", append([]string{"-cp", jars[0], "groovy.ui.GroovyMain", "-e",
		"args.each { f -> try { new GroovyShell().parse(new File(f)) } catch (e) { println f + ': ' + e.message.readLines()[1] } }"}, files...)...)
}

// lintFiles writes the texts to files, for a linter that reads several at once.
func lintFiles(t *testing.T, ext string, texts []string, convert func(string) string) (files []string) {
	dir := t.TempDir()
	for i, text := range texts {
		file := filepath.Join(dir, fmt.Sprintf("recipe%d%s", i, ext))
		require.NoError(t, os.WriteFile(file, []byte(convert(text)), 0o600))
		files = append(files, file)
	}
	return files
}

// linesOf runs a linter, and returns the lines that it writes about each of the files.
// It may write about nothing else.
func linesOf(t *testing.T, files []string, name string, args ...string) []string {
	cmd := exec.Command(name, args...)
	cmd.Dir = filepath.Dir(files[0])
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.True(t, err == nil || errors.As(err, &exit), "%v", err)
	wrong := make([]string, len(files))
	for line := range strings.Lines(string(out)) {
		i := slices.IndexFunc(files, func(f string) bool { return strings.Contains(line, filepath.Base(f)) })
		require.True(t, i >= 0 || strings.HasPrefix(line, " "), "%s", out)
		if i >= 0 {
			wrong[i] += line
		}
	}
	return wrong
}

// npmPackage returns the directory of a package in one version, which npm takes from
// its cache or fetches. Nothing of the package is run by npm.
func npmPackage(t *testing.T, name string) (dir string) {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skipf("the recipe was not linted: %v (apt-get install npm)", err)
	}
	dir = t.TempDir()
	cmd := exec.Command("npm", "pack", "--silent", "--prefer-offline", "--ignore-scripts", name)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("the recipe was not linted, npm could not fetch %s: %v\n%s", name, err, out)
	}
	packed, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	require.NoError(t, err)
	require.Len(t, packed, 1)
	unpack(t, packed[0], dir)
	return filepath.Join(dir, "package")
}

// unpack unpacks the files of a package that npm packed.
func unpack(t *testing.T, packed, dir string) {
	f, err := os.Open(packed)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
		require.True(t, filepath.IsLocal(h.Name), h.Name)
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		text, err := io.ReadAll(files)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, text, 0o600))
	}
}
