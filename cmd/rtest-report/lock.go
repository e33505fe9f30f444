package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/lockcore/nested"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// Exit codes of lock beside those of its command. 75 is EX_TEMPFAIL of sysexits.h; neither
// is one that a shell gives by itself, as 127 and those above 128.
const (
	exitLost = 74 // the lease was lost while the command ran
	exitBusy = 75 // it did not get what it waited for: try again later
)

// lockOptions are the flags of lock.
type lockOptions struct {
	store    storeFlags
	wants    wants
	wait     time.Duration
	ttl      time.Duration
	expect   time.Duration
	grace    time.Duration
	name     string
	reason   string
	priority int
	format   string

	waitForDisabled bool // RTEST_ON_OUTAGE=wait
}

func newLockCmd() *cobra.Command {
	var o lockOptions
	cmd := &cobra.Command{
		Use:   "lock [flags] [KEY...] -- COMMAND [ARG...]",
		Short: "Run a command while it holds resources, in the same line as tests",
		Long: `Run a command while it holds resources: all KEYs, or any N of them with --need N,
or some of a pool of the inventory that RTEST_POOLS names. It waits in line as a
test does, and says on standard error for whom; what it holds is renewed while the
command runs and given back when that has ended, whatever happened to it.

The command finds what it got in RTEST_KEYS (one key a line), RTEST_KEYS_JSON (a
list of strings) and RTEST_TOKEN (the fencing token). What it starts, a go test or
another lock, and asks for one of these keys, gets it from this lock.

Exit codes: that of the command, 128 and the number of the signal if it was killed;
75 when the wait is over, 74 when the lease was lost: the command then gets TERM,
and KILL after --grace. 127 if there is no such command, 2 for wrong usage and for
a store that cannot be reached.

The command is a process group of its own, which gets every signal that lock gets.
What it leaves behind there gets TERM when it has ended. On a terminal it is the
foreground group, so that a shell works. When lock itself is killed, or stopped for
longer than its lease lives, a second process kills the group; on Linux the kernel
kills the command at once. Neither reaches a process that left the group (setsid);
on Linux, one that goes on after the command is named. Windows has neither groups
nor a second process here: what the command starts is left alone, and the command
of a lock that is killed goes on.`,
		Example: `  rtest-report lock board-1 -- ./flash.sh
  rtest-report lock --need 2 board-1 board-2 board-3 -- make -j4 test
  rtest-report lock --pool 'boards*2' --where fw=4 --pool chamber --wait 10m -- pytest
  rtest-report lock --shared staging -- bash`,
		Args: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			switch {
			case dash < 0 || dash == len(args):
				return errors.New("no command given; write it behind two dashes, as in «rtest-report lock board-1 -- make test»")
			case dash == 0 && len(o.wants.pools) == 0:
				return errors.New("nothing to hold: name a KEY in front of the two dashes, or --pool NAME")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			o.wants.keys = args[:dash]
			return o.told(cmd, o.run(cmd, args[dash:]))
		},
	}
	o.store.bind(cmd)
	o.wants.bind(cmd)
	f := cmd.Flags()
	f.DurationVar(&o.wait, "wait", 0, "give up after `DURATION`, 0s for one attempt (default $RTEST_WAIT, else wait without end)")
	f.DurationVar(&o.ttl, "ttl", 0, "life of the lease between renewals (default $RTEST_TTL, else 30s)")
	f.DurationVar(&o.expect, "expect", 0, "how long it will be held (default: what was learned under its name)")
	f.DurationVar(&o.grace, "grace", 10*time.Second, "time between TERM and KILL when the lease is lost")
	f.StringVar(&o.name, "name", "", "`NAME` in the line and in reports, under which hold times are learned (default the name of the command)")
	f.StringVar(&o.reason, "reason", "", "`WORDS` for those who wait")
	f.IntVar(&o.priority, "priority", 0, "places in line: one level is worth a minute of waiting")
	f.StringVarP(&o.format, "format", "f", "text", "of what it says on standard error: `text|json`")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// check finds mistakes before anything is asked of the store, and fills in what
// the environment says.
func (o *lockOptions) check(cmd *cobra.Command, args []string) error {
	if err := environ.Check(); err != nil {
		return err
	}
	if err := oneOf("format", o.format, "text", "json"); err != nil {
		return err
	}
	// A flag comes before the environment: RTEST_WAIT is of the whole job, --wait of one line in
	// it. A wait of 0 is one attempt. A TTL of 0 is lockcore's word for its default, which nobody
	// means who writes 0s.
	for _, d := range []struct {
		flag, env string
		value     *time.Duration
		least     time.Duration
	}{{"wait", "RTEST_WAIT", &o.wait, 0}, {"ttl", "RTEST_TTL", &o.ttl, 1}, {"expect", "", &o.expect, 0}, {"grace", "", &o.grace, 0}} {
		value := environ.Getenv(d.env)
		switch {
		case cmd.Flags().Changed(d.flag):
			if *d.value < d.least {
				return fmt.Errorf("--%s %s: want a duration such as 90s or 5m", d.flag, *d.value)
			}
		case d.env != "" && value != "":
			v, err := time.ParseDuration(value)
			if err != nil || v < d.least {
				return fmt.Errorf("the environment variable %s is %q; want a duration such as 90s or 5m, or leave it unset", d.env, value)
			}
			*d.value = v
		case d.flag == "wait":
			o.wait = -1 // without end: a person sees the line that waits, and can press ^C
		}
	}
	switch v := environ.Getenv("RTEST_ON_OUTAGE"); v {
	case "", "end":
	case "wait":
		o.waitForDisabled = true
	default:
		return fmt.Errorf("the environment variable RTEST_ON_OUTAGE is %q; want end or wait", v)
	}
	// Hold times are learned under the name: ./flash.sh and /lab/flash.sh are one.
	if o.name == "" {
		o.name = filepath.Base(args[0])
	}
	return nil
}

// told says an error as the format wants it, and leaves the exit code to say.
func (o *lockOptions) told(cmd *cobra.Command, err error) error {
	if err == nil || err.Error() == "" || o.format != "json" {
		return err
	}
	(&sayer{w: cmd.ErrOrStderr(), json: true}).line("error", err.Error())
	return &exitError{code: exitCodeOf(err)}
}

// run holds the resources while the command runs.
func (o *lockOptions) run(cmd *cobra.Command, args []string) error {
	if err := o.check(cmd, args); err != nil {
		return err
	}
	say := &sayer{w: cmd.ErrOrStderr(), json: o.format == "json"}
	// A command that cannot be run should not wait in line first.
	if _, err := exec.LookPath(args[0]); err != nil {
		return cannotRun(args[0], err)
	}
	look := cmd.Context() // an inventory that does not answer is part of the wait
	if o.wait > 0 {
		var stop context.CancelFunc
		look, stop = context.WithTimeoutCause(look, o.wait, fmt.Errorf("the wait of %s is over", o.wait))
		defer stop()
	}
	reqs, warnings, err := o.wants.requirements(look)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		say.line("warning", "warning: "+w)
	}
	store, err := o.store.open(cmd.Context())
	if err != nil {
		return err
	}
	// Before Join, whose store no longer shows what it is made of.
	//
	// When lock is killed, what its command does to a board goes on for a moment. The
	// lease is to end with the last of the processes, not with the first.
	if s, ok := store.(interface{ LiveInChildren() error }); ok {
		if err := s.LiveInChildren(); err != nil {
			say.line("warning", "warning: "+err.Error())
		}
	}
	if store, err = nested.Join(store); err != nil {
		return err
	}
	id := eventlog.Identity(environ.Getenv)
	locker := lockcore.New(store, &lockcore.Options{Owner: lockcore.Owner{Test: o.name, Run: id.ID, URL: id.URL}})
	// From here on, before there is a lease: a signal in between would leave it behind.
	signals := catchSignals()
	defer signals.stop()
	rec, err := newLockRecord(cmd.Context(), o, say)
	if err != nil {
		say.line("warning", "warning: no events are written: "+err.Error()) // no reason to keep the board from the command
	}
	defer rec.close()
	lease, err := o.acquire(cmd.Context(), locker, reqs, signals, rec, say)
	if err != nil {
		var busy *lockcore.BusyError
		if errors.As(err, &busy) {
			locker.Close() // the ticket is withdrawn already
		}
		return err // a store that does not answer is not waited for
	}
	code, err := o.hold(cmd, lease, args, signals, say)
	if err == nil { // else no command ran, and there is no verdict of one
		rec.ended(code)
	}
	// Whatever ended the context of the program: a lease that stays would keep the others waiting
	// for its TTL.
	released := lease.Release(context.Background())
	rec.gone(lease, released)
	// A loss that ended the command was told then. One that is noticed only now counts as well:
	// for a part of its time the command may have had to share.
	if errors.Is(released, lockcore.ErrLost) && code != exitLost && err == nil {
		say.line("lost", lostWords(released)+"; it had ended by then or ended just now")
		code = exitLost
	} else if released != nil && !errors.Is(released, lockcore.ErrLost) {
		say.line("warning", "warning: "+words(released))
	}
	// Only what the client uses is left to close, and the process ends.
	if e := locker.Close(); e != nil && released == nil {
		say.line("warning", "warning: "+words(e))
	}
	if err != nil {
		return err
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// acquire waits in line. A signal ends the wait, and a second one the withdrawal
// from a store that does not answer.
func (o *lockOptions) acquire(ctx context.Context, locker *lockcore.Locker, reqs []lockcore.Requirement, signals *signals, rec *lockRecord, say *sayer) (*lockcore.Lease, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over, unheard := make(chan struct{}), make(chan struct{})
	// Until this is done, a signal is one to the wait; from then on, one to the command.
	stopListening := sync.OnceFunc(func() { close(over); <-unheard })
	defer stopListening()
	go func() {
		defer close(unheard)
		asked := false
		for {
			select {
			case s := <-signals.ch:
				code, ends := endsBy(s)
				switch {
				case ends && asked:
					os.Exit(code)
				case ends:
					asked = true
					cancel(&endedBy{s, code})
				}
			case <-over:
				return
			}
		}
	}()
	// The identity is made here, since the record names the request before it is asked for.
	req := lockcore.Request{
		ID: rand.Text(), Requirements: reqs, Priority: o.priority, TTL: o.ttl, Expect: o.expect, Reason: o.reason,
		Owner: lockcore.Owner{Test: o.name}, WaitForDisabled: o.waitForDisabled,
	}
	// What a pool has may change while it waits. KEYs stay what they are.
	if len(o.wants.pools) > 0 {
		req.Rediscover = func(ctx context.Context) ([]lockcore.Requirement, error) {
			reqs, _, err := o.wants.requirements(ctx) // its warnings were told at the start
			if err == nil {
				rec.rediscovered(reqs)
			}
			return reqs, err
		}
	}
	req.OnWait = func(b *lockcore.BusyError) {
		rec.queue(b)
		line := fmt.Sprintf("waiting %s for %s%s", age(b.Waited), wanted(b.Requirements), b.Standing())
		if left := o.wait - b.Waited; o.wait > 0 {
			line += "; gives up in " + age(max(0, left))
		}
		say.line("waiting", line)
	}
	rec.request(&req, o.wait)
	var lease *lockcore.Lease
	var err error
	switch {
	case o.wait == 0:
		lease, err = locker.TryAcquire(ctx, req)
	case o.wait > 0:
		// The limit is on a context of its own: the cause of ctx is looked at below, where it tells
		// of a signal alone.
		limited, stop := context.WithTimeoutCause(ctx, o.wait, errWaitOver)
		defer stop()
		lease, err = locker.Acquire(limited, req)
	default:
		lease, err = locker.Acquire(ctx, req)
	}
	stopListening()
	var by *endedBy
	var busy *lockcore.BusyError
	switch {
	case errors.As(context.Cause(ctx), &by): // whatever the error: the store may have been slow to give one, or have granted it just then
		if lease != nil {
			if err := lease.Release(context.WithoutCancel(ctx)); err != nil {
				say.line("warning", "warning: "+words(err))
			}
		}
		rec.withdraw(eventlog.Cancelled, eventlog.RefusedCancelled, nil, by.Error())
		return nil, &exitError{by.code, fmt.Errorf("gave up waiting for %s: %w", wanted(reqs), by)}
	case err == nil:
		rec.grant(lease)
		return lease, nil
	case errors.Is(err, lockcore.ErrDeadlock): // the others in the circle go on now, so that later it may work
		rec.withdraw(eventlog.Failed, eventlog.RefusedDeadlock, nil, err.Error())
		return nil, &exitError{exitBusy, errors.New(words(err))}
	case errors.Is(err, lockcore.ErrUnsatisfiable): // wrong usage: no later attempt can help
		rec.withdraw(eventlog.Failed, eventlog.RefusedImpossible, nil, err.Error())
		return nil, errors.New(words(err))
	case errors.As(err, &busy):
		outcome, why := eventlog.TimedOut, eventlog.RefusedTimeout
		switch {
		case errors.Is(err, lockcore.ErrOutOfService):
			outcome, why = eventlog.Failed, eventlog.RefusedOutage
		case o.wait == 0:
			why = eventlog.RefusedBusy
		}
		rec.withdraw(outcome, why, busy, err.Error())
		return nil, &exitError{exitBusy, &worded{err}}
	}
	rec.withdraw(eventlog.Failed, eventlog.RefusedStore, nil, err.Error())
	return nil, errors.New(words(err))
}

// errWaitOver is why a wait ended that had a limit. A message has it in brackets.
var errWaitOver = errors.New("the limit that --wait or RTEST_WAIT sets")

// endedBy is the end of a wait by a signal.
type endedBy struct {
	signal os.Signal
	code   int
}

func (e *endedBy) Error() string { return e.signal.String() }

// worded is an error in our words.
type worded struct{ err error }

func (e *worded) Error() string { return words(e.err) }
func (e *worded) Unwrap() error { return e.err }

// words are those of an error without the name of the package that it is from.
func words(err error) string { return strings.TrimPrefix(err.Error(), "lockcore: ") }

func lostWords(err error) string {
	return words(err) + ": somebody else may be using it"
}

// wanted words requirements for a line.
func wanted(reqs []lockcore.Requirement) string {
	var l []string
	for _, r := range reqs {
		l = append(l, r.String())
	}
	return strings.Join(l, " and ")
}
