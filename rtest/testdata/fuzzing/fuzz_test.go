// Package fuzzing is a fuzz target that holds a board while it is fuzzed, and
// takes another for each input.
package fuzzing

import (
	"fmt"
	"os"
	"testing"

	"github.com/resourcelocker/resourcelocker/rtest"
)

var (
	rig    = rtest.R("rig-1", "rig-2")
	dongle = rtest.R("dongle-1", "dongle-2", "dongle-3")
	suite  = rtest.R("suite-1")
)

func TestMain(m *testing.M) { os.Exit(rtest.Main(m, suite)) }

func FuzzBoard(f *testing.F) {
	f.Add("seed")
	l := rtest.Acquire(f, rig)
	fmt.Fprintf(os.Stderr, "pid %d has %s and %s\n", os.Getpid(), rig.One(l), suite.One(nil))
	f.Fuzz(func(t *testing.T, s string) {
		rig.One(l)
		dongle.One(rtest.Acquire(t, dongle))
	})
}
