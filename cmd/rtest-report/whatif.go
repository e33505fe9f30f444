package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/report/whatif"
)

func newWhatIfCmd() *cobra.Command {
	var in input
	var w whatif.WhatIf
	var policy, format string
	cmd := &cobra.Command{
		Use:   "whatif [flags] [EVENTS...]",
		Short: "Estimate the run with more resources, fewer, or another policy",
		Long: `Estimate what a recorded run would have been like with more resources, fewer, or
another policy, by playing its events to the scheduler.

NAME is that of a pool (boards), a tag (kind=nrf52) or the key of a resource
(board-1). What is added is like most of the resources of that name, or like that
one resource.

It refuses, with "no estimate" and exit code 1, when the replay of what happened
does not take what it took, give or take 2 %: a number would be a guess then, and a
script must not take it for one.

An answer, and how to read it: with one board more, like board-1, everything would
have been done 281 ms earlier, and all waits together would have been 1.6 s shorter.
Other runs, which start and hold a little differently, would be between 221 and
324 ms shorter; go doc of report/whatif says how they are drawn.

  boards +1 (like board-1): this run would have taken 281ms less (-23%), and waited 1.6s less (-54%) in all (estimate).
  Other runs would take 221ms to 324ms less.`,
		Example: `  rtest-report whatif --events events --add boards=1
  rtest-report whatif --events events --remove board-3 --policy fifo
  rtest-report whatif --events events --wait-p95 2m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if policy != "" {
				w.Policy = new(lockcore.QueuePolicy)
				if err := w.Policy.UnmarshalText([]byte(strings.ToLower(policy))); err != nil {
					return fmt.Errorf("--policy: %w", err)
				}
			}
			if format != "text" && format != "json" {
				return fmt.Errorf("unknown --format %q; known are text and json", format)
			}
			if err := asked(&w); err != nil {
				return err
			}
			return printWhatIf(cmd, &in, w, format, args)
		},
	}
	in.bind(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&w.Add, "add", nil, "`NAME=N`: N resources more of a pool, a tag or like a resource; repeatable")
	f.StringArrayVar(&w.Remove, "remove", nil, "`KEY` of a resource to do without, or NAME=N; repeatable")
	f.StringVar(&policy, "policy", "", "`fifo|backfill`: the policy of the changed run (default that of the recorded one)")
	f.DurationVar(&w.WaitP95, "wait-p95", 0, "recommend a pool size for which 95 of 100 requests wait no longer than this")
	f.IntVar(&w.Seeds, "seeds", 20, "other runs to play, of each kind; the range of an estimate is over them")
	f.StringVarP(&format, "format", "f", "text", "`text|json`")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("policy", cobra.FixedCompletions([]string{"fifo", "backfill"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// asked checks what can be checked without the events.
func asked(w *whatif.WhatIf) error {
	switch {
	case w.WaitP95 < 0:
		return fmt.Errorf("--wait-p95 %s: nobody waits less than no time", w.WaitP95)
	case w.Seeds < 1 || w.Seeds > 1000: // each seed plays the whole run again
		return fmt.Errorf("--seeds %d: try 1 to 1000", w.Seeds)
	case len(w.Add)+len(w.Remove) == 0 && w.Policy == nil && w.WaitP95 == 0:
		return errors.New("nothing is to be different; try --add boards=1, --remove KEY, --policy fifo or --wait-p95 2m")
	}
	return nil
}

func printWhatIf(cmd *cobra.Command, in *input, w whatif.WhatIf, format string, args []string) error {
	events, err := in.open(cmd, args...)
	if err != nil {
		return err
	}
	e, err := whatif.Estimate(events, w)
	if errors.Is(err, whatif.ErrNoEstimate) {
		// What could not be read is told, too: it may be why the replay went wrong.
		return errors.Join(in.done(cmd), &exitError{exitBreach, err})
	}
	if err != nil {
		return err
	}
	var b bytes.Buffer
	write := e.WriteText
	if format == "json" {
		write = e.WriteJSON
	}
	if err := write(&b); err != nil {
		return err
	}
	return finish(cmd, in, "", b.Bytes())
}
