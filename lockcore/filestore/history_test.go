package filestore

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// hold takes and returns a key, which is what a history learns from.
func hold(t *testing.T, s *Store, test string) {
	t.Helper()
	if err := s.Release(t.Context(), ask(t, s, test, false, some(1, "k")), 0); err != nil {
		t.Fatal(err)
	}
}

// known lists the tests that a process which starts now knows, with the number of
// their holds.
func known(t *testing.T, dir string) map[string]int {
	t.Helper()
	usages, err := open(t, dir).History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]int)
	for _, u := range usages {
		out[u.Test] = u.Holds
	}
	return out
}

// A test binary never closes its store, and often lives for less than a second.
func TestAShortRunTeachesTheNextProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 3 {
		c := startChild(t, dir)
		c.acquire("TestShort", 1, "k")
		if r := c.call(order{Do: "release", Name: "TestShort"}); r.Error != "" {
			t.Fatal(r.Error)
		}
		c.kill()
	}
	if got := known(t, dir); got["TestShort"] != 3 {
		t.Errorf("three runs held k once each, and the next process knows of %v", got)
	}
}

func TestHoldsAreFoldedIntoTheHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	hold(t, a, "TestOne")
	for i := range 30 { // each name is ten kilobytes long, so that the limit is reached soon
		hold(t, b, strings.Repeat("x", 10_000)+string(rune('a'+i%26)))
	}
	hold(t, a, "TestTwo")
	holds, err := os.Stat(filepath.Join(a.loc.space, holdsName))
	if err != nil || holds.Size() > holdsLimit {
		t.Errorf("the file of holds has not been emptied: %v, %v", holds, err)
	}
	if _, err := os.Stat(filepath.Join(a.loc.space, historyName)); err != nil {
		t.Error(err)
	}
	got := known(t, dir)
	if got["TestOne"] != 1 || got["TestTwo"] != 1 || len(got) != 28 || got[strings.Repeat("x", 10_000)+"a"] != 2 {
		t.Errorf("a process that starts knows %d tests, TestOne %d times and TestTwo %d times", len(got), got["TestOne"], got["TestTwo"])
	}
	// The names of all take 300 KB. The file has room for two states with a lease, of
	// 30 KB each, and their logs.
	st, err := os.Stat(b.loc.state())
	if err != nil || st.Size() > 200_000 {
		t.Errorf("the state has grown: %v, %v", st, err)
	}
}

// A process that lives for long learns what others do.
func TestHistoryIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	hold(t, a, "TestOther")
	b.history.read = b.history.read.Add(-2 * historyEvery)
	hold(t, b, "TestMine")
	if !slices.ContainsFunc(usages(t, b), func(u lockcore.Usage) bool { return u.Test == "TestOther" }) {
		t.Error("what another process learned is not known after a while")
	}
}

// usages lists what a store knows without reading its files again.
func usages(t *testing.T, s *Store) []lockcore.Usage {
	t.Helper()
	return s.state.Usages(time.Now().UnixNano(), noChoice)
}

// Damaged files cost what was learned, and nothing else.
func TestADamagedHistoryIsWrittenAnew(t *testing.T) {
	t.Parallel()
	for _, name := range []string{historyName, holdsName} {
		dir := t.TempDir()
		s := open(t, dir)
		hold(t, s, "TestOne")
		path := filepath.Join(s.loc.space, name)
		if err := os.WriteFile(path, []byte(strings.Repeat("garbage\n", holdsLimit/8)), 0o600); err != nil {
			t.Fatal(err)
		}
		hold(t, s, "TestTwo") // makes the file so long that it is folded
		hold(t, s, "TestThree")
		if got := known(t, dir); got["TestThree"] != 1 {
			t.Errorf("with a damaged file %s, a process that starts knows %v", name, got)
		}
	}
}

// A file that is far too long is not read at all.
func TestAForgedHistoryCostsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, name := range []string{historyName, holdsName} {
		path := filepath.Join(s.loc.space, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 1<<40); err != nil {
			t.Skipf("this file system has no files of a terabyte: %v", err)
		}
		if b, err := s.loc.readFile(name, historyLimit); err != errTooLong || b != nil {
			t.Errorf("%s: %d bytes were read, %v", name, len(b), err)
		}
	}
	if got := known(t, dir); len(got) != 0 {
		t.Errorf("known: %v", got)
	}
}
