// Package suite holds the suites that the tests of ginkgolock run in processes
// of their own: one for each name in the variable SCENARIO.
package suite

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/resourcelocker/resourcelocker/ginkgolock"
	"github.com/resourcelocker/resourcelocker/rtest"
)

var (
	boards  = ginkgolock.Pool("k64f", rtest.R("board-1", "board-2", "board-3"))
	staging = ginkgolock.Pool("staging", rtest.R("staging-1"))
	chamber = rtest.R("chamber").Named("chamber")
)

// scenarios build the tree; in the test function they may do more.
var scenarios = map[string]func(){}

// labels are for RunSpecs.
var labels = map[string]Labels{}

// prologues run then, before RunSpecs.
var prologues = map[string]func(){}

func TestSuite(t *testing.T) {
	name := os.Getenv("SCENARIO")
	if scenarios[name] == nil {
		t.Fatalf("there is no scenario %q", name)
	}
	RegisterFailHandler(Fail)
	if os.Getenv("PIDS") != "" {
		say("pid %d %d", syscall.Getpgrp(), os.Getpid())
	}
	scenarios[name]()
	if f := prologues[name]; f != nil {
		f()
	}
	RunSpecs(t, name, labels[name])
}

// work is a directory that all processes of a test share.
func work(name ...string) string {
	return filepath.Join(append([]string{os.Getenv("WORK")}, name...)...)
}

// say leaves a line for the test: a file for each, since processes write at once.
func say(format string, args ...any) {
	f, err := os.OpenFile(work("said"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	Expect(err).NotTo(HaveOccurred())
	defer f.Close()
	_, err = f.WriteString(fmt.Sprintf(format, args...) + "\n")
	Expect(err).NotTo(HaveOccurred())
}

// await returns when the test has made the file, or the context ends.
func await(ctx SpecContext, name string) {
	for {
		if _, err := os.Stat(work(name)); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			Fail("the context has ended: " + ctx.Err().Error())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// hold uses what the spec's lease has, for a moment.
func hold(ctx SpecContext) {
	done := use(ginkgolock.Lease(ctx).Keys())
	defer done()
	time.Sleep(2 * time.Millisecond) // so that an overlap can be seen
	say("ran %s", CurrentSpecReport().LeafNodeText)
}
