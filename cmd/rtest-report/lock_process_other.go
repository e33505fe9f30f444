//go:build !unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// signals keeps us alive while the console makes ^C reach the command.
type signals struct{ ch chan os.Signal }

func catchSignals() *signals {
	s := &signals{make(chan os.Signal, 16)}
	signal.Notify(s.ch, os.Interrupt)
	return s
}

func (s *signals) stop() { signal.Stop(s.ch) }

func endsBy(os.Signal) (code int, ends bool) { return 130, true }

// A process is the command of lock. There are no process groups here: what it
// starts is its own business, and it may outlive a lock that is killed.
type process struct {
	cmd   *exec.Cmd
	ended chan int
	over  bool
}

func newProcess(c *exec.Cmd) *process { return &process{cmd: c, ended: make(chan int, 1)} }

func (p *process) start() error {
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = p.cmd.Wait() // the state says all
		p.ended <- exitCode(p.cmd.ProcessState)
	}()
	return nil
}

// pass does nothing: the console has given the command its ^C already.
func (p *process) pass(os.Signal) {}

// terminate kills at once: Windows has no TERM that a program could heed.
func (p *process) terminate()               { _ = p.cmd.Process.Kill() }
func (p *process) kill()                    { _ = p.cmd.Process.Kill() }
func (p *process) empty(time.Duration) bool { p.over = true; return true }

func (p *process) outside() string { return "" }

type watchdog struct{}

func (p *process) watchLock(*lockcore.Lease, time.Duration) watchdog { return watchdog{} }
func (watchdog) stop()                                               {}

// newWatchCmd does nothing: there is no watcher.
func newWatchCmd() *cobra.Command { return &cobra.Command{Use: "__watch", Hidden: true} }
