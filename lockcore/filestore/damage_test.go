package filestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// overwrite puts something else into a state file, between two steps. os.WriteFile
// would empty it first, and a step of a process with leases, which looks after its
// state, could begin a new one meanwhile.
func overwrite(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := openFile(path, forChange, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if !lockSoon(&f, watchdog) {
		t.Fatal("the state is locked all the time")
	}
	defer f.unlock()
	if err := errors.Join(f.writeAt(b, 0), f.truncate(int64(len(b)))); err != nil {
		t.Fatal(err)
	}
}

// Whatever is done to the state file while somebody holds a lease: the next step
// says what is wrong and how to mend it, or still knows of the lease.
func TestADamagedStateIsNeverTakenForANewOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		large  bool
		damage func(b []byte) []byte
		says   string
	}{
		{"cut in the header", false, func(b []byte) []byte { return b[:50] }, "damaged"},
		{"cut in the small state", false, func(b []byte) []byte { return b[:slotSize+headerSize+5] }, "the checksum of the state is wrong"},
		{"cut before the large state", true, func(b []byte) []byte { return b[:statesAt] }, "it ends in the middle of the state"},
		{"cut in the large state", true, func(b []byte) []byte { return b[:statesAt+500] }, "it ends in the middle of the state"},
		{"garbage", false, func(b []byte) []byte { return []byte(strings.Repeat("garbage\n", 2000)) }, "it is not a state file of this package"},
		{"a garbled beginning", false, func(b []byte) []byte { copy(b, "garbage\n"); return b }, "it is not a state file of this package"},
		{"a newer version", true, func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[8:], formatVersion+1)
			binary.LittleEndian.PutUint32(b[slotSize+8:], formatVersion+1)
			return b
		}, fmt.Sprintf("was written by another version of this program (it has format version %d, this program knows %d to %d)", formatVersion+1, version1, formatVersion)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			holder := startChild(t, dir)
			held := []string{"k"}
			if c.large {
				held = append(held, strings.Repeat("x", 10_000))
			}
			holder.acquire("held", len(held), held...)
			if !c.large {
				// One more step, so that the second slot is the current one.
				holder.acquire("more", 1, "more")
				holder.acquire("more2", 1, "more2")
			}
			path := (&location{space: dir + "/ns-default"}).state()
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, path, c.damage(append([]byte(nil), good...)))
			s, err := Open(t.Context(), dir, nil)
			if err == nil {
				defer s.Close()
				if ask(t, s, "try", false, some(1, "k")) != nil {
					t.Fatal("k is held and was given out again")
				}
				t.Fatal("the damage was not noticed")
			}
			pid := fmt.Sprint(holder.cmd.Process.Pid)
			for _, want := range []string{c.says, path, "end the processes that use it (pid " + pid + "), then delete " + dir + "/ns-default"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			// The mend works.
			holder.kill()
			if err := os.RemoveAll(dir + "/ns-default"); err != nil {
				t.Fatal(err)
			}
			if ask(t, open(t, dir), "try", false, some(1, "k")) == nil {
				t.Error("a new state, and k is held")
			}
		})
	}
}

// TestAnyFlippedByteIsNoticedOrHarmless turns bytes of the file over, one at a
// time.
func TestAnyFlippedByteIsNoticedOrHarmless(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ask(t, s, "held", false, some(1, "k"))
	path := s.loc.state()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var noticed int
	for i := range 600 {
		at := i / 2 // the headers, and what is behind them
		if i%2 == 1 {
			at += slotSize
		}
		bad := append([]byte(nil), good...)
		bad[at] ^= 1 << rand.IntN(8)
		overwrite(t, path, bad)
		probe, err := Open(context.Background(), dir, nil)
		if err != nil {
			noticed++
		} else {
			snap, err := probe.Snapshot(t.Context())
			if err == nil && (len(snap.Holders) != 1 || snap.Holders[0].Keys()[0] != "k") {
				t.Errorf("byte %d: the lease is gone: %+v", at, snap)
			}
			if err := probe.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if noticed < 2*headerSize {
		t.Errorf("%d flips were noticed, fewer than the headers have bytes", noticed)
	}
	overwrite(t, path, good)
	errs, err := s.Renew(t.Context(), []*lockcore.Grant{{Ticket: &lockcore.Ticket{ID: "held"}}})
	if err != nil || errs[0] != nil {
		t.Errorf("with the file of before the lease is gone: %v, %v", errs, err)
	}
}

// After a crash of the machine, files may be anything, but nobody who held
// something is alive.
func TestACrashOfTheMachineStartsAnewOnlyWhatItHasLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		tear func(t *testing.T, s *Store, f file)
		held bool
	}{
		{"all was written", func(*testing.T, *Store, file) {}, true},
		{"the last header was torn", func(t *testing.T, s *Store, f file) { scribble(t, f, int64(s.slot)*slotSize+40) }, true},
		{"the last state was torn", func(t *testing.T, s *Store, f file) { scribble(t, f, s.head.at) }, true},
		{"both states were torn", func(t *testing.T, s *Store, f file) {
			scribble(t, f, headerSize+2)
			scribble(t, f, slotSize+headerSize+2)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := open(t, dir)
			s.boot = hashID("the boot before")
			g := ask(t, s, "held", false, some(1, "k"))
			if err := s.Release(t.Context(), g, 1<<60); err != nil { // kept: by nobody who could die
				t.Fatal(err)
			}
			ask(t, s, "more", false, some(1, "more"))
			token := s.head.gen
			f, err := openFile(s.loc.state(), forChange, 0)
			if err != nil {
				t.Fatal(err)
			}
			c.tear(t, s, f)
			f.close()
			s.retire(true)
			next := open(t, dir)
			got := ask(t, next, "try", false, some(1, "k"))
			if (got == nil) != c.held {
				t.Errorf("k was given out: %v, want %v", got != nil, !c.held)
			}
			if next.head.gen <= token-1 {
				t.Errorf("generation %d after %d", next.head.gen, token)
			}
		})
	}
}

func scribble(t *testing.T, f file, at int64) {
	t.Helper()
	if err := f.writeAt([]byte("scribble"), at); err != nil {
		t.Fatal(err)
	}
}

// A disk that is full, or a limit, cuts a write in the middle: the state stays as
// it was.
func TestAWriteThatIsCutLeavesTheOldState(t *testing.T) {
	t.Parallel()
	for _, at := range []int{50, headerSize, headerSize + 50, slotSize + 50, slotSize + headerSize, slotSize + headerSize + 50, statesAt + 5000} {
		dir := t.TempDir()
		c := startChild(t, dir)
		c.acquire("held", 1, "k")
		s := open(t, dir)
		for i := range 4 { // both slots, small states and large ones
			if r := c.call(order{Do: "limit file size", Name: "limit", Count: at}); r.Error != "" {
				t.Skip(r.Error) // no Unix
			}
			cut := c.call(order{Do: "acquire", Name: fmt.Sprint("cut ", i), Keys: []string{"c", strings.Repeat("y", 1+i*5000)}, Need: 1})
			if r := c.call(order{Do: "limit file size", Name: "limit", Count: 1 << 30}); r.Error != "" {
				t.Fatal(r.Error)
			}
			if snap, err := s.Snapshot(t.Context()); err != nil || len(snap.Holders) == 0 || snap.Holders[0].Owner.Test != "held" {
				t.Fatalf("cut at %d: %+v, %v", at, snap, err)
			}
			if cut.Error == "" {
				c.call(order{Do: "release", Name: fmt.Sprint("cut ", i)})
			}
			if err := s.Release(t.Context(), ask(t, s, "other", false, some(1, "o")), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A byte of the log that was turned over is noticed by those who read all of the
// log, and by those who read what was appended since their last step.
func TestAFlippedByteInTheLogIsNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, other := openWith(t, dir, &Options{large: true}), openWith(t, dir, &Options{large: true})
	ask(t, s, "held", false, some(1, "k"))
	if _, err := other.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	known := other.head
	ask(t, s, "more", false, some(1, "more"))
	if s.head.written != known.written || s.head.logSize <= known.logSize || known.logSize == 0 {
		t.Fatalf("the log does not grow: %+v, then %+v", known, s.head)
	}
	path := s.loc.state()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := openFile(path, forChange, 0) // never emptied: that would be another fault
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	put := func(at int64, b byte) {
		t.Helper()
		if err := f.writeAt([]byte{b}, at); err != nil {
			t.Fatal(err)
		}
	}
	log := s.head.at + s.head.size
	for at := log; at < s.head.used().end(); at++ {
		put(at, good[at]^1<<rand.IntN(8))
		if fresh, err := Open(t.Context(), dir, nil); err == nil {
			fresh.Close()
			t.Fatalf("byte %d of the log was turned over, and a state was read", at-log)
		} else if !strings.Contains(err.Error(), errBadLog.Error()) {
			t.Fatal(err)
		}
		if at >= known.used().end() { // else other has read it before
			err := other.view(t.Context(), nil)
			if err == nil || !strings.Contains(err.Error(), errBadLog.Error()) {
				t.Fatalf("byte %d of the log was turned over: %v", at-log, err)
			}
			// For the next one: as it was before.
			other.head = known
			if other.state, err = other.decodeAt(known); err != nil {
				t.Fatal(err)
			}
		}
		put(at, good[at])
	}
	if snap, err := other.Snapshot(t.Context()); err != nil || len(snap.Holders) != 2 {
		t.Errorf("%+v, %v", snap, err)
	}
}

// decodeAt decodes what a header points to, outside a step.
func (s *Store) decodeAt(h header) (*sched.State, error) {
	f, err := openFile(s.loc.state(), forTest, 0)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if s.at, err = f.info(); err != nil {
		return nil, err
	}
	return s.decode(f, &h)
}

// A state in memory is brought up to date by a log only if it is the one that the
// log is about.
func TestTheLogOfAnotherStateIsNotApplied(t *testing.T) {
	t.Parallel()
	s := openWith(t, t.TempDir(), &Options{large: true})
	ask(t, s, "held", false, some(1, "k"))
	old := s.head
	ask(t, s, "more", false, some(1, "more"))
	for what, change := range map[string]func(h *header){
		"of another instance":      func(h *header) { h.instance[0]++ },
		"of another whole state":   func(h *header) { h.written-- },
		"of an earlier generation": func(h *header) { h.gen = old.gen - 1 },
		"shorter":                  func(h *header) { h.logSize = old.logSize - 1 },
		"with another checksum":    func(h *header) { h.logSum++ },
		"beyond the end":           func(h *header) { h.logSize = 1 << 30 },
		"its own":                  func(*header) {},
	} {
		newer := s.head
		change(&newer)
		probe := &Store{loc: s.loc, history: s.history, head: old}
		var err error
		if probe.state, err = probe.decodeAt(old); err != nil {
			t.Fatal(err)
		}
		f, err := openFile(s.loc.state(), forTest, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := probe.catchUp(f, &newer); got != (what == "its own") {
			t.Errorf("a log %s: applied is %v", what, got)
		}
		f.close()
	}
}
