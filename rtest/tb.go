package rtest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/rtest/bridge"
)

// TB is the part of [testing.TB] that this package needs: *testing.T,
// *testing.B, *testing.F and GinkgoT() fit. Fatalf and Skipf must not return.
// Deadline, Context and Attr are used where the value has them.
type TB interface {
	Helper()
	Name() string
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// contextOf is the context that ends with the test, or nil.
func contextOf(t TB) context.Context {
	if bridge.ContextOf != nil {
		if ctx := bridge.ContextOf(t); ctx != nil {
			return ctx
		}
	}
	if c, ok := t.(interface{ Context() context.Context }); ok {
		return c.Context()
	}
	return nil
}

// driven reports whether package testing itself runs the test. Other frameworks
// have their own names, signal handlers and way to show progress.
func driven(t TB) bool {
	switch t.(type) {
	case *testing.T, *testing.B, *testing.F, *suite:
		return true
	}
	return false
}

// flagValue is a flag of package testing, or "" outside a test binary.
func flagValue(name string) string {
	if f := flag.Lookup("test." + name); f != nil {
		return f.Value.String()
	}
	return ""
}

// verbose reports whether t.Logf shows at once. testing.Verbose would panic
// before the flags are parsed.
func verbose() bool {
	v := flagValue("v")
	return v != "" && v != "false"
}

func parallelSlots() int {
	n, _ := strconv.Atoi(flagValue("parallel"))
	return n
}

func fuzzing() bool    { return flagValue("fuzz") != "" }
func fuzzWorker() bool { return flagValue("fuzzworker") == "true" }

// stop ends the test with Skipf or Fatalf. A test that is over already, while a
// goroutine of it still waited here, can take neither: then only the goroutine
// ends.
func stop(t TB, skip bool, msg string) {
	t.Helper()
	defer func() {
		switch r := recover(); {
		case r == nil:
		case isLate(r):
			runtime.Goexit()
		default:
			panic(r)
		}
	}()
	if skip {
		t.Skipf("%s", msg)
	} else {
		t.Fatalf("%s", msg)
	}
	panic("rtest: Fatalf or Skipf has returned, which TB does not allow; it was given: " + msg)
}

// isLate recognises how package testing refuses calls after the end of a test.
func isLate(r any) bool {
	s, ok := r.(string)
	return ok && strings.Contains(s, " in goroutine after ") && strings.Contains(s, " has completed")
}

// complain is t.Errorf from a goroutine of our own, where a panic would end the
// whole test binary: inside a fuzz target, *testing.F takes no calls.
func complain(t TB, msg string) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(os.Stderr, "%s (in %s)\n", msg, t.Name())
		}
	}()
	t.Errorf("%s", msg)
}
