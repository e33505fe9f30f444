//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// passSignals makes the signals that end programs reach the child and all its
// children, since go test does not pass them on to the test binaries. It
// returns what starts and what ends that.
//
// On a terminal ^C reaches everybody who shares our process group, and passing
// it on would make it arrive twice, which many programs take for impatience.
// Elsewhere the child gets a group of its own and we pass everything on to it.
func passSignals(c *exec.Cmd) (start, stop func()) {
	terminal := term.IsTerminal(int(os.Stdin.Fd()))
	if !terminal {
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	// Caught from here on, before the child is there: one that comes as it starts waits in the
	// channel until there is somebody to pass it to. What has no room there is lost.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	done := make(chan struct{})
	forward := func() {
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				switch n := s.(syscall.Signal); {
				case !terminal:
					_ = syscall.Kill(-c.Process.Pid, n) // gone already: nothing to end
				case n == syscall.SIGTERM: // no key sends it: it came to us alone
					_ = c.Process.Signal(n)
				}
			}
		}
	}
	return func() { go forward() }, func() { signal.Stop(signals); close(done) }
}

// exitCode is that of a shell: 128 and the signal's number if it was killed.
func exitCode(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}
