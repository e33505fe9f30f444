package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/eventlog/redisstream"
	"github.com/resourcelocker/resourcelocker/report/live"
)

// personFlags are those of the commands by which a person acts: reserve, release,
// disable and enable.
type personFlags struct {
	store  storeFlags
	as     string
	format string
}

func (p *personFlags) bind(cmd *cobra.Command) {
	p.store.bind(cmd)
	f := cmd.Flags()
	f.StringVar(&p.as, "as", "", "`NAME` of the person (default user@host)")
	f.StringVarP(&p.format, "format", "f", "text", "`text|json`")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

func (p *personFlags) check() error {
	if err := environ.Check(); err != nil {
		return err
	}
	if p.as == "" {
		p.as = lockcore.CurrentUser()
	}
	return oneOf("format", p.format, "text", "json")
}

// with opens a locker for f. The time limit of the store is that of each call in
// it, except where somebody waits in line.
func (p *personFlags) with(cmd *cobra.Command, f func(context.Context, *lockcore.Locker) error) error {
	if err := p.check(); err != nil {
		return err
	}
	store, err := p.store.open(cmd.Context())
	if err != nil {
		return err
	}
	locker := lockcore.New(store, &lockcore.Options{Owner: lockcore.Owner{User: p.as}})
	err = f(cmd.Context(), locker)
	if e := locker.Close(); err == nil {
		err = e
	}
	return err
}

// namesKeys wants at least one key, each of them once.
func namesKeys(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("name the KEY of at least one resource; rtest-report ls lists them")
	}
	for i, k := range args {
		if k == "" {
			return errors.New("a KEY is empty")
		}
		if slices.Contains(args[:i], k) {
			return fmt.Errorf("KEY %q is named twice", k)
		}
	}
	return nil
}

// A deed is what a person did, as JSON and for the events.
type deed = live.Deed

// done tells what was done, and puts it on record where RTEST_EVENTS says.
func (p *personFlags) done(cmd *cobra.Command, d deed, text string) error {
	d.By = p.as
	return p.doneAs(cmd, d, text, d)
}

// doneAs is done where the record takes several deeds.
func (p *personFlags) doneAs(cmd *cobra.Command, d deed, text string, records ...deed) error {
	var err error
	if p.format == "json" {
		err = indented(cmd.OutOrStdout(), d)
	} else {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
	}
	// A warning and no failure: it is done, and who sees an exit code does it again.
	if e := audit(cmd.Context(), records...); e != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "rtest-report: warning: the event was not written:", e)
	}
	return err
}

// audit writes the events of what a person did.
func audit(ctx context.Context, deeds ...deed) error {
	if len(deeds) == 0 {
		return nil
	}
	w, err := openLog(ctx)
	if w == nil {
		return err
	}
	return writeDeeds(w, deeds...)
}

// auditTo writes the event into a directory or a stream.
func auditTo(ctx context.Context, target string, d deed) error {
	w, err := redisstream.Open(ctx, target)
	if err != nil {
		return err
	}
	return writeDeeds(w, d)
}

func writeDeeds(w *eventlog.Writer, deeds ...deed) error {
	for _, d := range deeds {
		e := eventlog.Event{Ev: eventlog.Action, Action: d.Action, User: d.By, Reason: d.Reason, Until: d.Until}
		for _, k := range d.Keys {
			e.Chosen = append(e.Chosen, eventlog.Chosen{Key: k, Fence: d.Token})
		}
		w.Write(e)
	}
	return w.Close()
}

// keyList words keys for a person.
func keyList(keys []string) string {
	var l []string
	for _, k := range keys {
		l = append(l, printable(k))
	}
	return strings.Join(l, ", ")
}

// storeError gives an error of the store its exit code: that something is not
// held, or another's, is no trouble with the store.
func storeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, lockcore.ErrNotHeld):
		return &exitError{exitBreach, &worded{err}}
	}
	return &worded{err}
}

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
				ctx, stop := untilSignal(ctx)
				defer stop()
				if cmd.Flags().Changed("wait") {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, wait)
					defer cancel()
				}
				h, err := l.Reserve(ctx, req)
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
	f.DurationVar(&wait, "wait", 0, "give up after `DURATION` (default: wait without end)")
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
					d.Held = append(d.Held, live.HoldingOf(h, time.Time{}))
				}
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

func newDisableCmd() *cobra.Command {
	var p personFlags
	var o lockcore.Outage
	cmd := &cobra.Command{
		Use:   "disable [flags] KEY... --reason WORDS",
		Short: "Take resources out of service",
		Long: `Take resources out of service: nobody is given them, however many wait, until
«rtest-report enable». One that is held goes out of service when its holder gives it
back; with --now it is taken from him in the same step, and his test fails. A
request that cannot be met without them ends at once and says why.`,
		Example: "  rtest-report disable board-3 --reason 'smells of smoke' --now",
		Args:    namesKeys,
		RunE: func(cmd *cobra.Command, keys []string) error {
			if strings.TrimSpace(o.Reason) == "" {
				return errors.New("say why, for those whose tests will not run: --reason WORDS")
			}
			return p.with(cmd, func(ctx context.Context, l *lockcore.Locker) error {
				warnUnlisted(ctx, cmd.ErrOrStderr(), keys)
				o.Keys = keys
				out, err := live.Disable(ctx, l, o)
				if err != nil {
					return storeError(err)
				}
				var lines []string
				records := out.Deeds(p.as, o.Reason)
				d := deed{Action: "disable", Keys: []string{}, By: p.as, Reason: o.Reason}
				for _, one := range records {
					if one.Action != "disable" {
						continue
					}
					if len(d.Keys) == 0 {
						d.Until = one.Until // the first of several ends: until then all of them are out
					}
					d.Keys = append(d.Keys, one.Keys...)
					line := "disabled " + keyList(one.Keys)
					switch {
					case !one.Until.IsZero():
						line += " until " + one.Until.Local().Format(time.DateTime)
					case o.For > 0: // for longer, if they were disabled before
						line += " for " + age(o.For) + " or longer"
					}
					lines = append(lines, line)
				}
				for _, h := range out.Left {
					until := "until it is enabled"
					if !h.Expires.IsZero() {
						until = "until " + h.Expires.Local().Format(time.DateTime)
					}
					lines = append(lines, fmt.Sprintf("%s was disabled by %s already, and stays so %s: enable it first for another end", keyList(h.Keys()), printable(h.Owner.String()), until))
					d.Held = append(d.Held, live.HoldingOf(h, time.Time{}))
				}
				for _, h := range out.Held {
					line := keyList(h.Keys()) + " is held by " + printable(h.Owner.String()) + " until it is given back"
					if o.Now {
						line = keyList(h.Keys()) + " was taken from " + printable(h.Owner.String())
					}
					lines = append(lines, line)
					d.Held = append(d.Held, live.HoldingOf(h, time.Time{}))
				}
				return p.doneAs(cmd, d, strings.Join(lines, "\n"), records...)
			})
		},
	}
	p.bind(cmd)
	f := cmd.Flags()
	f.StringVar(&o.Reason, "reason", "", "`WORDS` for those who would have been given them")
	f.BoolVar(&o.Now, "now", false, "take them from whoever holds them")
	f.DurationVar(&o.For, "for", 0, "for how `LONG` (default until they are enabled); each time in a row twice as long, and no change to what is disabled already")
	return cmd
}

func newEnableCmd() *cobra.Command {
	var p personFlags
	cmd := &cobra.Command{
		Use:     "enable [flags] KEY...",
		Short:   "Put resources back into service",
		Example: "  rtest-report enable board-3",
		Args:    namesKeys,
		RunE: func(cmd *cobra.Command, keys []string) error {
			return p.with(cmd, func(ctx context.Context, l *lockcore.Locker) error {
				enabled, err := l.Enable(ctx, keys...)
				if err != nil {
					return storeError(err)
				}
				var back []string
				for _, h := range enabled {
					back = append(back, h.Keys()...)
				}
				text := "enabled " + keyList(back)
				for _, k := range keys {
					if !slices.Contains(back, k) {
						text += "\n" + printable(k) + " was not disabled"
					}
				}
				return p.done(cmd, deed{Action: "enable", Keys: back}, text)
			})
		},
	}
	p.bind(cmd)
	return cmd
}

// warnUnlisted names the keys that the inventory does not list: they may be slips.
func warnUnlisted(ctx context.Context, w io.Writer, keys []string) {
	v, err := readInventory(ctx)
	if err != nil {
		return // none, or one that says nothing about these keys
	}
	for _, k := range keys {
		if _, _, known := v.Find(k); !known {
			fmt.Fprintf(w, "rtest-report: warning: %s does not list %s\n", v, printable(k))
		}
	}
}
