//go:build unix

package rtest_test

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

func signalled(c *child) (syscall.Signal, bool) {
	ws := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ws.Signal(), ws.Signaled()
}

func TestSignalsGiveEverythingBack(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			c := l.scenario(t, "TestHangTwice", "-test.parallel=2") // one holds, one waits
			c.await("HOLDING [board-1]")
			for !strings.Contains(l.left(t), "waits") {
				yield()
			}
			c.cmd.Process.Signal(sig)
			_, out := c.end()
			if got, by := signalled(c); !by || got != sig {
				t.Errorf("ended as %v, want by the signal", c.cmd.ProcessState)
			}
			mustContain(t, out, "rtest: "+sig.String()+": gave back board-1")
			var released, withdrawn bool
			for _, e := range l.recorded(t) {
				released = released || e.Ev == "release" && e.HeldMS > 0
				withdrawn = withdrawn || e.Ev == "withdraw" && e.Outcome == "cancelled"
			}
			if !released || !withdrawn {
				t.Errorf("on record: release %v, withdraw %v", released, withdrawn)
			}
			l.await(t, "board-1") // within 50 ms
		})
	}
}

func TestSignalsSwitchedOff(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	off := func(run string) *child {
		cmd := scenario(t, run)
		cmd.Env = []string{"RTEST_SIGNALS=off"}
		return l.launch(t, cmd)
	}
	c := off("TestHang")
	c.await("HOLDING")
	c.cmd.Process.Signal(syscall.SIGTERM)
	_, out := c.end()
	if got, by := signalled(c); !by || got != syscall.SIGTERM || strings.Contains(out, "gave back") {
		t.Errorf("ended as %v:\n%s", c.cmd.ProcessState, out)
	}
	if got := l.left(t); got != "" {
		t.Errorf("left behind: %s", got)
	}

	d := off("TestOwnSignals")
	d.await("HOLDING")
	d.cmd.Process.Signal(syscall.SIGTERM)
	if code, out := d.end(); code != 0 {
		t.Errorf("a test that deals with TERM itself: exit code %d\n%s", code, out)
	}
}

// What other frameworks hold, they give back themselves, after what they have to
// do at an interrupt.
func TestSignalsLeaveOtherFrameworksAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.scenario(t, "TestOtherFramework")
	c.await("HOLDING [board-1]")
	c.cmd.Process.Signal(syscall.SIGTERM)
	_, out := c.end()
	mustContain(t, out, "gave back board-1\n")
	var released []string
	for _, e := range l.recorded(t) {
		if e.Ev == "release" {
			released = append(released, e.Test.Runner)
		}
	}
	if len(released) != 1 || released[0] != "" {
		t.Errorf("released on record, by runner: %q, want only that of go test", released)
	}
}

// nohup and its like mean the signal to be ignored.
func TestIgnoredSignalStaysIgnored(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.launch(t, exec.Command("sh", "-c", `trap "" INT; exec "$0" -test.run='^TestUntilEOF$' -test.timeout=2m`, binary(t, "scenarios")))
	c.await("HOLDING")
	c.cmd.Process.Signal(syscall.SIGINT)
	c.stdin.Close() // it ends in its own time
	if code, out := c.end(); code != 0 || strings.Contains(out, "gave back") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// A test binary whose go test was killed stops renewing, and its test learns why.
func TestOrphan(t *testing.T) {
	t.Parallel()
	binary(t, "scenarios") // the build is then in the cache, so that go test is quick
	l := newLab(t)
	cmd := exec.Command("go", "test", "-count=1", "-run=^TestShortLease$", "-timeout=2m")
	cmd.Dir = "testdata/scenarios"
	c := l.launch(t, cmd)
	c.await("HOLDING")
	c.cmd.Process.Kill()
	_, out := c.end() // of the orphan, which has the pipe
	mustContain(t, out, "LOST", "rtest: lost board-1, acquired at scenarios_test.go:", "the process that started this test binary has ended")
	if got := l.left(t); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

// On a server nobody sees the process die, so what the handler does is all that
// frees the resources before the lease runs out.
func TestSignalsGiveBackToAServer(t *testing.T) {
	t.Parallel()
	binary(t, "scenarios")
	server := redistest.Start(t)
	l := newLabAt(t, "redis://"+server.Addr)
	c := l.scenario(t, "TestHangTwice", "-test.parallel=2")
	c.await("HOLDING [board-1]")
	for !strings.Contains(l.left(t), "waits") {
		yield()
	}
	c.cmd.Process.Signal(syscall.SIGTERM)
	_, out := c.end()
	if got := l.left(t); got != "" && got != "board-1 kept" { // for 50 ms
		t.Errorf("left behind: %s\n%s", got, out)
	}
}
