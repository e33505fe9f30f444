//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A lock that is killed, or stopped, cannot end its command when the lease is over.
// So a second process, the watcher, is told again and again for how long the lease
// is good:
//
//	 0 s  lock: good for 29.4 s
//	 5 s  lock: good for 24.4 s
//	10 s  lock: renewed, good for 29.4 s
//	11 s  somebody stops lock
//	39 s  watcher: the lease is over, TERM for the group of the command
//
// When lock ends without a word, the watcher kills the group at once, and lives until
// the group is gone: for as long as it does, a store in files knows lock for alive.
//
// Until the watcher is there, a shell, which starts faster, does the same for a lock
// that is killed.

// watchAfter spares a command that is over soon the watcher.
const watchAfter = 100 * time.Millisecond

// killedTime is how long the watcher waits for that: a process that has ended stays in
// its group where nobody asks how it ended, as in a container whose first process does not.
const killedTime = 500 * time.Millisecond

// guardScript reads the number of the group, and kills that when its input ends
// without another line. It tries fifty times in half a second, which is killedTime.
const guardScript = `read -r group || exit 0
read -r _ && exit 0
n=0
while kill -KILL "-$group" && [ $n -lt 50 ]; do
	n=$((n+1))
	sleep 0.01
done`

// A guard is the shell that kills the group of a lock that is killed.
type guard struct {
	in  io.WriteCloser
	pid int
}

// newGuard starts the shell. Without one, in is nil.
func newGuard() (g guard) {
	c := exec.Command("/bin/sh", "-c", guardScript)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of ^C
	if in, err := c.StdinPipe(); err == nil && c.Start() == nil {
		g.in, g.pid = in, c.Process.Pid
		go c.Wait()
	}
	return g
}

func (g guard) tell(line string) {
	if g.in != nil {
		_, _ = io.WriteString(g.in, line+"\n") // one that was killed is no help
	}
}

// watchCommand is the hidden subcommand that the watcher runs.
const watchCommand = "__watch"

// A watchdog keeps a watcher.
type watchdog struct {
	done  chan struct{}
	ended chan struct{}
}

// watchLock starts the watcher, a moment later.
func (p *process) watchLock(lease *lockcore.Lease, grace time.Duration) watchdog {
	w := watchdog{make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(w.ended)
		defer p.guard.tell("done")
		after := watchAfter
		if p.guard.in == nil { // no shell watches meanwhile
			after = 0
		}
		select {
		case <-time.After(after):
			w.run(p, lease, grace)
		case <-w.done:
		}
	}()
	return w
}

func (w watchdog) run(p *process, lease *lockcore.Lease, grace time.Duration) {
	exe, err := os.Executable()
	if err != nil {
		return
	}
	c := exec.Command(exe, watchCommand, strconv.Itoa(p.group()), grace.String())
	c.Args[0] = os.Args[0] // in tests the program is the test binary, and knows by its name what it is
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of ^C
	in, err := c.StdinPipe()
	if err != nil || c.Start() != nil {
		return // the kernel's help is left, where it helps
	}
	p.guard.tell("done")
	ttl := time.Until(lease.ValidUntil())
	// A lease is renewed after a third of its TTL: looking twice in that time, the watcher
	// hears of a renewal long before the end that it was told.
	tick := time.NewTicker(max(ttl/6, 10*time.Millisecond))
	defer tick.Stop()
	for {
		// One that is gone is noticed when it is waited for.
		_, _ = fmt.Fprintf(in, "%d\n", time.Until(lease.ValidUntil()).Milliseconds())
		select {
		case <-tick.C:
		case <-w.done:
			_, _ = io.WriteString(in, "done\n")
			in.Close()
			_ = c.Wait()
			return
		}
	}
}

// stop tells the watcher that the command has ended. Nobody must be killed then:
// its number may be another's.
func (w watchdog) stop() {
	close(w.done)
	<-w.ended
}

// newWatchCmd is what the watcher runs.
func newWatchCmd() *cobra.Command {
	return &cobra.Command{
		Use: watchCommand, Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			group, err := strconv.Atoi(args[0])
			// kill takes the negative of the number: of 0 that is our own group, and of 1 everybody.
			if err != nil || group <= 1 {
				return fmt.Errorf("%q is no process group", args[0])
			}
			grace, err := time.ParseDuration(args[1])
			if err != nil {
				return err
			}
			watchGroup(cmd.InOrStdin(), cmd.ErrOrStderr(), group, grace)
			return nil
		},
	}
}

// watchGroup reads for how long the lease is good, until it is told that all is
// done.
func watchGroup(in io.Reader, stderr io.Writer, group int, grace time.Duration) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(in)
		for s.Scan() {
			lines <- s.Text()
		}
	}()
	timer := time.NewTimer(time.Hour) // stands until the first line sets it
	defer timer.Stop()
	termed := false
	for {
		select {
		case line, ok := <-lines:
			if !ok { // its input ended, and nobody said that all is done: lock was killed
				killGroup(group)
				return
			}
			ms, err := strconv.ParseInt(line, 10, 64)
			if err != nil {
				return // done
			}
			if !termed { // after TERM no renewal helps: the timer is that of KILL now
				timer.Reset(time.Duration(ms) * time.Millisecond)
			}
		case <-timer.C:
			if termed {
				killGroup(group)
				return
			}
			termed = true
			fmt.Fprintf(stderr, "rtest-report: the lease is over, and lock does not say that it renewed it: the command gets TERM, and KILL after %s\n", grace)
			_ = syscall.Kill(-group, syscall.SIGTERM)
			_ = syscall.Kill(-group, syscall.SIGCONT) // one that is stopped would not notice
			timer.Reset(grace)
		}
	}
}

// killGroup kills a process group and waits until it is gone.
func killGroup(group int) {
	for deadline := time.Now().Add(killedTime); syscall.Kill(-group, syscall.SIGKILL) == nil && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}
