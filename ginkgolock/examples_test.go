package ginkgolock_test

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The example, by the ginkgo command and by go test at once, on one store.
func TestExampleSuite(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	run := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		out := new(bytes.Buffer)
		cmd := exec.Command("go", args...)
		cmd.Dir = "../examples/ginkgo"
		cmd.Env = append(cmd.Environ(), "RTEST_URL=file://"+store, "RTEST_WAIT=100s")
		cmd.Stdout, cmd.Stderr = out, out
		require.NoError(t, cmd.Start())
		return cmd, out
	}
	a, aOut := run("tool", "ginkgo", "--procs=3", "--no-color", "--randomize-all", ".")
	b, bOut := run("test", "-count=1", ".")
	assert.NoError(t, a.Wait(), "%s", aOut)
	assert.NoError(t, b.Wait(), "%s", bOut)
	assert.Regexp(t, `Ran 9 of 9 Specs`, aOut.String())
	assert.NotContains(t, aOut.String()+bOut.String(), "OVERLAP")
}
