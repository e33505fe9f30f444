package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHelpTellsExitCodes(t *testing.T) {
	var names []string
	defer func() { assert.Contains(t, names, "completion", "it is one that cobra makes") }()
	for _, c := range newRoot().Commands() {
		names = append(names, c.Name())
		assert.Regexp(t, `(?i)exit codes?`, c.Long, c.Name())
		if c.Flags().Lookup("ci") != nil {
			assert.Contains(t, c.Long, "--ci warns of the bottleneck", c.Name())
		}
		for line := range strings.Lines(c.Long) {
			assert.LessOrEqual(t, len(line), 122, "%s: %s", c.Name(), line)
		}
	}
}

// TestCompletion lets real shells complete a word by what completion prints.
func TestCompletion(t *testing.T) {
	for shell, script := range map[string]string{
		"bash": `. /usr/share/bash-completion/bash_completion; source script
COMP_WORDS=(rtest-report su); COMP_CWORD=1; COMP_LINE='rtest-report su'; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
__start_rtest-report; printf '%s\n' "${COMPREPLY[@]}"`,
		"fish": `source script; complete -C 'rtest-report su'`,
	} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err == nil && shell == "bash" {
				_, err = os.Stat("/usr/share/bash-completion/bash_completion")
			}
			if err != nil {
				t.Skipf("%v: apt-get install fish bash-completion", err)
			}
			dir := t.TempDir()
			self, err := os.Executable()
			require.NoError(t, err)
			require.NoError(t, os.Symlink(self, filepath.Join(dir, "rtest-report")))
			cmd := exec.Command(path, "-c", "rtest-report completion "+shell+" >script; "+script)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.Contains(t, string(out), "summary")
			assert.Contains(t, string(out), "suspects")
		})
	}
}
