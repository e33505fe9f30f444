package filestore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Another user's default store is told of while somebody lives in it.
func TestTheDefaultStoreOfAnotherUserIsSeenWhileItIsInUse(t *testing.T) {
	if startedWith(t, "HOME="+filepath.Join(t.TempDir(), "me"), "XDG_CACHE_HOME=") {
		return
	}
	own := os.Getenv("HOME")
	homes := filepath.Dir(own)
	other, idle := filepath.Join(homes, "alice"), filepath.Join(homes, "bob")
	cache := func(home string) string {
		dir := filepath.Join(home, ".cache", "rtest")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	s := open(t, "")
	if want := "file:" + cache(own); s.String() != want {
		t.Fatalf("the store is %s, want %s", s, want)
	}
	users := filepath.Join(t.TempDir(), "passwd")
	lines := fmt.Sprintf("me:x:1:1::%s:/bin/sh\nalice:x:2:2::%s:/bin/sh\nbob:x:3:3::%s:/bin/sh\nnobody:x:4:4::/nonexistent:/bin/false\n\nshort:x\nagain:x:5:5::%s:/bin/sh\n", own, other, idle, other)
	if err := os.WriteFile(users, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	see := func() string {
		var names []string
		for _, n := range neighbours(users, s.loc) {
			names = append(names, n.user+" "+n.dir+" "+n.process)
		}
		return strings.Join(names, ", ")
	}
	if got := see(); got != "" {
		t.Errorf("nobody is there: saw %s", got)
	}
	open(t, cache(idle)).Close()
	hers := startChild(t, cache(other))
	hers.acquire("held", 1, "board-1")
	if got, want := see(), fmt.Sprintf("alice %s process %d", cache(other), hers.cmd.Process.Pid); got != want {
		t.Errorf("saw %q, want %q", got, want)
	}
	passwd = users
	words := "it is the default store of one user of this machine, and alice has another one that is in use (" + cache(other) + ", by process "
	if warnings, err := s.Check(t.Context()); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], words) || !strings.Contains(warnings[0], "set RTEST_URL=file:///var/lib/rtest") {
		t.Errorf("%q %v, want %s", warnings, err, words)
	}
	hers.kill()
	if got := see(); got != "" {
		t.Errorf("it was killed: saw %s", got)
	}
	if warnings, err := s.Check(t.Context()); err != nil || warnings != nil {
		t.Errorf("it was killed: %q %v", warnings, err)
	}
	hers = startChild(t, cache(other))
	hers.acquire("held", 1, "board-1")
	if warnings, err := open(t, cache(other)).Check(t.Context()); err != nil || warnings != nil {
		t.Errorf("of a directory that was named: %q %v", warnings, err)
	}
}
