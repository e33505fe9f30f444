//go:build !unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
)

// passSignals keeps us alive while the console makes ^C reach the child.
func passSignals(*exec.Cmd) (start, stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	return func() {}, func() { signal.Stop(signals) }
}

func exitCode(s *os.ProcessState) int { return s.ExitCode() }
