package gotest

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
)

// go test answers from its cache when neither the test binary nor the files and
// variables that it looked at have changed. The state of a lab is no such file,
// so a test that acquires would be reported as passed without being run.
//
// There is no switch for it in a test's reach. But go test does not cache a
// result that depends on a file which was changed in the last two seconds, or,
// as here, will have been in the year 2100. It only cares for files below the
// root of the module, which is why the name leads there first and then out of
// it: no file is put into the user's sources.

// uncachedOnce is enough for a process: what was looked at is on go test's list.
var uncachedOnce sync.Once

// KeepUncached sees to it that go test does not answer for this process from its
// cache. It costs next to nothing after the first call.
func KeepUncached() {
	if Flag("testlogfile") == "" {
		return // not started by a go test that would cache
	}
	uncachedOnce.Do(func() {
		name := uncachedName()
		if name == "" {
			return
		}
		// Whether it can be opened does not matter, only that go test can ask for its
		// time.
		if f, err := os.Open(name); err == nil {
			f.Close()
		}
	})
}

// uncachedName makes the file, if need be, and returns a name for it that begins
// with the directory of the package under test.
func uncachedName() string {
	// As they were when the process started: go test wants a name in the package
	// under test, and a test may have changed the rest.
	dir, err := environ.CacheDir()
	if err != nil || os.MkdirAll(dir, 0o700) != nil {
		dir = environ.TempDir()
	}
	file := filepath.Join(dir, "rtest-uncached")
	wd, err := environ.WorkDir()
	if err != nil || filepath.VolumeName(wd) != filepath.VolumeName(file) {
		return ""
	}
	far := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	if fi, err := os.Stat(file); err != nil || fi.ModTime().Before(far) {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return ""
		}
		f.Close()
		_ = os.Chtimes(file, far, far) // if not, the result may be cached; nothing else breaks
	}
	// More steps up than there can be; at the root they lead nowhere.
	up := strings.Repeat(string(filepath.Separator)+"..", 64)
	return wd + up + strings.TrimPrefix(file, filepath.VolumeName(file))
}

// KeepUncachedAfterRun does the same for what was acquired before m.Run, when go
// test's list was not open yet, by an entry of our own.
func KeepUncachedAfterRun() {
	list, name := Flag("testlogfile"), uncachedName()
	if list == "" || name == "" || strings.Contains(name, "\n") {
		return
	}
	f, err := os.OpenFile(list, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString("open " + name + "\n")
}
