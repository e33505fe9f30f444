package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	_ "github.com/cockroachdb/datadriven" // defines -rewrite
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/eventlog/redisstream"
)

// The test binary is, under these names, the program and its children.
func TestMain(m *testing.M) {
	// A shell ignores ^C for what it runs in the background, and so would the commands of
	// these tests that are to end by it.
	if signal.Ignored(os.Interrupt) {
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	testscript.Main(m, programs)
}

var programs = map[string]func(){
	"rtest-report": main,
	"locker":       locker,
	"waiter":       waiter,
	"sleeper":      sleeper,
	"holder":       holder,
}

// locker acts as a test that takes locks: it writes the events of a request that
// waited for a second.
func locker() {
	w, err := redisstream.Open(context.Background(), os.Getenv("RTEST_EVENTS"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	test := eventlog.TestInfo{Pkg: "example.com/lab", Name: os.Args[1]}
	id := fmt.Sprint(os.Getpid())
	w.Write(eventlog.Event{Ev: eventlog.Request, Req: id, Test: test, Reqs: []eventlog.Requirement{{Name: "boards", Candidates: []string{"b1", "b2"}}}})
	w.Write(eventlog.Event{Ev: eventlog.Grant, Req: id, Test: test, WaitedMS: eventlog.MS(time.Second), Outcome: eventlog.Acquired,
		Chosen: []eventlog.Chosen{{Key: "b1"}}})
	w.Write(eventlog.Event{Ev: eventlog.Release, Req: id, Test: test, HeldMS: eventlog.MS(2 * time.Second)})
	if err := w.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	fmt.Println("RTEST_RUN is", os.Getenv("RTEST_RUN"))
	code, _ := strconv.Atoi(strings.Join(os.Args[2:], ""))
	os.Exit(code)
}

// waiter writes the events of a test that holds the only board, and of one that
// waits for it.
func waiter() {
	w, err := redisstream.Open(context.Background(), os.Getenv("RTEST_EVENTS"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	boards := []eventlog.Requirement{{Name: "boards", Candidates: []string{"b1"}}}
	holds, waits := eventlog.TestInfo{Name: "TestHolds"}, eventlog.TestInfo{Name: "TestWaits"}
	w.Write(eventlog.Event{Ev: eventlog.Request, Req: "h", Test: holds, Reqs: boards, ExpectMS: eventlog.MS(time.Hour)})
	w.Write(eventlog.Event{Ev: eventlog.Grant, Req: "h", Test: holds, Chosen: []eventlog.Chosen{{Key: "b1"}}})
	w.Write(eventlog.Event{Ev: eventlog.Request, Req: "w", Test: waits, Reqs: boards})
	w.Write(eventlog.Event{Ev: eventlog.Queue, Req: "w", Test: waits, QueuePos: 1, Blockers: []eventlog.Blocker{{Key: "b1", Req: "h", Test: "TestHolds"}}})
	if err := w.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// sleeper makes the file that its argument names and waits for a signal, of
// which it tells.
func sleeper() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if err := os.WriteFile(os.Args[1], nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	select {
	case s := <-c:
		fmt.Println("got", s)
		os.Exit(42)
	case <-time.After(time.Minute): // the test that should send one is gone
		os.Exit(4)
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, scripting(nil, testscript.Params{Dir: "testdata"}))
}

// scripting completes what is needed to run scripts. Those about a store run in that of
// $STORE: the one that a URL names for each of them, else a file store of their own.
func scripting(url func(*testscript.Env) string, p testscript.Params) testscript.Params {
	p.RequireExplicitExec = true
	p.RequireUniqueNames = true
	p.UpdateScripts = flag.Lookup("rewrite").Value.String() == "true"
	p.Setup = func(e *testscript.Env) error {
		// The locks, and the configuration, of whoever runs these tests are not
		// those in them. testscript passes nothing on but what it must, so the CI
		// that runs them is not taken for the one in them either.
		e.Setenv("HOME", e.Getenv("WORK"))
		e.Setenv("XDG_CACHE_HOME", filepath.Join(e.Getenv("WORK"), "cache"))
		// Under -race every program would sleep for a second before it exits.
		e.Setenv("GORACE", "atexit_sleep_ms=0")
		e.Setenv("STORE", "file://"+filepath.ToSlash(e.Getenv("WORK"))+"/store")
		if url != nil {
			e.Setenv("STORE", url(e))
		}
		lab, err := filepath.Abs("testdata/lab")
		e.Setenv("LAB", lab)
		for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY"} {
			e.Setenv(name, goEnv()[name])
		}
		return err
	}
	if p.Cmds == nil {
		p.Cmds = map[string]func(*testscript.TestScript, bool, []string){}
	}
	p.Cmds["exits"], p.Cmds["waitfile"], p.Cmds["redis"] = exits, waitFile, startRedis
	return p
}

// goEnv is where go keeps things, which is below HOME by default.
var goEnv = sync.OnceValue(func() map[string]string {
	env := map[string]string{}
	if out, err := exec.Command("go", "env", "-json").Output(); err == nil {
		_ = json.Unmarshal(out, &env) // without it, the one script that runs go says so
	}
	return env
})

// exits CODE COMMAND... runs a command and wants that exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if e, ok := err.(interface{ ExitCode() int }); ok {
		code = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d; want %s", code, args[0])
	}
}

// waitfile PATH waits until a file is there.
func waitFile(ts *testscript.TestScript, _ bool, args []string) {
	for {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond) // nothing tells of a new file; the test's own limit ends this
	}
}

// startRedis starts a server and puts its address into $REDIS.
func startRedis(ts *testscript.TestScript, _ bool, _ []string) {
	server := miniredis.NewMiniRedis()
	ts.Check(server.Start())
	ts.Defer(server.Close)
	ts.Setenv("REDIS", server.Addr())
}
