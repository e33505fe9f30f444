package rtest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
)

// The tests of this file and the next run test binaries and go test itself as
// processes, since what matters is what becomes of a lease when they end.

// builds are the test binaries made so far, by package.
var builds struct {
	sync.Mutex
	dir  string
	done map[string]error
}

// binary builds the tests of a package under testdata, once.
func binary(t *testing.T, pkg string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs test binaries; run without -short")
	}
	builds.Lock()
	defer builds.Unlock()
	if builds.dir == "" {
		t.Fatal("TestMain made no directory")
	}
	file := filepath.Join(builds.dir, pkg+".test")
	err, built := builds.done[pkg]
	if !built {
		out, e := exec.Command("go", "test", "-c", "-o", file, "./testdata/"+pkg).CombinedOutput()
		if e != nil {
			err = fmt.Errorf("%w\n%s", e, out)
		}
		if builds.done == nil {
			builds.done = map[string]error{}
		}
		builds.done[pkg] = err
	}
	if err != nil {
		t.Fatalf("building testdata/%s: %v", pkg, err)
	}
	return file
}

// wantedKills is RTEST_KILLS: how many processes to kill at random.
var wantedKills string

func TestMain(m *testing.M) {
	wantedKills = os.Getenv("RTEST_KILLS")
	// Whoever runs these tests may have settings of his own.
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "RTEST_") {
			os.Unsetenv(name)
		}
	}
	dir, err := os.MkdirTemp("", "rtest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	builds.dir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// lab is a store in a directory, and where its events go.
type lab struct {
	url, events string
	store       lockcore.Store
	locker      *lockcore.Locker
}

func newLab(t *testing.T) *lab {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return newLabAt(t, "file://"+filepath.ToSlash(dir))
}

func newLabAt(t *testing.T, url string) *lab {
	t.Helper()
	l := &lab{url: url, events: filepath.Join(t.TempDir(), "events")}
	store, err := storeurl.Open(context.Background(), l.url)
	if err != nil {
		t.Fatal(err)
	}
	l.store, l.locker = store, lockcore.New(store, nil)
	t.Cleanup(func() {
		if err := l.locker.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// onEachStore runs f on a directory and on a server.
func onEachStore(t *testing.T, f func(t *testing.T, l *lab)) {
	binary(t, "scenarios")
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		f(t, newLab(t))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		f(t, newLabAt(t, "redis://"+redistest.Start(t).Addr))
	})
}

// left lists what is held or waited for, as "board-1 held".
func (l *lab) left(t *testing.T) string {
	t.Helper()
	s, err := l.locker.Snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, h := range s.Holders {
		words = append(words, strings.Join(h.Keys(), "+")+" "+h.State)
	}
	for _, w := range s.Waiters {
		words = append(words, w.Owner.Test+" waits")
	}
	return strings.Join(words, ", ")
}

// forceFree is what rtest-report free does.
func (l *lab) forceFree(t *testing.T, key string) error {
	_, err := l.store.Free(t.Context(), key, "freed by hand")
	return err
}

// child is a running process.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	exited chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
	saw *sync.Cond
	eof bool
}

func (c *child) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saw.Broadcast()
	return c.out.Write(p)
}

func (c *child) output() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

// launch starts a process in the lab. cmd.Env holds further variables; one without
// a = is unset.
func (l *lab) launch(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{t: t, cmd: cmd, exited: make(chan struct{})}
	c.saw = sync.NewCond(&c.mu)
	env := append(os.Environ(), "RTEST_URL="+l.url, "RTEST_EVENTS="+l.events)
	for _, v := range c.cmd.Env {
		if name, _, set := strings.Cut(v, "="); !set {
			env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		} else {
			env = append(env, v)
		}
	}
	c.cmd.Env = env
	r, w, err := os.Pipe() // not c directly: orphans keep it open beyond the child's end
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stdout, c.cmd.Stderr = w, w
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go func() {
		io.Copy(c, r)
		r.Close()
		c.mu.Lock()
		c.eof = true
		c.saw.Broadcast()
		c.mu.Unlock()
	}()
	go func() {
		c.cmd.Wait()
		close(c.exited)
	}()
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		<-c.exited
	})
	return c
}

// scenario starts one test of testdata/scenarios.
func (l *lab) scenario(t *testing.T, run string, args ...string) *child {
	t.Helper()
	return l.launch(t, scenario(t, run, args...))
}

func scenario(t *testing.T, run string, args ...string) *exec.Cmd {
	t.Helper()
	exe := binary(t, "scenarios")
	there := strings.Fields(scenarios())
	for name := range strings.SplitSeq(run, "|") {
		if name != "^$" && !slices.ContainsFunc(there, regexp.MustCompile("^("+name+")$").MatchString) { // of a name that matches nothing, a test binary says PASS
			t.Fatalf("testdata/scenarios has no test %s", name)
		}
	}
	return exec.Command(exe, append([]string{"-test.run=^(" + run + ")$", "-test.timeout=2m"}, args...)...)
}

// scenarios lists the tests of testdata/scenarios.
var scenarios = sync.OnceValue(func() string {
	out, _ := exec.Command(filepath.Join(builds.dir, "scenarios.test"), "-test.list=.").Output()
	return string(out)
})

// await returns when the child has printed the words; it fails if it ends
// without. Only the limit of the whole test run bounds it: how fast a machine is
// is not under test.
func (c *child) await(words string) {
	c.t.Helper()
	c.awaitMatch(regexp.QuoteMeta(words))
}

func (c *child) awaitMatch(pattern string) {
	c.t.Helper()
	re := regexp.MustCompile(pattern)
	c.mu.Lock()
	defer c.mu.Unlock()
	for !re.Match(c.out.Bytes()) {
		if c.eof {
			c.t.Fatalf("the process ended without printing %s:\n%s", pattern, c.out.String())
		}
		c.saw.Wait()
	}
}

// end returns the exit code and the output, when the process, and all that
// inherited its output, have ended.
func (c *child) end() (code int, output string) {
	<-c.exited
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.eof {
		c.saw.Wait()
	}
	return c.cmd.ProcessState.ExitCode(), c.out.String()
}

// yield is the pause between two looks at what no event tells of.
func yield() { time.Sleep(5 * time.Millisecond) }

func TestEndsOfATest(t *testing.T) {
	for _, c := range []struct {
		run   string
		code  int
		words string
		left  string
	}{
		{"TestPass", 0, "PASS", ""},
		{"TestPanic", 2, "panic: on purpose", ""},
		{"TestNilPointer", 2, "nil pointer dereference", ""},
		{"TestFailNow", 1, "rtest: the test failed; it had board-1", ""},
		{"TestFailNowInGoroutine", 1, "FAIL", ""},
		{"TestGoexit", 2, "runtime.Goexit", ""},
		{"TestPanicInSubtest", 2, "panic: on purpose", ""},
		{"TestExit", 3, "HOLDING", ""},
		{"TestHang", 2, "test timed out after 5s", ""},
		{"TestFailKept", 1, "board-1 stays taken for 1h0m0s", "board-1 kept"},
		{"TestPanicKept", 2, "board-1 stays taken for 1h0m0s", "board-1 kept"},
		{"TestGoexitKept", 2, "board-1 stays taken for 1h0m0s", "board-1 kept"},
		{"TestSkipNotKept", 0, "PASS", ""},
	} {
		t.Run(c.run, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			args := []string{}
			if c.run == "TestHang" {
				args = append(args, "-test.timeout=5s")
			}
			code, out := l.scenario(t, c.run, args...).end()
			if code != c.code {
				t.Errorf("exit code %d, want %d:\n%s", code, c.code, out)
			}
			mustContain(t, out, "HOLDING [board-1", c.words)
			if got := l.left(t); got != c.left {
				t.Errorf("left behind: %q, want %q", got, c.left)
			}
		})
	}
}

func TestCountRunsAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	code, out := l.scenario(t, "TestPass|TestParallelFirst", "-test.count=3", "-test.cpu=1,2").end()
	if n := strings.Count(out, "HOLDING"); code != 0 || n != 6 {
		t.Errorf("exit code %d after %d acquisitions, want 0 after 6:\n%s", code, n, out)
	}
	var attempts []string
	for _, e := range l.grants(t) {
		if e.Test.Name == "TestPass" {
			attempts = append(attempts, fmt.Sprint(e.Test.Attempt))
		}
	}
	if got := strings.Join(attempts, " "); got != "1 2 3 4 5 6" {
		t.Errorf("attempts on record: %s", got)
	}
}
