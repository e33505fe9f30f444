package rtest

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest/bridge"
	"github.com/resourcelocker/resourcelocker/rtest/internal/gotest"
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
	case *testing.T, *testing.B, *testing.F:
		return true
	}
	return ofMain(t)
}

// ofMain reports whether the TB is that of [Main].
func ofMain(t TB) bool {
	m, ok := t.(interface{ ofMain() bool })
	return ok && m.ofMain()
}

// isGinkgo goes by the package of the type, as this package must not import it.
func isGinkgo(t TB) bool {
	typ := reflect.TypeOf(t)
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	return strings.Contains(typ.PkgPath(), "ginkgo")
}

// runnerOf names the framework, for reports that join events with its own files.
func runnerOf(t TB) string {
	if driven(t) {
		return ""
	}
	if isGinkgo(t) {
		return "ginkgo"
	}
	return "other"
}

// stop ends the test with Skipf or Fatalf. A test that is over already, while a
// goroutine of it still waited here, can take neither: then only the goroutine
// ends. Fatalf has by then failed all tests around it, and shows its words nowhere.
func stop(t TB, skip bool, msg string) {
	t.Helper()
	defer func() {
		switch r := recover(); {
		case r == nil:
		case gotest.IsLate(r):
			if !skip {
				fmt.Fprintf(os.Stderr, "%s (in %s)\n", msg, t.Name())
			}
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

// adoptedGrant is the grant of another process that the test joins, or nil.
func adoptedGrant(t TB) *lockcore.Grant {
	if j, ok := t.(bridge.Joiner); ok {
		return j.Grant()
	}
	return nil
}

// early reports whether the attributes of the test are wanted as soon as there
// are any: there may be no other occasion.
func early(t TB) bool {
	_, frame := t.(bridge.Located)
	return driven(t) || frame
}

// suiteOf reports whether the lease of the test is that of the whole process,
// and whether everything else that the process acquires is nested in it.
func suiteOf(t TB) (whole, encloses bool) {
	if ofMain(t) {
		return true, true
	}
	if e, ok := t.(bridge.Enclosing); ok {
		return e.Encloses(), true
	}
	return false, false
}
