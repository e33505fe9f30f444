// Package moved acquires after it has changed the directories of the user: go test
// must not answer for it from its cache either.
package moved

import (
	"testing"

	"github.com/resourcelocker/resourcelocker/rtest"
)

func TestMoved(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData", "TMPDIR"} {
		t.Setenv(name, dir)
	}
	t.Chdir(dir)
	rtest.Acquire(t, rtest.R("moved-1"))
}
