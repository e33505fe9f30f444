package rtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

func TestParallelOrder(t *testing.T) {
	for _, c := range []struct {
		name, run string
		args      []string
		code      int
		words     []string
		failing   string // the tests that fail
	}{
		{"Acquire before t.Parallel", "TestParkedA", nil, 1, []string{"TestParkedA called t.Parallel while it held board-1 (acquired at scenarios_test.go:", "Call t.Parallel before rtest.Acquire"}, "TestParkedA"},
		{"and a serial test wants the same", "TestParkedA|TestParkedB", nil, 1, []string{
			"deadlock", "TestParkedA (holds board-1 since scenarios_test.go:", "is parked in t.Parallel until all serial tests, this one among them, are over: call t.Parallel before rtest.Acquire there",
		}, "TestParkedB TestParkedA"},
		{"released before t.Parallel", "TestParkedAfterRelease", nil, 0, nil, ""},
		{"t.Parallel first, and in subtests", "TestParallelFirst", nil, 0, nil, ""},
		{"serial, with parallel subtests", "TestSerialWithParallelSubtests", nil, 0, nil, ""},
		{"slots full of waiters", "TestSlots.*", []string{"-test.parallel=2"}, 1, []string{
			"deadlock", " (holds board-1 since scenarios_test.go:", " cannot go on without one of the 2 slots of -parallel, for itself or its parallel subtests, and tests that wait for resources have them all: TestSlots",
			"Raise -parallel, or acquire in the subtests",
		}, "one of TestSlots1 TestSlots2 TestSlots3"},
		{"slots enough", "TestSlots.*", []string{"-test.parallel=3"}, 0, nil, ""},
		{"one slot free for the holder", "TestNotSlots.*", []string{"-test.parallel=2"}, 0, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			code, out := l.scenario(t, c.run, append(c.args, "-test.v")...).end()
			if code != c.code {
				t.Errorf("exit code %d, want %d:\n%s", code, c.code, out)
			}
			mustContain(t, out, c.words...)
			var failing []string
			for _, m := range regexp.MustCompile(`(?m)^--- FAIL: (\S+)`).FindAllStringSubmatch(out, -1) {
				failing = append(failing, m[1])
			}
			got := strings.Join(failing, " ")
			if one, ok := strings.CutPrefix(c.failing, "one of "); ok {
				if len(failing) != 1 || !strings.Contains(one, got) {
					t.Errorf("failing tests: %s, want %s\n%s", got, c.failing, out)
				}
			} else if got != c.failing {
				t.Errorf("failing tests: %s, want %s\n%s", got, c.failing, out)
			}
			if left := l.left(t); left != "" {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}

// Without -v, go test keeps back the log of a test until it is over; the lines
// about the wait must be seen before.
func TestWaitIsVisibleWhileItLasts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	holder := l.scenario(t, "TestHang")
	holder.await("HOLDING")
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "rtest: TestWaiter: "},
		{[]string{"-test.v"}, "rtest: "},
	} {
		waiter := l.scenario(t, "TestWaiter", c.args...)
		// A busy machine may be late with it, but the next line comes seconds later.
		waiter.awaitMatch(c.want + `waiting [0-9.]+s for board-1; 1st in line; board-1 is held by TestHang \(`)
		if n := strings.Count(waiter.output(), "waiting 1"); n > 1 {
			t.Errorf("%q: the line is there %d times:\n%s", c.args, n, waiter.output())
		}
		waiter.cmd.Process.Kill()
		waiter.end()
	}
}

func TestMainHoldsForTheSuite(t *testing.T) {
	t.Parallel()
	run := func(l *lab, env []string, args ...string) *child {
		cmd := exec.Command(binary(t, "suite"), args...)
		cmd.Env = env
		return l.launch(t, cmd)
	}
	for _, c := range []struct {
		run   string
		code  int
		words string
		left  string
	}{
		{"TestUse", 0, "SUITE HAS chamber-1 [chamber-1] true <nil> true 1", ""},
		{"TestFail", 1, "chamber-1 stays taken for 1h0m0s", "chamber-1 kept"},
		{"TestPanic", 2, "panic: on purpose", ""},
		{"TestAgain", 1, `cannot get "chamber-1": the suite (rtest.Main) already holds it, acquired at suite_test.go:`, "chamber-1 kept"},
	} {
		l := newLab(t)
		code, out := run(l, nil, "-test.run=^"+c.run+"$").end()
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d:\n%s", c.run, code, c.code, out)
		}
		mustContain(t, out, c.words)
		if got := l.left(t); got != c.left {
			t.Errorf("%s: left behind %q, want %q", c.run, got, c.left)
		}
	}

	l := newLab(t)
	first, second := run(l, nil, "-test.run=^TestHold$"), run(l, nil, "-test.run=^TestHold$")
	first.await("HOLDING")
	second.await("HOLDING")
	code, out := run(l, []string{"RTEST_WAIT=0"}, "-test.run=^TestUse$").end()
	if code != 1 || strings.Contains(out, "SUITE HAS") {
		t.Errorf("both chambers are taken: exit code %d, want 1:\n%s", code, out)
	}
	mustContain(t, out, "TestMain: rtest: busy: wanted 1 of chambers [chamber-1, chamber-2]", "is held by TestMain (")
	code, out = run(l, []string{"RTEST_WAIT=0", "RTEST_ON_BUSY=skip"}, "-test.run=^TestUse$").end()
	if code != 0 || strings.Contains(out, "SUITE HAS") {
		t.Errorf("skip: exit code %d, want 0:\n%s", code, out)
	}
	if code, out := run(l, []string{"RTEST_WAIT=0"}, "-test.list=.").end(); code != 0 || !strings.Contains(out, "TestUse") {
		t.Errorf("-list needs no chamber: exit code %d\n%s", code, out)
	}
	for _, c := range []*child{first, second} {
		c.stdin.Close()
		if code, out := c.end(); code != 0 {
			t.Errorf("exit code %d:\n%s", code, out)
		}
	}
	if got := kinds(l.recorded(t), "TestMain"); strings.Count(got, "grant acquired") != 2 || !strings.Contains(got, "withdraw skipped") || strings.Count(got, "release") != 2 {
		t.Errorf("on record: %s", got)
	}
}

// The mistakes that Acquire refuses, Main refuses too, and no test runs.
func TestMainWithoutARequirement(t *testing.T) {
	t.Parallel()
	for mistake, words := range map[string]string{
		"nothing": `TestMain: rtest: Main was given no requirement, so there is nothing to acquire: say what is needed, as in rtest.R("board-1")`,
		"nil":     "TestMain: rtest: argument 1 of Main is nil",
		"panic":   "panic: on purpose",
	} {
		cmd := exec.Command(binary(t, "suite"), "-test.run=^TestUse$")
		cmd.Env = []string{"SUITE=" + mistake, "RTEST_ON_ERROR=skip"}
		code, out := newLab(t).launch(t, cmd).end()
		if code == 0 || code == 2 != (mistake == "panic") || strings.Contains(out, "SUITE HAS") {
			t.Errorf("%s: exit code %d:\n%s", mistake, code, out)
		}
		mustContain(t, out, words)
	}
}

// go test kills a binary a minute after -timeout, whose clock starts with the
// process, and a test binary that still waits then says nothing.
func TestMainWaitsForHalfOfTheTimeout(t *testing.T) {
	for timeout, want := range map[string]time.Duration{"20s": 10 * time.Second, "10m0s": 5 * time.Minute, "1h0m0s": 5 * time.Minute, "0s": 5 * time.Minute, "": 5 * time.Minute} {
		if got := rtest.SuiteWait(timeout); got != want {
			t.Errorf("-timeout=%s: %s, want %s", timeout, got, want)
		}
	}
	l := newLab(t)
	for _, key := range []string{"chamber-1", "chamber-2"} {
		if _, err := l.locker.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: key}}}}}); err != nil {
			t.Fatal(err)
		}
	}
	c := l.launch(t, exec.Command(binary(t, "suite"), "-test.run=^TestUse$", "-test.timeout=2m"))
	words := regexp.MustCompile(`gives up in (\S+)|gave up after (1m0s)`)
	c.awaitMatch(words.String())
	m := words.FindStringSubmatch(c.output())
	if left, err := time.ParseDuration(m[1] + m[2]); err != nil || left > time.Minute {
		t.Errorf("%q with -timeout=2m, want at most 1m (%v)", m[0], err)
	}
}

// What a goroutine that outlived its test asks for, package testing tells nobody of: it
// fails the run without a word. So the words go to standard error, and no panic brings
// down the whole binary.
func TestAcquireAfterTheEndOfTheTest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, out := l.scenario(t, "TestLateAsks|TestLateIsOver").end()
	mustContain(t, out, "ENDED", "rtest: Acquire was called after the end of the test", "(in TestLateAsks)")
	if strings.Contains(out, "panic:") {
		t.Error(out)
	}
	if got := l.left(t); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

// A suite whose lease is lost must not pass, even if all its tests do.
func TestMainLosesItsLease(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cmd := exec.Command(binary(t, "suite"), "-test.run=^TestHold$")
	c := l.launch(t, cmd)
	c.await("HOLDING")
	if err := l.forceFree(t, "chamber-1"); err != nil {
		t.Fatal(err)
	}
	c.await("rtest: lost chamber-1")
	c.stdin.Close()
	if code, out := c.end(); code != 1 {
		t.Errorf("exit code %d, want 1:\n%s", code, out)
	}
	if got := kinds(l.recorded(t), "TestMain"); got != "test.start, request, grant acquired, lost lost, test.end" {
		t.Errorf("on record: %s", got)
	}
}

func TestFuzzWorkersShareWhatTheCoordinatorHolds(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dir := t.TempDir()
	cmd := exec.Command(binary(t, "fuzzing"), "-test.run=^$", "-test.fuzz=^FuzzBoard$", "-test.fuzztime=50x", "-test.parallel=2", "-test.fuzzcachedir="+dir, "-test.timeout=2m")
	cmd.Dir = dir
	code, out := l.launch(t, cmd).end()
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	rigs := regexp.MustCompile(`has (rig-\d) and suite-1`).FindAllStringSubmatch(out, -1)
	for _, r := range rigs {
		if r[1] != rigs[0][1] {
			t.Errorf("a worker has another rig than the coordinator:\n%s", out)
		}
	}
	var inputs, bodies, mains int
	for _, e := range l.grants(t) {
		switch {
		case e.Test.Name == "TestMain":
			mains++
		case e.Test.Name == "FuzzBoard" && e.Chosen[0].Key[:3] == "rig":
			bodies++
		default:
			inputs++
		}
	}
	if mains != 1 || bodies != 1 || inputs < 50 {
		t.Errorf("granted to TestMain %d times, to the body %d times, want 1 and 1; to inputs %d times, want 50 at least", mains, bodies, inputs)
	}
	if got := l.left(t); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

// The time that an Acquire waits is not the benchmark's.
func TestBenchmarksDoNotTimeTheWait(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	code, out := l.scenario(t, "^$", "-test.bench=BenchmarkWait|BenchmarkStopped", "-test.benchtime=3x", "-test.timeout=2m").end()
	if code != 0 || !strings.Contains(out, "ns/op") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

func TestResultsAreNotCached(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs go test; run without -short")
	}
	l := newLab(t)
	cached := regexp.MustCompile(`(?m)^ok\s+\S*/testdata/(\S+)\s+\(cached\)`)
	var out string
	for range 2 {
		cmd := exec.Command("go", "test", "-run=^Test(Cached|Moved|Uninvolved|Use)$", "./testdata/cached", "./testdata/moved", "./testdata/suite", "./testdata/uninvolved")
		cmd.Env = []string{"GOFLAGS=", "RTEST_EVENTS"}
		var code int
		if code, out = l.launch(t, cmd).end(); code != 0 {
			t.Fatalf("exit code %d:\n%s", code, out)
		}
	}
	var names []string
	for _, m := range cached.FindAllStringSubmatch(out, -1) {
		names = append(names, m[1])
	}
	if got := strings.Join(names, " "); got != "uninvolved" {
		t.Errorf("answered from the cache: %q, want only %q\n%s", got, "uninvolved", out)
	}
}

func TestAttributesReachJUnit(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs gotestsum; run without -short")
	}
	l := newLab(t)
	file := filepath.Join(t.TempDir(), "junit.xml")
	cmd := exec.Command("go", "tool", "gotestsum", "--format=none", "--junitfile="+file, "--", "-run=^(TestPass|TestSkipNotKept)$", "./testdata/scenarios")
	if code, out := l.launch(t, cmd).end(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	xml, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	grants := l.grants(t)
	if len(grants) != 2 {
		t.Fatalf("%d grants on record", len(grants))
	}
	for _, g := range grants {
		mustContain(t, string(xml), `<property name="rtest.req" value="`+g.Req+`"></property>`)
	}
	mustContain(t, string(xml), `<property name="rtest.outcome" value="acquired">`, `<property name="rtest.resources" value="board-1, board-2">`, `name="rtest.waited_s"`, `name="rtest.held_s"`)
}
