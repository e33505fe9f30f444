package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
)

// A machine runs the examples' boards as another one would: nothing is shared
// with it but the server that its URL names. (The examples themselves look, by
// means of the kernel, whether two of them ever use one board.)
type machine struct {
	name, events string
	cmd          *exec.Cmd
	out          bytes.Buffer
}

func startMachine(t *testing.T, name, url string) *machine {
	t.Helper()
	home := t.TempDir()
	m := &machine{name: name, events: filepath.Join(home, "events"), cmd: exec.Command("go", "test", "-count=1", "-timeout=5m", "./examples/boards/...")}
	m.cmd.Dir = filepath.Join("..", "..")
	m.cmd.Stdout, m.cmd.Stderr = &m.out, &m.out
	m.cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "RTEST_URL="+url, "RTEST_EVENTS="+m.events, "RTEST_RUN="+name)
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY"} {
		m.cmd.Env = append(m.cmd.Env, name+"="+goEnv()[name]) // they would be below HOME
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.cmd.Process.Kill() })
	return m
}

// Two machines that share nothing but a server take turns, and one report tells
// about both.
func TestTwoMachines(t *testing.T) {
	server := redistest.Start(t)
	url := "redis://" + server.Addr
	store, err := storeurl.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	locker := lockcore.New(store, nil)
	defer locker.Close()
	// Nobody gets anything before both are there: else the first may be done when
	// the second has been compiled.
	gate := lockcore.Request{Owner: lockcore.Owner{Test: "TestGate"}}
	for _, key := range []string{"board-1", "board-2", "board-3", "board-4", "board-5", "rf-chamber"} {
		gate.Requirements = append(gate.Requirements, lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: key}}})
	}
	held, err := locker.Acquire(t.Context(), gate)
	if err != nil {
		t.Fatal(err)
	}
	machines := []*machine{startMachine(t, "one", url), startMachine(t, "two", url)}
	awaitRuns(t, locker, "one", "two")
	if err := held.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range machines {
		if err := m.cmd.Wait(); err != nil || strings.Contains(m.out.String(), "OVERLAP") {
			t.Errorf("machine %s: %v\n%s", m.name, err, m.out.String())
		}
	}
	one, two := summaryOf(t, machines[0]), summaryOf(t, machines[1])
	for _, s := range []summed{one, two} {
		if s.Runs != 1 || s.Processes != 2 || s.Total.Requests == 0 || s.Total.Acquired != s.Total.Requests {
			t.Errorf("a machine alone: %+v, want one run of two packages in which everybody got what they asked for", s)
		}
	}
	both := summaryOf(t, machines...)
	want := summed{Runs: 2, Processes: 4}
	want.Total.Requests = one.Total.Requests + two.Total.Requests
	want.Total.Acquired = want.Total.Requests
	for _, test := range both.Tests {
		if test.Requests%2 != 0 {
			t.Errorf("%s has %d requests: it ran on both machines, and is listed once", test.Name, test.Requests)
		}
	}
	if both.Tests = nil; !reflect.DeepEqual(both, want) {
		t.Errorf("together: %+v, want %+v", both, want)
	}
}

// summed is what this test reads of a summary.
type summed struct {
	Runs, Processes int
	Total           struct{ Requests, Acquired, Lost, Orphaned int }
	Tests           []struct {
		Name     string
		Requests int
	}
}

// summaryOf is rtest-report summary over the events of the machines.
func summaryOf(t *testing.T, machines ...*machine) (s summed) {
	t.Helper()
	args := []string{"summary", "--format", "json"}
	for _, m := range machines {
		args = append(args, "--events", m.events)
	}
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("rtest-report %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// awaitRuns waits until tests of each run stand in line, which they do until
// somebody lets them go on.
func awaitRuns(t *testing.T, locker *lockcore.Locker, runs ...string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		snap, err := locker.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		there := make(map[string]bool)
		for _, w := range snap.Waiters {
			there[w.Owner.Run] = true
		}
		missing := ""
		for _, run := range runs {
			if !there[run] {
				missing = run
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no test of run %s ever waited; in line are %+v", missing, snap.Waiters)
		}
	}
}
