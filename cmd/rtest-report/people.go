package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	if w == nil { // without RTEST_EVENTS err is nil, too: a record is not asked for
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
