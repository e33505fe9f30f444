package filestore

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestNamespacesNeverShareADirectory(t *testing.T) {
	names := []string{"default", "Default", "DEFAULT", "a/b", "a_b", "a\\b", "a b", "..", ".", "", "/", "con", "nul", "ns-a", "ä", "a\u0308", "a:b", "a\x00b", "a~b",
		strings.Repeat("n", 41), strings.Repeat("n", 42), strings.Repeat("n", 10_000), "板"}
	seen := make(map[string]string)
	for _, n := range names {
		e := strings.ToLower(escape(n)) // as a case-insensitive file system sees it
		if other, ok := seen[e]; ok {
			t.Errorf("%.50q and %.50q share the directory %q", n, other, e)
		}
		seen[e] = n
		if len(e) > 100 || strings.ContainsAny(e, `/\:*?"<>| `) || !strings.HasPrefix(e, "ns") {
			t.Errorf("%.50q has a directory that not every system knows: %q", n, e)
		}
	}
}

func TestADirectoryMustBeThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	_, err := Open(t.Context(), missing, nil)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "there is no directory "+missing+": make it first (mkdir -p") {
		t.Errorf("a missing directory: %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a directory that was perhaps mistyped was made")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), file, nil); err == nil || !strings.Contains(err.Error(), file+" is not a directory") {
		t.Errorf("a file: %v", err)
	}
}

// startedWith runs the calling test again, in a process that is started with
// these variables; it returns false there.
func startedWith(t *testing.T, vars ...string) (parent bool) {
	t.Helper()
	const mark = "FILESTORE_STARTED_WITH="
	if os.Getenv(strings.TrimSuffix(mark, "=")) != "" {
		return false
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$")
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(os.Environ(), mark+"1"), vars...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("started with %s: %v\n%s", vars, err, out)
	}
	return true
}

func TestTheDirectoryOfTheUserIsMade(t *testing.T) {
	home := t.TempDir()
	if startedWith(t, "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "LocalAppData="+home) {
		return
	}
	s := open(t, "")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "rtest")
	if got, want := s.String(), "file:"+dir; got != want {
		t.Errorf("the store is %s, want %s", got, want)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if ask(t, s, "x", false, some(1, "k")) == nil {
		t.Error("the directory was deleted, and is not made again")
	}
}

func TestWithoutAHomeTheDirectoryMustBeNamed(t *testing.T) {
	if startedWith(t, "HOME=", "XDG_CACHE_HOME=", "LocalAppData=") {
		return
	}
	t.Setenv("HOME", t.TempDir()) // too late
	if _, err := Open(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), "set HOME or XDG_CACHE_HOME, or name a directory") {
		t.Errorf("without a home: %v", err)
	}
}

// A test that changes what names the default directory, or its working directory,
// while another one acquires, must not get another store.
func TestTheDirectoryIsThatOfTheStart(t *testing.T) {
	home := t.TempDir()
	if startedWith(t, "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "LocalAppData="+home) {
		return
	}
	const name = "relative"
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	before, relative := open(t, ""), open(t, name)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("LocalAppData", t.TempDir())
	t.Chdir(t.TempDir())
	for dir, first := range map[string]*Store{"": before, name: relative} {
		second := open(t, dir)
		if first.String() != second.String() {
			t.Errorf("%q was %s and is %s", dir, first, second)
		}
		if ask(t, first, "a"+dir, false, some(1, "board-1")) == nil || ask(t, second, "b"+dir, false, some(1, "board-1")) != nil {
			t.Errorf("%q: board-1 has two holders", dir)
		}
	}
}

func TestAStoreWithAVeryLongPathWakesItsWaiters(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 200)) // longer than the address of a socket may be
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c := startChild(t, dir)
	c.acquire("held", 1, "k")
	s := open(t, dir)
	c2 := startChild(t, dir)
	c2.send(order{Do: "acquire", Name: "waits", Keys: []string{"k"}})
	until(t, s, "the child waits", waiting("waits"))
	if r := c.call(order{Do: "release", Name: "held"}); r.Error != "" {
		t.Fatal(r.Error)
	}
	if r := c2.await("waits"); r.Error != "" {
		t.Fatal(r.Error)
	}
}

func TestANetworkFileSystemIsRefused(t *testing.T) {
	dir := t.TempDir()
	_, err := locate(dir, "default", func(string) string { return "NFS" })
	want := "file: " + dir + " is on a network file system (NFS), whose locks and clocks cannot be relied on: choose a directory on a local disk (mkdir -m 700 /tmp/rtest, then file:///tmp/rtest), or share a Redis server instead"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("something was made there: %v", left)
	}
}

func TestRemoteMount(t *testing.T) {
	const mounts = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:41 / /home/u/remote rw,nosuid shared:2 - fuse.sshfs u@host:/dir rw,user_id=0
41 22 0:42 / /home/u/disk rw shared:3 - fuseblk /dev/sdb1 rw
42 22 0:43 / /home/u/secret rw shared:3 - fuse.gocryptfs /x rw
43 22 0:44 / /data rw shared:3 master:4 - fuse rclone rw
short line
`
	for device, want := range map[string]string{"0:41": "fuse.sshfs", "0:42": "", "0:43": "", "0:44": "fuse, rclone", "254:0": "", "9:9": ""} {
		if got := remoteMount(mounts, device); got != want {
			t.Errorf("device %s is on %q, want %q", device, got, want)
		}
	}
}
