//go:build unix

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The owner of a file stays its owner when somebody else, root, writes it, with
// every mode bit that there was.
func TestOutputKeepsItsOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, which alone can make a file of somebody else")
	}
	path := filepath.Join(t.TempDir(), "junit.xml")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	require.NoError(t, os.Chown(path, 12345, 23456))
	require.NoError(t, os.Chmod(path, 0o664))
	require.NoError(t, writeFile(path, writing([]byte("new"))))
	info, err := os.Stat(path)
	require.NoError(t, err)
	stat := info.Sys().(*syscall.Stat_t)
	assert.Equal(t, []uint32{12345, 23456}, []uint32{stat.Uid, stat.Gid})
	assert.Equal(t, os.FileMode(0o664), info.Mode())
	assert.Equal(t, "new", string(readFile(t, path)))
}

// A file that is a mount point cannot be replaced, and is written all the same:
// containers mount single files.
func TestOutputIsAMountPoint(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"outside", "inside"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("a longer old text"), 0o644))
	}
	mount := func(script string) ([]byte, error) {
		c := exec.Command("unshare", "-m", "sh", "-ec", "mount --bind outside inside; "+script)
		c.Dir = dir
		return c.CombinedOutput()
	}
	if out, err := mount("true"); err != nil {
		t.Skipf("needs root that may mount: %v: %s", err, out)
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.jsonl"), []byte(`{"v":1,"ev":"run","ts":"2026-03-01T12:00:00Z"}`+"\n"), 0o644))
	// testscript makes the test binary the program when it has its name.
	require.NoError(t, os.Symlink(exe, filepath.Join(dir, "rtest-report")))
	out, err := mount("PATH=$PWD:$PATH rtest-report merge -o inside x.jsonl; ls -A >names")
	require.NoError(t, err, string(out))
	assert.Equal(t, `{"v":1,"ev":"run","ts":"2026-03-01T12:00:00Z"}`+"\n", string(readFile(t, filepath.Join(dir, "outside"))))
	assert.Equal(t, "inside\nnames\noutside\nrtest-report\nx.jsonl\n", string(readFile(t, filepath.Join(dir, "names"))))
}

// A file that its user may not write stays as it is, though a rename in its
// directory would get past that; and one in a directory that may not be changed
// is written.
func TestOutputObeysPermissions(t *testing.T) {
	dir := t.TempDir()
	boundByPermissions(t, dir)
	path := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o444))
	err := writeFile(path, writing([]byte("new")))
	require.ErrorIs(t, err, os.ErrPermission)
	assert.Equal(t, "writing "+path+": permission denied", err.Error())
	require.NoError(t, os.Chmod(path, 0o644))
	require.NoError(t, os.Chmod(dir, 0o555))
	defer os.Chmod(dir, 0o755)
	require.NoError(t, writeFile(path, writing([]byte("new"))))
	assert.Equal(t, "new", string(readFile(t, path)))
	err = writeFile(filepath.Join(dir, "fresh"), writing(nil))
	require.ErrorIs(t, err, os.ErrPermission)
}

// An error while the content is made leaves the old file, and nothing else.
func TestOutputIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))
	for _, p := range []string{path, filepath.Join(dir, "fresh")} {
		err := writeFile(p, func(w io.Writer) error {
			_, _ = w.Write([]byte("half"))
			return assert.AnError
		})
		require.ErrorIs(t, err, assert.AnError)
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
	assert.Equal(t, "old", string(readFile(t, path)))
}
