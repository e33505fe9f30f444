package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/live"
)

func newReserveCmd() *cobra.Command {
	var p personFlags
	var w wants
	var length, wait time.Duration
	var reason string
	var next, extend bool
	cmd := &cobra.Command{
		Use:   "reserve [flags] [KEY...] --for DURATION",
		Short: "Take resources as a person, for a time",
		Long: `Take resources as a person, for a time. It waits in line with the tests, with
--next at its front, and says for whom; then it ends, and the resources stay taken
until the time is over or «rtest-report release» gives them back. No process is
needed for that. --extend moves the end of what one has reserved already to that
time from now.

Exit codes: 0 ok; 75 when the wait is over; 1 what was asked for is not so; 2 wrong usage,
or a store that cannot be reached.`,
		Example: `  rtest-report reserve board-3 --for 2h --reason 'debugging the radio'
  rtest-report reserve --pool 'boards*2' --next --for 30m
  rtest-report reserve board-3 --extend --for 1h`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(w.pools) > 0 && len(args) == 0 {
				return nil
			}
			return namesKeys(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			w.keys = args
			switch {
			case length <= 0:
				return errors.New("say for how long: --for 2h")
			case wait < 0:
				return fmt.Errorf("--wait %s: want a duration such as 90s or 5m, 0s for one attempt", wait)
			case extend && (len(w.pools) > 0 || w.need > 0 || next || w.shared):
				return errors.New("--extend is about KEYs that are reserved already; it takes none of --pool, --need, --next and --shared")
			}
			return p.with(cmd, func(ctx context.Context, l *lockcore.Locker) error {
				if extend {
					return p.extend(ctx, cmd, l, args, length, reason)
				}
				reqs, warnings, err := w.requirements(ctx)
				if err != nil {
					return err
				}
				for _, line := range warnings {
					fmt.Fprintln(cmd.ErrOrStderr(), "rtest-report: warning:", line)
				}
				req := lockcore.Request{Requirements: reqs, For: length, Reason: reason}
				if next {
					req.Priority = lockcore.FrontOfLine
				}
				req.OnWait = func(b *lockcore.BusyError) {
					fmt.Fprintf(cmd.ErrOrStderr(), "rtest-report: waiting %s for %s%s\n", age(b.Waited), wanted(reqs), b.Standing())
				}
				// ^C ends the wait and takes the request out of the line, where others would stand
				// behind it until the store misses it.
				ctx, stop := untilSignal(ctx)
				defer stop()
				once := cmd.Flags().Changed("wait") && wait == 0
				if wait > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeoutCause(ctx, wait, errors.New("the limit that --wait sets"))
					defer cancel()
				}
				reserve := l.Reserve
				if once {
					reserve = l.TryReserve
				}
				h, err := reserve(ctx, req)
				if errors.Is(err, lockcore.ErrBusy) {
					return &exitError{exitBusy, &worded{err}}
				}
				if err != nil {
					return storeError(err)
				}
				return p.done(cmd, deed{Action: "reserve", Keys: h.Keys(), Reason: reason, Until: h.Expires.UTC(), Token: h.Token},
					fmt.Sprintf("reserved %s until %s", keyList(h.Keys()), h.Expires.Format(time.DateTime)))
			})
		},
	}
	p.bind(cmd)
	w.bind(cmd)
	f := cmd.Flags()
	f.DurationVar(&length, "for", 0, "for how `LONG`, as 30m or 2h")
	f.DurationVar(&wait, "wait", 0, "give up after `DURATION`, 0s for one attempt (default: wait without end)")
	f.StringVar(&reason, "reason", "", "`WORDS` for those who wait")
	f.BoolVar(&next, "next", false, "stand in front of all who wait")
	f.BoolVar(&extend, "extend", false, "keep what one has reserved for longer")
	return cmd
}

func (p *personFlags) extend(ctx context.Context, cmd *cobra.Command, l *lockcore.Locker, keys []string, length time.Duration, reason string) error {
	found, err := l.ExtendReservation(ctx, p.as, false, length, keys...)
	if err != nil {
		return storeError(refused(err))
	}
	// Keys of several reservations may end at several times, as an extension moves no end
	// to an earlier one. What is told is until when all of them stay.
	until := found[0].Expires
	for _, h := range found {
		if h.Expires.Before(until) {
			until = h.Expires
		}
	}
	return p.done(cmd, deed{Action: "extend", Keys: keys, Reason: reason, Until: until.UTC()},
		fmt.Sprintf("reserved %s until %s", keyList(keys), until.Local().Format(time.DateTime)))
}

// refused gives the exit code of a gate to what only --force does. Lockcore has no sentinel
// for it, and knows no flags: so its words are looked for, and put into those of a command.
func refused(err error) error {
	if err != nil && strings.Contains(err.Error(), "only force ends it") {
		return &exitError{exitBreach, errors.New(strings.Replace(words(err), "only force ends it", "--force ends it all the same", 1))}
	}
	return err
}

func newReleaseCmd() *cobra.Command {
	var p personFlags
	var force bool
	cmd := &cobra.Command{
		Use:   "release [flags] KEY...",
		Short: "Give back what one has reserved",
		Long: `Give back what one has reserved; the next in line get it at once. Reservations of
others are given back with --force only. What a test or a lock holds is not
reserved: that is taken with «rtest-report free».`,
		Example: "  rtest-report release board-3",
		Args:    namesKeys,
		RunE: func(cmd *cobra.Command, keys []string) error {
			return p.with(cmd, func(ctx context.Context, l *lockcore.Locker) error {
				ended, err := l.EndReservation(ctx, p.as, force, keys...)
				if len(ended) == 0 {
					return storeError(refused(err))
				}
				var lines []string
				d := deed{Action: "release"}
				for _, h := range ended {
					d.Keys = append(d.Keys, h.Keys()...)
					line := "released " + keyList(h.Keys())
					if h.Owner.User != p.as {
						line += ", which " + printable(h.Owner.String()) + " had reserved"
					}
					lines = append(lines, line)
					d.Held = append(d.Held, live.HoldingOf(h, time.Time{})) // without ages: they are those of a look, and this is over
				}
				// What was given back is told and recorded, also if the store failed before the last.
				if e := p.done(cmd, d, strings.Join(lines, "\n")); err == nil {
					return e
				}
				return storeError(err) // of those that follow
			})
		},
	}
	p.bind(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "what others have reserved as well")
	return cmd
}
