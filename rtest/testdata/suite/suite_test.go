// Package suite takes a lease for all its tests.
package suite

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/rtest"
)

var chambers = rtest.R("chamber-1", "chamber-2").Named("chambers").InOrder()

func TestMain(m *testing.M) {
	args := []rtest.Arg{chambers, rtest.TTL(6 * time.Second), rtest.HoldOnFail(time.Hour)}
	switch os.Getenv("SUITE") {
	case "nothing":
		args = nil
	case "panic":
		args[0] = rtest.R(1).Key(func(int) string { panic("on purpose") })
	case "nil":
		args[0] = nil
	}
	os.Exit(rtest.Main(m, args...))
}

func TestUse(t *testing.T) {
	var none *rtest.Lease
	none.Release()
	fmt.Println("SUITE HAS", chambers.One(nil), none.Keys(), none.Token() > 0, none.Context().Err(), none.Waited() >= 0, len(none.Environ()))
}

func TestFail(t *testing.T) { t.Error("on purpose") }

func TestPanic(t *testing.T) { panic("on purpose") }

// TestAgain asks for what the suite holds.
func TestAgain(t *testing.T) { rtest.Acquire(t, chambers.Need(2)) }

// TestHold waits until its input ends.
func TestHold(t *testing.T) {
	fmt.Fprintln(os.Stderr, "HOLDING", chambers.From(nil))
	var b [1]byte
	os.Stdin.Read(b[:])
}
