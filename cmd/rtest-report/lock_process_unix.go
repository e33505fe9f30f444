//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// passed are the signals that a command gets from whoever sends them to lock. SIGTSTP is none
// of them: the terminal sends ^Z to the command, which has the foreground, and wait sees it
// stop.
var passed = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT}

// signals are those that this process gets.
type signals struct{ ch chan os.Signal }

// catchSignals leaves out what the process ignores, as under nohup; the command
// ignores it then, too.
func catchSignals() *signals {
	// Room for each signal twice: package signal drops what finds none.
	s := &signals{make(chan os.Signal, 16)}
	for _, sig := range passed {
		if !signal.Ignored(sig) {
			signal.Notify(s.ch, sig)
		}
	}
	return s
}

func (s *signals) stop() { signal.Stop(s.ch) }

// endsBy reports whether a signal ends a program that has nothing to do yet, and
// the exit code that says so.
func endsBy(s os.Signal) (code int, ends bool) {
	switch n := s.(syscall.Signal); n {
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT:
		return 128 + int(n), true
	}
	return 0, false
}

// A process is the command of lock with all that it starts, unless that leaves:
// a process group.
type process struct {
	cmd    *exec.Cmd
	guard  guard      // for a lock that is killed
	ended  chan int   // its exit code, once
	over   bool       // the code was taken
	mu     sync.Mutex // guards what follows: signals come while the command is waited for
	tty    int        // the terminal whose foreground it had or has; -1: none
	opened *os.File   // that terminal, if it is not standard input
}

func newProcess(c *exec.Cmd) *process {
	p := &process{cmd: c, ended: make(chan int, 1), tty: -1}
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// On a terminal, what has the foreground reads the keys and gets ^C. It passes
	// from us to the command, as a shell passes it on, and comes back.
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) && foreground(fd) == syscall.Getpgrp() {
		c.SysProcAttr.Foreground, c.SysProcAttr.Ctty = true, fd
		p.tty = fd
	}
	dieWithParent(c.SysProcAttr)
	return p
}

// start starts the command. The thread that does so lives as long as the command:
// the kernel kills that when its parent ends, and takes the thread for the parent.
func (p *process) start() error {
	adoptOrphans()
	p.guard = newGuard()
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err := p.cmd.Start()
		if err == nil {
			p.guard.tell(strconv.Itoa(p.group()))
		}
		started <- err
		if err == nil {
			p.ended <- p.wait()
		}
	}()
	return <-started
}

func (p *process) group() int { return p.cmd.Process.Pid }

// wait returns the exit code of the command. Meanwhile the command may be stopped,
// as by ^Z, and then so is this process. Cmd.Wait would not tell of that.
func (p *process) wait() int {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(p.group(), &status, unix.WUNTRACED, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 1 // somebody else has waited for it
		case status.Stopped():
			p.stopped(status.StopSignal())
		case status.Signaled():
			p.takeBack()
			return 128 + int(status.Signal())
		default:
			p.takeBack()
			return status.ExitStatus()
		}
	}
}

// stopped follows the command into its sleep, so that the shell which started us
// notices, and wakes it when it wakes us.
func (p *process) stopped(by syscall.Signal) {
	switch {
	case by == unix.SIGTTIN || by == unix.SIGTTOU:
		if p.giveTerminal() { // it wants the terminal, which we have
			return
		}
	case !p.hasTerminal():
		return // whoever stopped it goes on with it
	}
	p.takeBack()
	// Not while another thread starts the watcher: the new process, still in our group,
	// would stop before it runs its program, and that thread waits for it without being
	// stopped itself, so that the shell would never see us as stopped.
	syscall.ForkLock.RLock()
	_ = syscall.Kill(0, by)
	syscall.ForkLock.RUnlock()
	// Here we go on, when we do; SIGCONT comes through pass.
}

// pass gives the group a signal that we got.
func (p *process) pass(s os.Signal) {
	n, ok := s.(syscall.Signal)
	if !ok {
		return
	}
	if n == syscall.SIGCONT {
		p.giveTerminal()
		_ = syscall.Kill(-p.group(), n)
		return
	}
	_ = syscall.Kill(-p.group(), n) // gone already: nothing to tell
}

// giveTerminal makes the group the foreground of the terminal and lets it go on, if
// the foreground is ours.
func (p *process) giveTerminal() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	fd := p.tty
	if fd < 0 { // standard input may be a pipe, and there is a terminal all the same
		f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return false
		}
		fd = int(f.Fd())
		if foreground(fd) != syscall.Getpgrp() {
			f.Close()
			return false
		}
		p.tty, p.opened = fd, f
	}
	if foreground(fd) != syscall.Getpgrp() {
		return false
	}
	setForeground(fd, p.group())
	_ = syscall.Kill(-p.group(), syscall.SIGCONT)
	return true
}

func (p *process) hasTerminal() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tty >= 0
}

// takeBack gives our group the terminal that the command had.
func (p *process) takeBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tty >= 0 && foreground(p.tty) == p.group() {
		setForeground(p.tty, syscall.Getpgrp())
	}
}

// foreground is the process group that has the terminal, or -1.
func foreground(fd int) int {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err != nil {
		return -1
	}
	return group
}

// setForeground is for a process that is in the background itself, which the
// kernel would stop for it.
func setForeground(fd, group int) {
	if !signal.Ignored(syscall.SIGTTOU) {
		signal.Ignore(syscall.SIGTTOU)
		defer signal.Reset(syscall.SIGTTOU)
	}
	_ = unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group)
}

func (p *process) terminate() {
	_ = syscall.Kill(-p.group(), syscall.SIGTERM)
	_ = syscall.Kill(-p.group(), syscall.SIGCONT) // one that is stopped would not notice
}

func (p *process) kill() { _ = syscall.Kill(-p.group(), syscall.SIGKILL) }

// empty reports whether nothing is left of the group, once the command has ended,
// or within the time.
func (p *process) empty(within time.Duration) bool {
	p.over = true
	// Nothing tells of the end of a group: one can only ask.
	for deadline := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		reap(p.group())
		if errors.Is(syscall.Kill(-p.group(), 0), syscall.ESRCH) {
			return true
		}
		if !time.Now().Before(deadline) {
			return false
		}
	}
}
