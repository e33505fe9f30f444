package rtest_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// Processes of which one has a test that changes the directories of its user
// before it acquires: they share the default store all the same.
func TestATestThatMovesHomeKeepsTheStore(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	home := t.TempDir()
	var children []*child
	for _, move := range []string{"MOVE=1", "MOVE"} {
		cmd := scenario(t, "TestMoved")
		cmd.Env = []string{"RTEST_URL", "HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "LocalAppData=" + home, "WORK=" + t.TempDir(), move}
		children = append(children, l.launch(t, cmd))
	}
	var uses []judge.Use
	for _, c := range children {
		code, out := c.end()
		if code != 0 {
			t.Errorf("exit code %d:\n%s", code, out)
		}
		for _, m := range regexp.MustCompile(`(?m)^USE (.*)$`).FindAllStringSubmatch(out, -1) {
			var u judge.Use
			if err := json.Unmarshal([]byte(m[1]), &u); err != nil {
				t.Fatal(err)
			}
			uses = append(uses, u)
		}
	}
	if len(uses) != 80 {
		t.Errorf("%d uses, want 80", len(uses))
	}
	for _, bad := range (judge.Promises{}).Contradictions(uses) {
		t.Error(bad)
	}
}

// An empty variable would be the default, which is a private store.
func TestAnEmptyVariableFailsTheTest(t *testing.T) {
	for _, name := range []string{"RTEST_URL", "RTEST_NAMESPACE", "RTEST_EVENTS", "RTEST_REPORT", "RTEST_WAIT", "RTEST_ATTRS", "RTEST_RUN"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "")
			f := fake("TestAny", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.OnError(rtest.Skip)) })
			if want := "the environment variable " + name + " is set but empty"; !strings.Contains(f.fatal, want) {
				t.Errorf("fatal %q, skipped %q; want %q", f.fatal, f.skipped, want)
			}
		})
	}
}

// A relative directory would be another one in each package that go test runs.
func TestWhereEventsGoIsTheSameEverywhere(t *testing.T) {
	t.Chdir(t.TempDir())
	for value, want := range map[string]string{
		"events":                 "the environment variable RTEST_EVENTS is relative, and go test runs every package in its own directory: write the full path, as in RTEST_EVENTS=\"$PWD/events\"",
		"~/ev":                   "the environment variable RTEST_EVENTS begins with ~",
		`"/tmp/ev"`:              "the environment variable RTEST_EVENTS begins with a quotation mark",
		"'redis://:hush@h:6379'": "the environment variable RTEST_EVENTS begins with a quotation mark",
		"/tmp/a\n/tmp/b":         "the environment variable RTEST_EVENTS has a line break",
	} {
		t.Setenv("RTEST_EVENTS", value)
		f := fake("TestAny", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Using(newLocker(t))) })
		if !strings.Contains(f.fatal, want) || strings.Contains(f.fatal, "hush") {
			t.Errorf("%q: fatal %q, want %q", value, f.fatal, want)
		}
	}
	if made, _ := filepath.Glob("*"); len(made) > 0 {
		t.Errorf("made %s", made)
	}
	dir := filepath.Join(t.TempDir(), "events")
	t.Setenv("RTEST_EVENTS", dir+"\n")
	f := fake("TestAny", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Using(newLocker(t))) })
	if files, _ := filepath.Glob(filepath.Join(dir, "*.jsonl")); f.failed || len(files) != 1 {
		t.Errorf("a line break at the end: %s %s", f.fatal, files)
	}
}

func TestAVariableThatIsSpelledWrongIsToldOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cmd := scenario(t, "TestPass|TestParkedB")
	cmd.Env = []string{"RTEST_" + "WIAT=5m"}
	code, out := l.launch(t, cmd).end()
	if want := `warning: the environment variable "RTEST_` + `WIAT" has no meaning here; did you mean RTEST_WAIT?`; code != 0 || strings.Count(out, want) != 1 {
		t.Errorf("exit code %d, want one line with %s:\n%s", code, want, out)
	}
}

// -timeout is known where the value that stands for the test does not tell it.
func TestEveryWaitEndsBeforeTheTimeout(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	holder := l.scenario(t, "TestHang")
	holder.await("HOLDING")
	for run, words := range map[string]string{
		"TestLateInBubble":          "gave up after",
		"TestLateInWrapper":         "gave up after",
		"TestLateUnlike":            "gave up after",
		"FuzzLateSeed":              "gave up after",
		"FuzzLateBody":              "gave up after",
		"TestLateDiscovery":         `requirement "boards": the function given to Discover (scenarios.askForEver, edges_test.go:`,
		"TestLateDiscoveryInBubble": `requirement "boards": the function given to Discover (scenarios.askForEver, edges_test.go:`,
	} {
		t.Run(run, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(binary(t, "scenarios"), "-test.run=^"+run+"$", "-test.timeout=3s")
			code, out := l.launch(t, cmd).end()
			if code != 1 || strings.Contains(out, "test timed out") {
				t.Errorf("exit code %d:\n%s", code, out)
			}
			mustContain(t, out, words, "-timeout ends the test binary in 500ms")
		})
	}
}
