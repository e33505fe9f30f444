package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/nested"
)

// hold runs the command while the lease lives, and returns its exit code, or
// exitLost. The error is that of a command that cannot be started.
func (o *lockOptions) hold(cmd *cobra.Command, lease *lockcore.Lease, args []string, signals *signals, say *sayer) (int, error) {
	// Without a context, whose end kills at once and only the command: end has its own order,
	// TERM, time to clean up, KILL, and it is for the whole group.
	c := exec.Command(args[0], args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	env, err := lockEnv(lease)
	if err != nil {
		return 0, err
	}
	c.Env = env
	p := newProcess(c)
	if err := p.start(); err != nil {
		return 0, cannotRun(args[0], err)
	}
	watch := p.watchLock(lease, o.grace)
	ended := false
	defer func() {
		watch.stop() // the watcher is a child of ours, too
		if left := p.outside(); ended && left != "" {
			say.line("outside", fmt.Sprintf("warning: %s left the command's process group and goes on after the lease; it must not use %s", left, keyList(lease.Keys())))
		}
	}()
	// One place for all that may come: a signal is passed on while the command runs, and no longer.
	lost := lease.Context().Done()
	for {
		select {
		case code := <-p.ended:
			o.tidy(p, say)
			ended = true
			return code, nil
		case s := <-signals.ch:
			p.pass(s)
		case <-lost:
			say.line("lost", fmt.Sprintf("%s; the command gets TERM, and KILL after %s", lostWords(context.Cause(lease.Context())), o.grace))
			o.end(p)
			return exitLost, nil
		}
	}
}

// end ends the command and what it started: TERM, and KILL when the time of
// grace is over.
func (o *lockOptions) end(p *process) {
	p.terminate()
	grace := time.NewTimer(o.grace)
	defer grace.Stop()
	select {
	case <-p.ended:
		// Those that it started may have more to do, or not have noticed.
		if p.empty(o.grace) {
			return
		}
	case <-grace.C:
	}
	p.kill()
	if !p.over {
		<-p.ended
	}
	p.empty(killedWithin)
}

// killedWithin is how long the group is waited for after KILL. No process refuses that, but
// one may hang in a call to a device; the lease is lost, and that must be told all the same.
const killedWithin = time.Second

// leftoverTime is how long what a command leaves behind may take to end by itself, as
// the rest of a pipeline does.
const leftoverTime = 200 * time.Millisecond

// tidy ends what the command has left in its process group: the lease ends, and it
// could go on to use what it had.
func (o *lockOptions) tidy(p *process, say *sayer) {
	if p.empty(0) || p.empty(leftoverTime) {
		return
	}
	say.line("left", "the command has ended and left processes behind; they get TERM")
	p.terminate()
	if !p.empty(o.grace) {
		p.kill()
		p.empty(killedWithin)
	}
}

// lockEnv is the environment of the command.
func lockEnv(lease *lockcore.Lease) ([]string, error) {
	keys := lease.Keys()
	list, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	// At the end, as the last value of a name counts: below another lock the variables are there
	// already, with the keys of that one.
	env := append(os.Environ(), "RTEST_KEYS="+strings.Join(keys, "\n"), "RTEST_KEYS_JSON="+string(list),
		"RTEST_TOKEN="+strconv.FormatUint(lease.Token(), 10))
	if s := nested.Environ(lease); s != "" {
		env = append(env, s)
	}
	return env, nil
}
