// Package overlap is how the examples prove that no two holders ever meet: who
// uses a resource locks a file of its name, by means that have nothing to do
// with the locks under test. The kernel drops the lock of a process that dies,
// however it dies, so a killed test leaves nothing behind that looks like use.
package overlap

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
)

// TB is what it needs of a test. (A program that is no test should not import
// package testing.)
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Cleanup(func())
}

// temp is where the files are, also for a test that changes TMPDIR.
var temp = os.TempDir()

// Use marks the resources as used exclusively until the end of the test, which
// fails if somebody else uses one of them.
func Use(t TB, keys ...string) {
	t.Helper()
	for _, key := range keys {
		hold(t, key, false)
	}
}

// Read marks a resource as read until the end of the test, which fails if
// somebody else uses it exclusively.
func Read(t TB, key string) {
	t.Helper()
	hold(t, key, true)
}

// Sit takes one of the seats of a resource until the end of the test, which
// fails if there is none.
func Sit(t TB, key string, seats int) {
	t.Helper()
	for i := range seats {
		if done, err := Take(fmt.Sprintf("%s seat %d", key, i), false); err == nil {
			t.Cleanup(done)
			return
		}
	}
	t.Errorf("OVERLAP: all %d seats of %s are taken", seats, key)
}

func hold(t TB, key string, shared bool) {
	t.Helper()
	done, err := Take(key, shared)
	if err != nil {
		t.Errorf("OVERLAP: %v", err)
		return
	}
	t.Cleanup(done)
}

// Take marks a resource as used until done is called.
func Take(key string, shared bool) (done func(), err error) {
	dir, err := directory()
	if err != nil {
		return nil, err
	}
	if done, err = judge.Take(filepath.Join(dir, url.PathEscape(key)), shared); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return done, nil
}

// directory is the same for all processes that share a store, and no others:
// who uses another store is no rival.
func directory() (string, error) {
	store := os.Getenv("RTEST_URL") + " " + os.Getenv("RTEST_NAMESPACE")
	if strings.HasPrefix(store, "mem:") {
		store += fmt.Sprint(" of process ", os.Getpid())
	}
	sum := sha256.Sum256([]byte(store))
	dir := filepath.Join(temp, fmt.Sprintf("resourcelocker-examples-%d", os.Getuid()), hex.EncodeToString(sum[:6]))
	return dir, os.MkdirAll(dir, 0o700)
}
