//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A fault is what happens to the nth change of a file that a step makes.
type fault struct {
	name   string
	halves bool // part of it is written
	whole  bool // all of it
	end    bool // and then the process ends
}

var everyFault = []fault{
	{"it fails", false, false, false},
	{"it is cut and fails", true, false, false},
	{"the process ends before it", false, false, true},
	{"the process ends in the middle of it", true, false, true},
	{"the process ends after it", false, true, true},
}

// withFault runs f, in which the nth change of a file below dir meets the fault. It
// returns what was changed, in order, and whether there was an nth.
func withFault(dir string, n int, ft fault, f func()) (ops []string, met bool) {
	ended := false
	m := meddler(func(op, path string, at int64, size int) (int, error) {
		if op == "read" || !strings.HasPrefix(path, dir+"/") {
			return size, nil
		}
		err := &fs.PathError{Op: op, Path: path, Err: syscall.ENOSPC}
		if ended {
			return 0, err // nothing is done by a process that has ended
		}
		ops = append(ops, op+" "+strings.TrimPrefix(path, dir+"/"))
		if len(ops)-1 != n {
			return size, nil
		}
		met, ended = true, ft.end
		switch {
		case ft.whole:
			return size, nil
		case ft.halves && ft.end:
			// A signal is looked for before each page, and not inside one.
			return int(max(0, (at+int64(size)-1)/4096*4096-at)), err
		case ft.halves:
			return size / 2, err
		}
		return 0, err
	})
	meddling.Store(&m)
	defer meddling.Store(nil)
	f()
	return ops, met
}

// Somebody empties the file of the state in the middle of a step, before something is
// read or written. That is the same as
// before the step or after it: nobody finds a state that is damaged.
func TestAFileThatIsEmptiedInTheMiddleOfAStepIsNotDamaged(t *testing.T) {
	for _, c := range stepCases {
		if c.full && c.large || c.writes == "small" {
			continue // nothing else than the others
		}
		t.Run(c.name, func(t *testing.T) {
			for n, ops := 0, 1; n < ops; n++ {
				dir := t.TempDir()
				s := openWith(t, dir, &Options{large: c.large}) // reads what the other has written
				c.set(t, openWith(t, dir, &Options{large: c.large}))
				done := 0
				m := meddler(func(_, path string, _ int64, size int) (int, error) {
					if strings.HasPrefix(path, dir+"/") {
						if done == n {
							if err := os.Truncate(s.loc.state(), 0); err != nil {
								t.Error(err)
							}
						}
						done++
					}
					return size, nil
				})
				meddling.Store(&m)
				err := c.do(s)
				meddling.Store(nil)
				ops = max(ops, done)
				if err != nil && !errors.Is(err, lockcore.ErrNotHeld) {
					t.Errorf("emptied before operation %d: %v", n, err)
				}
				fresh := reservations(t, openWith(t, dir, nil))
				if !c.gives && !slices.Contains(fresh, "new") {
					t.Errorf("emptied before operation %d: there are %v", n, fresh)
				}
				if err := reserveWords(s, "next", 100); err != nil {
					t.Errorf("emptied before operation %d: %v", n, err)
				}
			}
		})
	}
}

// A stepCase is a step, and the state that it is made in.
type stepCase struct {
	name  string
	large bool
	// before is what was reserved, by name, with how many bytes of words.
	before []int
	// full fills the log until the next step writes the whole state.
	full bool
	// step changes the state: it reserves with as many bytes of words, or gives back
	// what was reserved first.
	adds   int
	gives  bool
	writes string // how: "small", "whole" or "log"
}

var stepCases = []stepCase{
	{name: "the first small one", adds: 1, writes: "small"},
	{name: "small", before: []int{100, 100}, adds: 100, writes: "small"},
	{name: "small to large", before: []int{100, 100}, adds: 5000, writes: "whole"},
	{name: "log", before: []int{5000, 100}, adds: 100, writes: "log"},
	{name: "log, giving back", before: []int{5000, 100, 100}, gives: true, writes: "log"},
	{name: "the log is full", before: []int{5000, 100}, full: true, adds: 6000, writes: "whole"},
	{name: "the log is full, again", large: true, before: []int{3000, 9000, 9000, 9000, 9000}, full: true, adds: 3000, writes: "whole"},
	{name: "large to small", before: []int{5000}, full: true, gives: true, writes: "small"},
	{name: "all large", large: true, before: []int{10}, adds: 10, writes: "log"},
	{name: "all large, the log is full", large: true, before: []int{10}, full: true, adds: 3500, writes: "whole"},
	{name: "the first large one", large: true, adds: 10, writes: "log"},
}

func reserveWords(s *Store, name string, words int) error {
	t := &lockcore.Ticket{ID: name, TTL: time.Minute, For: time.Hour, Owner: lockcore.Owner{User: name}, Reason: strings.Repeat("x", words), Requirements: []lockcore.Requirement{some(1, "key of "+name)}}
	ans, err := s.Ask(context.Background(), t, nil)
	if err == nil && ans.Grant == nil {
		err = fmt.Errorf("%s was not granted", name)
	}
	return err
}

// set makes the state of before.
func (c *stepCase) set(t *testing.T, s *Store) {
	t.Helper()
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, words := range c.before {
		fatal(reserveWords(s, fmt.Sprint("before ", i), words))
	}
	for i := 0; c.full && s.head.logSize+3500 < logLimit(s.head.size); i++ {
		name := fmt.Sprint("filler ", i)
		fatal(reserveWords(s, name, 3000))
		fatal(s.EndReservation(context.Background(), name, []string{"key of " + name}))
	}
	for i := 0; c.full && c.gives && s.head.logSize+40 < logLimit(s.head.size); i++ {
		_, err := s.Snapshot(context.Background()) // a step that changes next to nothing
		fatal(err)
	}
}

func (c *stepCase) do(s *Store) error {
	if c.gives {
		return s.EndReservation(context.Background(), "before 0", []string{"key of before 0"})
	}
	return reserveWords(s, "new", c.adds)
}

func reservations(t *testing.T, s *Store) []string {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, h := range snap.Holders {
		ids = append(ids, h.ID)
	}
	slices.Sort(ids)
	return ids
}

// Whatever happens to whichever change of a file that a step makes, the state that
// the next process finds is that of before the step or that of after it, for those
// who read it anew and for those who have that of before in memory; and everybody
// goes on from there.
func TestAFaultAtAnyChangeOfAFileLeavesTheStateBeforeOrAfterTheStep(t *testing.T) {
	for _, c := range stepCases {
		t.Run(c.name, func(t *testing.T) {
			for _, ft := range everyFault {
				for n := 0; ; n++ {
					if !c.meets(t, n, ft) {
						break
					}
				}
			}
		})
	}
}

// meets makes the step of the case with the fault at its nth change of a file. It
// reports false if there are not so many.
func (c *stepCase) meets(t *testing.T, n int, ft fault) bool {
	t.Helper()
	dir := t.TempDir()
	o := &Options{large: c.large}
	s := openWith(t, dir, o)
	c.set(t, s)
	other := openWith(t, dir, o)
	before := reservations(t, other)
	after := slices.Clone(before)
	if c.gives {
		after = slices.DeleteFunc(after, func(id string) bool { return id == "before 0" })
	} else {
		after = append(after, "new")
		slices.Sort(after)
	}
	old := s.head
	var failed error
	ops, met := withFault(dir, n, ft, func() {
		failed = c.do(s)
		if ft.end {
			_ = s.Close() // its locks go, and no file
		}
	})
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s, %s at %d of %v (%v): "+format, append([]any{c.name, ft.name, n, ops, failed}, args...)...)
	}
	if !met {
		if failed != nil {
			t.Fatal(failed)
		}
		how := "whole"
		switch h := s.head; {
		case h.used().small():
			how = "small"
		case h.written <= old.gen:
			how = "log"
		}
		if how != c.writes && !ft.end {
			t.Errorf("the step wrote %s, want %s", how, c.writes)
		}
		return false
	}
	known := reservations(t, other)
	fresh := reservations(t, openWith(t, dir, nil))
	if !slices.Equal(fresh, before) && !slices.Equal(fresh, after) {
		fail("found %v, before it was %v, after it would be %v", fresh, before, after)
	}
	if !slices.Equal(known, fresh) {
		fail("one who has read the state before knows of %v, one who reads it anew of %v", known, fresh)
	}
	if !ft.end {
		want := before
		if failed == nil {
			want = after
		}
		if got := reservations(t, s); !slices.Equal(got, want) || !slices.Equal(fresh, want) {
			fail("the process itself knows of %v, others of %v, want %v", got, fresh, want)
		}
	}
	if err := reserveWords(other, "next", 100); err != nil {
		fail("the next step: %v", err)
	}
	if got := reservations(t, openWith(t, dir, nil)); !slices.Contains(got, "next") || len(got) != len(fresh)+1 {
		fail("after the next step there are %v", got)
	}
	return true
}
