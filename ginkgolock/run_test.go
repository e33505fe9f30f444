//go:build unix

package ginkgolock_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
)

// The tests run suites in processes of their own, as only there Ginkgo can be
// interrupted, killed and started twice. All suites but one are in one binary.

var binaries = sync.OnceValues(func() (dir string, err error) {
	dir, err = os.MkdirTemp("", "ginkgolock")
	if err != nil {
		return "", err
	}
	for _, args := range [][]string{
		slices.Concat([]string{"test", "-c", "-o", filepath.Join(dir, "suite.test")}, buildFlags, []string{"./testdata/suite"}),
		slices.Concat([]string{"test", "-c", "-o", filepath.Join(dir, "main.test")}, buildFlags, []string{"./testdata/main"}),
		{"tool", "-n", "ginkgo"}, // builds it, and says where
	} {
		// Apart from what it says on standard error, as of modules that it downloads.
		var said, complaints strings.Builder
		cmd := exec.Command("go", args...)
		cmd.Stdout, cmd.Stderr = &said, &complaints
		if err := cmd.Run(); err != nil {
			return dir, fmt.Errorf("go %s: %w\n%s%s", strings.Join(args, " "), err, &said, &complaints)
		}
		ginkgoCommand = strings.TrimSpace(said.String())
	}
	return dir, nil
})

// ginkgoCommand is where the ginkgo command is, once binaries has returned.
var ginkgoCommand string

// buildFlags are for the suites: the race detector, if the tests have it.
var buildFlags []string

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := binaries(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// lab is a store, and a directory in which the processes of a test meet.
type lab struct {
	t      *testing.T
	dir    string
	url    string
	store  lockcore.Store
	locker *lockcore.Locker
}

func newLab(t *testing.T) *lab {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "store"), 0o700))
	return newLabOn(t, dir, "file://"+filepath.Join(dir, "store"))
}

// newRedisLab has its store on a server of its own.
func newRedisLab(t *testing.T) *lab {
	t.Parallel()
	return newLabOn(t, t.TempDir(), "redis://"+redistest.Start(t).Addr)
}

func newLabOn(t *testing.T, dir, url string) *lab {
	l := &lab{t: t, dir: dir, url: url}
	require.NoError(t, os.Mkdir(l.path("events"), 0o700))
	s, err := storeurl.Open(t.Context(), url)
	require.NoError(t, err)
	l.store = s
	l.locker = lockcore.New(s, nil)
	t.Cleanup(func() { l.locker.Close() })
	return l
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) touch(name string) { require.NoError(l.t, os.WriteFile(l.path(name), nil, 0o600)) }

// take gets keys for the test itself.
func (l *lab) take(keys ...string) *lockcore.Lease {
	l.t.Helper()
	le, err := l.locker.Acquire(l.t.Context(), wanting("the test", keys...))
	require.NoError(l.t, err)
	return le
}

func wanting(who string, keys ...string) lockcore.Request {
	r := lockcore.Request{Owner: lockcore.Owner{Test: who}}
	for _, k := range keys {
		r.Requirements = append(r.Requirements, lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: k}}})
	}
	return r
}

func (l *lab) snapshot() lockcore.Snapshot {
	s, err := l.locker.Snapshot(context.Background())
	require.NoError(l.t, err)
	return s
}

// until waits for something that has to happen; the limit is for a test that
// would hang.
func (l *lab) until(what string, ok func() bool) {
	l.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("it never happened: %s\n%s", what, l.said())
		}
	}
}

// waiters returns when so many requests are in line.
func (l *lab) waiters(n int) {
	l.t.Helper()
	l.until(fmt.Sprint(n, " in line"), func() bool { return len(l.snapshot().Waiters) == n })
}

// empty asserts that nothing is held or waited for.
func (l *lab) empty() {
	l.t.Helper()
	s := l.snapshot()
	require.Empty(l.t, s.Holders)
	require.Empty(l.t, s.Waiters)
}

func (l *lab) said() string {
	b, err := os.ReadFile(l.path("said"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	return string(b)
}

func (l *lab) says(line string) bool {
	return slices.Contains(strings.Split(l.said(), "\n"), line)
}

// events counts the events of a kind.
func (l *lab) events(kind string) int {
	files, err := filepath.Glob(filepath.Join(l.path("events"), "*"))
	require.NoError(l.t, err)
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(l.t, err)
		n += bytes.Count(b, []byte(`"ev":"`+kind+`"`))
	}
	return n
}

// child is a suite that runs.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	out   *output
	done  chan struct{}
	code  int
	junit string
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

var reports = struct {
	sync.Mutex
	n int
}{}

// start runs a scenario: with the ginkgo command if procs is above 1, else the
// test binary alone. Arguments of the form NAME=value go into the environment.
func (l *lab) start(scenario string, procs int, args ...string) *child {
	l.t.Helper()
	dir, err := binaries()
	require.NoError(l.t, err)
	reports.Lock()
	reports.n++
	c := &child{t: l.t, out: new(output), done: make(chan struct{}), junit: fmt.Sprintf("junit-%d.xml", reports.n)}
	reports.Unlock()
	env := append(os.Environ(), "SCENARIO="+scenario, "WORK="+l.dir, "RTEST_URL="+l.url, "RTEST_EVENTS="+l.path("events"), "RTEST_WAIT=100s", "GINKGO_NO_COLOR=TRUE")
	var flags []string
	for _, a := range args {
		switch name, _, set := strings.Cut(a, "="); {
		case strings.HasPrefix(a, "-"):
			flags = append(flags, a)
		case !set: // to be unset
			env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		default:
			env = append(env, a)
		}
	}
	binary := filepath.Join(dir, "suite.test")
	if scenario == "main" { // it is a suite of its own
		binary = filepath.Join(dir, "main.test")
	}
	flags = append(flags, "--no-color", "--junit-report="+c.junit)
	if procs > 1 {
		flags = append(flags, fmt.Sprintf("--procs=%d", procs), "--output-dir="+l.dir, binary)
		c.cmd = exec.Command(ginkgoCommand, flags...)
	} else {
		for i, f := range flags {
			if !strings.HasPrefix(f, "-test.") { // of go test
				flags[i] = "--ginkgo." + strings.TrimPrefix(f, "--")
			}
		}
		c.cmd = exec.Command(binary, flags...)
	}
	c.cmd.Dir, c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = l.dir, env, c.out, c.out
	// A group of its own, to be interrupted like one in a terminal.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.WaitDelay = 30 * time.Second // orphans keep the pipe open
	require.NoError(l.t, c.cmd.Start())
	go func() {
		defer close(c.done)
		_ = c.cmd.Wait() // the code says it
		c.code = c.cmd.ProcessState.ExitCode()
	}()
	l.t.Cleanup(func() {
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) // nobody is left after a test that went well
		<-c.done
		if l.t.Failed() {
			l.t.Logf("%s:\n%s", scenario, c.out)
		}
	})
	return c
}

// ok waits for a suite that should pass.
func (c *child) ok() *child {
	c.t.Helper()
	require.Equal(c.t, 0, c.wait(), "%s", c.out)
	return c
}

func (c *child) wait() int {
	<-c.done
	return c.code
}

func (l *lab) run(scenario string, procs int, args ...string) *child {
	l.t.Helper()
	c := l.start(scenario, procs, args...)
	c.wait()
	return c
}

// shows returns when the output matches.
func (l *lab) shows(c *child, re string) {
	l.t.Helper()
	x := regexp.MustCompile(re)
	l.until("output matches "+re, func() bool { return x.MatchString(c.out.String()) })
}

// cases reads the JUnit report: test cases by name.
func (l *lab) cases(c *child) map[string]junitCase {
	b, err := os.ReadFile(l.path(c.junit))
	require.NoError(l.t, err)
	var doc struct {
		Suites []struct {
			Cases []junitCase `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(l.t, xml.Unmarshal(b, &doc))
	m := make(map[string]junitCase)
	for _, s := range doc.Suites {
		for _, tc := range s.Cases {
			m[tc.Name] = tc
		}
	}
	return m
}
