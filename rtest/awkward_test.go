package rtest_test

import (
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/rtest"
)

// awkward are keys, and names of subtests, that something on the way to a
// report may stumble over; testdata/scenarios has the same list.
var awkward = []string{"with space", `with "quotes" and 'more'`, "with/slash", "../../up", "ünïcödé 板", "new\nline", "tab\t", "a,b;c", "%s%d%!", "\x1b[31mred", "-flag", "a*2:shared"}

func TestAwkwardNames(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	code, out := l.scenario(t, "TestAwkward", "-test.v", "-test.count=2").end()
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	granted := map[string]int{}
	for _, e := range l.grants(t) {
		granted[e.Chosen[0].Key]++
		mustContain(t, e.Test.Name, "TestAwkward/")
	}
	for _, key := range awkward {
		if granted[key] != 2 {
			t.Errorf("%q was granted %d times on record, want 2", key, granted[key])
		}
		// Who waits for it can read what it is, on one line.
		locker := newLocker(t)
		fake("TestHolder/"+key, func(f *fakeTB) {
			rtest.Acquire(f, rtest.R(key), rtest.Using(locker), rtest.Reason(key))
			g := fake("TestWaiter", func(f *fakeTB) { rtest.Acquire(f, rtest.R(key), rtest.Using(locker), rtest.Wait(0)) })
			mustBeOneLine(t, g.fatal)
		})
	}
	if left := l.left(t); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

func mustBeOneLine(t *testing.T, s string) {
	t.Helper()
	if i := slices.IndexFunc([]rune(s), func(r rune) bool { return r < ' ' }); i >= 0 || s == "" {
		t.Errorf("not one line of text: %q", s)
	}
}

// However many there are, a message stays short.
func TestTenThousandCandidates(t *testing.T) {
	var names []string
	for i := range 10_000 {
		names = append(names, "board-"+strconv.Itoa(i))
	}
	boards, locker := rtest.R(names...).Named("boards"), newLocker(t)
	f := fake("TestHolder", func(f *fakeTB) {
		l := rtest.Acquire(f, boards.Need(9_999), rtest.Using(locker))
		if got := len(boards.From(l)); got != 9_999 {
			t.Errorf("got %d", got)
		}
		if one := boards.One(rtest.Acquire(f, boards, rtest.Using(locker))); slices.Contains(l.Keys(), one) {
			t.Errorf("%s was given twice", one)
		}
		g := fake("TestWaiter", func(f *fakeTB) { rtest.Acquire(f, boards, rtest.Using(locker), rtest.Wait(0)) })
		mustContain(t, g.fatal, "1 of boards [board-0, ", "… 9995 more]", "is held by TestHolder", "and 9995 more")
		if len(g.fatal) > 2000 {
			t.Errorf("a message of %d bytes", len(g.fatal))
		}
		h := fake("TestHolder", func(f *fakeTB) { rtest.Acquire(f, boards.Need(10_000), rtest.Using(locker)) })
		mustContain(t, h.fatal, "this test already holds it")
	})
	for k, v := range f.attrs {
		if len(v) > 4000 {
			t.Errorf("%s has %d bytes", k, len(v))
		}
	}
	if v := f.attrs["rtest.resources"]; !strings.HasSuffix(v, " more") {
		t.Errorf("rtest.resources does not count what it leaves out: %q", v)
	}
	if left := holders(t, locker); len(left) > 0 {
		t.Errorf("still held: %d", len(left))
	}
}

// A user without a home, as in some containers, learns what to set.
func TestNoHome(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there it is called otherwise")
	}
	l := newLab(t)
	for _, c := range []struct {
		env  []string
		want []string
	}{
		{[]string{"HOME=", "XDG_CACHE_HOME="}, []string{"rtest: RTEST_URL: file: there was no directory for this user when the process started", "set HOME or XDG_CACHE_HOME, or name a directory, as in file:///"}},
		{[]string{"XDG_CACHE_HOME=/dev/null"}, []string{"rtest: RTEST_URL: file: cannot make the directory of this user: mkdir /dev/null", "or name another directory, as in file:///"}},
	} {
		cmd := exec.Command(binary(t, "scenarios"), "-test.run=^TestPass$")
		cmd.Env = append(c.env, "RTEST_URL")
		code, out := l.launch(t, cmd).end()
		if code != 1 {
			t.Errorf("%q: exit code %d", c.env, code)
		}
		mustContain(t, out, c.want...)
	}
}
