//go:build unix

package filestore

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// modes lists the access of everything below dir.
func modes(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	out := make(map[string]fs.FileMode)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if filepath.Base(filepath.Dir(path)) == "procs" {
			name = "ns-default/procs/*" + filepath.Ext(path)
		}
		out[name] = info.Mode() &^ fs.ModeDir
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAccessFollowsTheDirectory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dir               fs.FileMode
		files, dirs, fifo fs.FileMode
	}{
		{0o700, 0o600, 0o700, fs.ModeNamedPipe | 0o600},
		{0o755, 0o600, 0o700, fs.ModeNamedPipe | 0o600},
		{0o770, 0o660, 0o770, fs.ModeNamedPipe | 0o660},
		{0o770 | fs.ModeSetgid, 0o660, 0o770 | fs.ModeSetgid, fs.ModeNamedPipe | 0o660},
		{0o777 | fs.ModeSticky, 0o666, 0o777, fs.ModeNamedPipe | 0o666},
	} {
		dir := t.TempDir()
		if err := os.Chmod(dir, c.dir); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		g := ask(t, s, "held", false, some(1, "k"))
		ask(t, s, "waits", true, some(1, "k"))
		if err := s.Release(t.Context(), g, 0); err != nil {
			t.Fatal(err)
		}
		want := map[string]fs.FileMode{"ns-default": c.dirs, "ns-default/procs": c.dirs, "ns-default/state": c.files, "ns-default/procs/*": c.files, "ns-default/procs/*.fifo": c.fifo}
		got := modes(t, dir)
		for name, mode := range want {
			if got[name] != mode {
				t.Errorf("in a directory with mode %v, %s has %v, want %v", c.dir, name, got[name], mode)
			}
		}
	}
}

// asNobody starts a child that may not do what root may.
func asNobody(t *testing.T) *child {
	t.Helper()
	if os.Getuid() != 0 {
		return newChild(t, exec.Command(os.Args[0]))
	}
	// The test binary is in a directory that only root may enter.
	dir, err := os.MkdirTemp("", "filestore")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	copied, err := os.OpenFile(filepath.Join(dir, "child"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(copied, self); err != nil {
		t.Fatal(err)
	}
	if err := copied.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return newChild(t, cmd)
}

// openTemp makes a directory that everybody may enter.
func openTemp(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "filestore")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestADirectoryThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := openTemp(t, 0o555)
	r := asNobody(t).call(order{Do: "open", Dir: dir})
	want := []string{"file: mkdir " + dir + "/ns-default: permission denied: it belongs to another user, or is not writable; to share " + dir + " with a group", "chmod 2770", "choose another directory"}
	for _, w := range want {
		if !strings.Contains(r.Error, w) {
			t.Errorf("the error does not say %q: %s", w, r.Error)
		}
	}
}

func TestTheStateOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to be two users: sudo go test")
	}
	private, shared := openTemp(t, 0o755), openTemp(t, 0o777)
	open(t, private)
	if r := asNobody(t).call(order{Do: "open", Dir: private}); !strings.Contains(r.Error, "permission denied: it belongs to another user") {
		t.Errorf("a private directory: %s", r.Error)
	}

	// In a directory that is shared, each sees whether the other lives, and wakes him.
	s := open(t, shared)
	held := ask(t, s, "held", false, some(1, "k"))
	c := asNobody(t)
	if r := c.call(order{Do: "open", Dir: shared}); r.Error != "" {
		t.Fatal(r.Error)
	}
	c.send(order{Do: "acquire", Name: "theirs", Keys: []string{"k"}})
	until(t, s, "the other user waits", waiting("theirs"))
	if err := s.Release(t.Context(), held, 0); err != nil {
		t.Fatal(err)
	}
	if r := c.await("theirs"); r.Error != "" {
		t.Fatal(r.Error)
	}
	c.kill()
	if ask(t, s, "mine", false, some(1, "k")) == nil {
		t.Error("the other user's process is dead and still holds k")
	}
}

// fullDisk checks a store whose disk has no room for a larger state.
func fullDisk(t *testing.T, c *child) {
	t.Helper()
	large := strings.Repeat("x", 100_000)
	r := c.call(order{Do: "acquire", Name: "large", Keys: []string{large}, Try: true})
	for _, want := range []string{"state: ", ": nothing was changed; free some space there, or choose another directory"} {
		if !strings.Contains(r.Error, want) {
			t.Fatalf("on a full disk: want an error that says %q, got %+v", want, r)
		}
	}
	c.acquire("small", 1, "k2") // what is small has its room
	for _, name := range []string{"held", "small"} {
		if r := c.call(order{Do: "release", Name: name}); r.Error != "" {
			t.Errorf("on a full disk, %s cannot be released: %s", name, r.Error)
		}
	}
	c.acquire("again", 1, "k")
}

func TestALimitedFileSize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir)
	c.acquire("held", 1, "k")
	if r := c.call(order{Do: "limit file size", Name: "limit", Count: reservedSize}); r.Error != "" {
		t.Fatal(r.Error)
	}
	fullDisk(t, c)
	if r := c.call(order{Do: "limit file size", Name: "limit", Count: 1 << 30}); r.Error != "" {
		t.Fatal(r.Error)
	}
	c.acquire("large", 1, strings.Repeat("x", 100_000))
}

// mount makes a small file system for the test.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("needs to mount a tmpfs (Linux, root): %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	return dir
}

func TestAFullDisk(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=160k,mode=700")
	c := startChild(t, dir)
	c.acquire("held", 1, "k")
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	fullDisk(t, c)
	if _, err := Open(t.Context(), dir, &Options{Namespace: "other"}); err == nil || !strings.Contains(err.Error(), "no space left on device") {
		t.Errorf("a new namespace on a full disk: %v", err)
	}
}

func TestAReadOnlyFileSystem(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=160k,mode=700")
	if out, err := exec.Command("mount", "-o", "remount,ro", dir).CombinedOutput(); err != nil {
		t.Fatalf("remount: %s", out)
	}
	_, err := Open(t.Context(), dir, nil)
	if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "choose a directory on a disk that can be written") {
		t.Errorf("a read-only file system: %v", err)
	}
}
