//go:build unix

package filestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// In a directory that others may write to, they can put anything in the place of
// the files of a store. That must not change a file of this user elsewhere, nor
// block a process, nor cost it much memory.

// victim makes a file that somebody would like to have overwritten, and checks at
// the end that it is as it was.
func victim(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b, err := os.ReadFile(path)
		if st, statErr := os.Stat(path); err != nil || statErr != nil || string(b) != "precious" || st.Mode() != 0o600 {
			t.Errorf("the file of this user is %.60q now, with %v (%v)", b, st.Mode(), err)
		}
	})
	return path
}

func sharedDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// refused opens the store and takes a key, and wants an error that names what is
// strange.
func refused(t *testing.T, dir, path, what string) {
	t.Helper()
	s, err := Open(t.Context(), dir, nil)
	if err == nil {
		defer s.Close()
		_, err = s.Ask(t.Context(), &lockcore.Ticket{ID: "x", Requirements: []lockcore.Requirement{some(1, "k")}}, nil)
	}
	want := "file: " + path + " is " + what + ", which this program never makes: see who put it there (ls -ld " + path + "), then delete it"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestALinkIsNotFollowed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ns-default/state", "ns-default", "ns-default/procs", ".holders", ".holders/ns-default"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, elsewhere := sharedDir(t), t.TempDir()
			path := filepath.Join(dir, name)
			if name == "ns-default/state" {
				link(t, victim(t), path)
			} else {
				link(t, elsewhere, path)
			}
			refused(t, dir, path, "a symbolic link")
			if made, err := os.ReadDir(elsewhere); err != nil || len(made) > 0 {
				t.Errorf("made elsewhere: %v, %v", made, err)
			}
		})
	}
}

// A link to a directory that is put in the place of one that is in use.
func TestAnExchangedDirectoryIsNotFollowed(t *testing.T) {
	t.Parallel()
	dir, elsewhere := sharedDir(t), t.TempDir()
	s := open(t, dir)
	ask(t, s, "one", false, some(1, "k"))
	if err := os.Rename(s.loc.space, s.loc.space+"-old"); err != nil {
		t.Fatal(err)
	}
	link(t, elsewhere, s.loc.space)
	_, err := s.Ask(t.Context(), &lockcore.Ticket{ID: "x", Requirements: []lockcore.Requirement{some(1, "j")}}, nil)
	var strange *strangeError
	if !errors.As(err, &strange) || strange.path != s.loc.space || strange.what != "a symbolic link" {
		t.Errorf("got %v", err)
	}
	if made, err := os.ReadDir(elsewhere); err != nil || len(made) > 0 {
		t.Errorf("made elsewhere: %v, %v", made, err)
	}
}

func TestASecondNameOfAFileIsRefused(t *testing.T) {
	t.Parallel()
	dir := sharedDir(t)
	path := filepath.Join(dir, "ns-default", "state")
	if err := os.Mkdir(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(victim(t), path); err != nil {
		t.Skipf("the directories for temporary files are on several file systems: %v", err)
	}
	refused(t, dir, path, "a file with 2 names (hard links)")
}

// Opening a pipe waits for somebody at the other end, if one lets it.
func TestAPipeBlocksNobody(t *testing.T) {
	t.Parallel()
	dir := sharedDir(t)
	path := filepath.Join(dir, "ns-default", "state")
	if err := os.Mkdir(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	refused(t, dir, path, "a named pipe")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	for _, name := range []string{"procs/1-pipe", historyName, holdsName, historyName + newSuffix} {
		if err := syscall.Mkfifo(filepath.Join(s.loc.space, name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if s.loc.dead("1-pipe") {
		t.Error("a pipe proves the death of a process")
	}
	hold(t, s, "TestOne")
	hold(t, open(t, dir), "TestTwo")
}

// What is written without looking at an error: wake-ups and the history.
func TestNothingIsWrittenThroughALink(t *testing.T) {
	t.Parallel()
	dir := sharedDir(t)
	s := open(t, dir)
	for _, name := range []string{"procs/1-peer" + fifoSuffix, "procs/1-peer" + portSuffix, "procs/" + s.id + fifoSuffix, "procs/" + s.id + portSuffix, historyName, holdsName} {
		link(t, victim(t), filepath.Join(s.loc.space, name))
	}
	call(s.loc.at(), "1-peer", appendWakeUp(nil, "one"))
	hold(t, s, "TestOne")
	ask(t, s, "held", false, some(1, "j"))
	ask(t, s, "waits", true, some(1, "j")) // opens its pipe
	removeAll(t, filepath.Join(s.loc.space, historyName))
	removeAll(t, filepath.Join(s.loc.space, holdsName))
	link(t, victim(t), filepath.Join(s.loc.space, historyName+newSuffix))
	hold(t, s, strings.Repeat("x", holdsLimit)) // is folded at once
	if err := os.WriteFile(filepath.Join(s.loc.space, "procs", "1-file"+fifoSuffix), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	call(s.loc.at(), "1-file", appendWakeUp(nil, "one"))
	if b, err := os.ReadFile(filepath.Join(s.loc.space, "procs", "1-file"+fifoSuffix)); err != nil || len(b) > 0 {
		t.Errorf("a wake-up was written to a file that is no pipe: %x, %v", b, err)
	}
}

// The mode of what exists is the business of whoever made it.
func TestTheModeOfWhatExistsIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := sharedDir(t)
	space := filepath.Join(dir, "ns-default")
	for _, d := range []string{space, space + "/procs"} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"state", "holds", "history"} {
		if err := os.WriteFile(filepath.Join(space, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	hold(t, s, "TestOne")
	hold(t, s, strings.Repeat("x", holdsLimit))
	for name, want := range map[string]fs.FileMode{"ns-default": 0o700, "ns-default/procs": 0o700, "ns-default/state": 0o600, "ns-default/holds": 0o600} {
		if got := modes(t, dir)[name]; got != want {
			t.Errorf("%s had %v and has %v", name, want, got)
		}
	}
}

// In a private directory everything belongs to its owner.
func TestAForeignFileInAPrivateDirectory(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root, to be two users: sudo go test")
	}
	for _, name := range []string{"ns-default/state", "ns-default", "ns-default/procs", ".holders"} {
		dir := t.TempDir()
		s := open(t, dir)
		hold(t, s, "TestOne")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		refused(t, dir, path, "of user 65534")
	}
}

// A forged header in a file that is long but empty.
func TestAForgedHeaderCostsLittle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ask(t, s, "one", false, some(1, "k"))
	h := s.head
	h.gen, h.at, h.size = h.gen+1000, statesAt, 1<<30
	f, err := openFile(s.loc.state(), forChange, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if err := f.writeAt(h.append(nil), int64(1-s.slot)*slotSize); err != nil {
		t.Fatal(err)
	}
	if err := f.truncate(statesAt + 1<<30); err != nil {
		t.Skipf("this file system has no files of a gigabyte: %v", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = Open(t.Context(), dir, nil)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a forged header: %v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
		t.Errorf("a forged header made a process take %d MiB", n>>20)
	}
}
