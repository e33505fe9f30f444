package rtest

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/resourcelocker/resourcelocker/rtest/bridge"
	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
)

// Main takes a lease for the whole package, runs its tests, gives the lease back
// and returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(rtest.Main(m, chamber)) }
//
// [Requirement.From] with a nil lease tells the tests what was obtained. If the
// lease is lost meanwhile, the code is not 0. Where [OnBusy] or [OnError] say
// [Skip], no test runs and the code is 0. An os.Exit in a test, or a panic, ends
// the process without returning here; the store notices, as it does for every
// lease. In parallel processes of a Ginkgo suite it runs nothing and returns 1:
// package ginkgolock has leases for those.
func Main(m *testing.M, args ...Arg) (code int) {
	if m == nil {
		panic("rtest: Main needs the *testing.M that TestMain is given, but m is nil")
	}
	if !flag.Parsed() {
		flag.Parse() // m.Run would, but the wait comes before it
	}
	if gotest.Flag("list") != "" {
		return m.Run() // runs nothing
	}
	if n := ginkgoProcesses(); n > 1 {
		fmt.Fprintf(os.Stderr, "TestMain: rtest: Main in one of %d parallel processes of a Ginkgo suite: each of them would ask for a lease of its own, and one that waits for another's would never end. "+
			"Decorate SynchronizedBeforeSuite with ginkgolock.Needs for one lease that all of them share, or BeforeSuite for one each; or run the suite without -p and --procs\n", n)
		return 1
	}
	s := &suite{}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case suiteOver:
			code = int(r)
		default:
			defer panic(r)
		}
		if c := s.end(); code == 0 {
			code = c
		}
	}()
	Acquire(s, args...)
	code = m.Run()
	gotest.KeepUncachedAfterRun()
	if code != 0 {
		s.markFailed() // for HoldOnFail
	}
	return code
}

// suite is the TB of Main: messages go to standard error, and the end of it is
// a panic that Main takes up.
type suite struct {
	cleanups bridge.Cleanups

	mu     sync.Mutex
	failed bool
}

type suiteOver int

// Name is what go test and gotestsum call trouble outside any test.
func (s *suite) Name() string { return "TestMain" }

func (s *suite) Helper() {}

func (s *suite) ofMain() bool { return true }

func (s *suite) Cleanup(f func()) { s.cleanups.Add(f) }

func (s *suite) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

func (s *suite) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "TestMain: "+format+"\n", args...)
}

func (s *suite) Errorf(format string, args ...any) {
	s.markFailed()
	s.Logf(format, args...)
}

func (s *suite) markFailed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
}

func (s *suite) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	panic(suiteOver(1))
}

func (s *suite) Skipf(format string, args ...any) {
	s.Logf(format, args...)
	panic(suiteOver(0))
}

// end runs the cleanups and returns 1 if anything failed.
func (s *suite) end() int {
	s.cleanups.Run()
	if s.Failed() {
		return 1
	}
	return 0
}

// ginkgoProcesses is how many parallel processes the ginkgo command has started
// for this suite; 0 if it has no such flag.
func ginkgoProcesses() int {
	f := flag.Lookup("ginkgo.parallel.total")
	if f == nil {
		return 0
	}
	n, _ := strconv.Atoi(f.Value.String())
	return n
}
