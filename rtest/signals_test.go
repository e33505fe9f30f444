//go:build unix

package rtest_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

func signalled(c *child) (syscall.Signal, bool) {
	ws := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ws.Signal(), ws.Signaled()
}

func TestSignalsGiveEverythingBack(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
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
			// The end of the process gives it back, no time after it.
			if got := l.left(t); got != "" {
				t.Errorf("after the end: %s", got)
			}
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

// A process that ends gives back what the tests of other frameworks hold, too.
func TestSignalsGiveBackForOtherFrameworks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.scenario(t, "TestOtherFramework")
	c.await("HOLDING [board-1]")
	c.cmd.Process.Signal(syscall.SIGTERM)
	_, out := c.end()
	if !strings.Contains(out, "gave back board-1, board-2\n") && !strings.Contains(out, "gave back board-2, board-1\n") {
		t.Error(out)
	}
	if n := strings.Count(kinds(l.recorded(t), "TestOtherFramework"), "release"); n != 2 {
		t.Errorf("%d leases are given back on record, want 2", n)
	}
}

// judged makes a command whose processes have their use of resources judged.
func judged(dir string, cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(cmd.Env, "JUDGE="+dir)
	return cmd
}

// expires is when the lease on the key would run out.
func (l *lab) expires(t *testing.T, key string) (at time.Time) {
	t.Helper()
	s, err := l.locker.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range s.Holders {
		if slices.Contains(h.Keys(), key) {
			at = h.Expires
		}
	}
	return at
}

// A program that handles signals lives on, and so do its leases: they stay, they
// are renewed, and nobody else gets the board before the test is over. The
// program hears each signal once, and its tests can go on acquiring.
func TestAProgramThatHandlesSignalsKeepsItsLeases(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, l *lab) {
		dir := t.TempDir()
		c := l.launch(t, judged(dir, scenario(t, "TestGoesOn")))
		c.await("HOLDING [board-1]")
		c.await("LISTENING")
		rival := l.launch(t, judged(dir, scenario(t, "TestJudged")))
		for !strings.Contains(l.left(t), "TestJudged waits") {
			yield()
		}
		for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
			c.cmd.Process.Signal(sig)
			c.await(fmt.Sprintf("HEARD %d %s", i+1, sig))
			for before, renewals := l.expires(t, "board-1"), 0; renewals < 2; yield() {
				switch at := l.expires(t, "board-1"); {
				case at.IsZero():
					t.Fatalf("%s: the lease has ended\n%s", sig, c.output())
				case at.After(before):
					before = at
					renewals++
				}
			}
		}
		c.stdin.Close()
		code, out := c.end()
		if code != 0 || strings.Contains(out, "HEARD 4") || strings.Contains(out, "gave back") {
			t.Errorf("exit code %d:\n%s", code, out)
		}
		code, other := rival.end()
		if code != 0 || strings.Contains(out+other, "OVERLAP") {
			t.Errorf("the rival: exit code %d:\n%s\n%s", code, other, out)
		}
	})
}

// Of a program that listens to all signals there are, it cannot be known that it
// listens. It may hear one twice, but it keeps its leases all the same.
func TestAProgramThatHandlesAllSignalsKeepsItsLeases(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cmd := scenario(t, "TestGoesOn")
	cmd.Env = []string{"LISTEN=all"}
	c := l.launch(t, judged(t.TempDir(), cmd))
	c.await("HOLDING [board-1]")
	c.await("LISTENING")
	c.cmd.Process.Signal(syscall.SIGTERM)
	c.await("HEARD 2 " + syscall.SIGTERM.String())
	c.stdin.Close()
	if code, out := c.end(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// When a signal ends the process, the next holder comes after its end.
func TestNobodyHasTheBoardOfADyingProcess(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, l *lab) {
		dir := t.TempDir()
		var rivals []*child
		for i := range 6 {
			c := l.launch(t, judged(dir, scenario(t, "TestJudgedHang")))
			c.await("HOLDING")
			rivals = append(rivals, l.launch(t, judged(dir, scenario(t, "TestJudged"))))
			for !strings.Contains(l.left(t), "TestJudged waits") {
				yield()
			}
			sig := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}[i%3]
			c.cmd.Process.Signal(sig)
			if _, out := c.end(); !strings.Contains(out, sig.String()+": gave back board-1") {
				t.Error(out)
			}
		}
		for _, r := range rivals {
			if code, out := r.end(); code != 0 || strings.Contains(out, "OVERLAP") {
				t.Errorf("exit code %d:\n%s", code, out)
			}
		}
	})
}

// From the signal on, the process acquires nothing, also not for tests that get
// the slots of those that end.
func TestADyingProcessAcquiresNothing(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, l *lab) {
		c := l.scenario(t, "TestManyParked", "-test.parallel=2", "-test.v")
		c.await("HOLDING")
		for !strings.Contains(l.left(t), "waits") {
			yield()
		}
		c.cmd.Process.Signal(syscall.SIGTERM)
		_, out := c.end()
		if n := strings.Count(out, "HOLDING"); n != 1 {
			t.Errorf("%d leases were acquired, want that before the signal only:\n%s", n, out)
		}
		if n := len(l.grants(t)); n != 1 {
			t.Errorf("%d grants on record", n)
		}
	})
}

// What was taken away by hand is not claimed to be given back.
func TestASignalAfterALossClaimsNothing(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, l *lab) {
		c := l.scenario(t, "TestHang")
		c.await("HOLDING")
		if err := l.forceFree(t, "board-1"); err != nil {
			t.Fatal(err)
		}
		c.cmd.Process.Signal(syscall.SIGTERM)
		if _, out := c.end(); strings.Contains(out, "gave back") {
			t.Error(out)
		}
	})
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

// Only go test leaves orphans. Who runs a test binary in the background of a
// shell means it to go on when the shell ends.
func TestABinaryInTheBackgroundOutlivesItsShell(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r, w, err := os.Pipe() // that of the shell is closed when it ends
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `trap "" HUP; "$0" -test.run='^TestUntilEOF$' -test.timeout=2m <&3 & read line`, binary(t, "scenarios"))
	cmd.Env = []string{"RTEST_TTL=1s"}
	cmd.ExtraFiles = []*os.File{r}
	c := l.launch(t, cmd)
	r.Close()
	c.await("HOLDING")
	c.stdin.Close()
	<-c.exited
	before := l.expires(t, "board-1")
	for at := before; at.Sub(before) < 2*time.Second; at = l.expires(t, "board-1") { // two lives, were it not renewed
		if at.IsZero() {
			break
		}
		yield()
	}
	w.Close()
	if _, out := c.end(); strings.Contains(out, "lost") || !strings.Contains(out, "PASS") {
		t.Error(out)
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
	if got := l.left(t); got != "" && got != "board-1 kept" { // for half a second
		t.Errorf("left behind: %s\n%s", got, out)
	}
}
