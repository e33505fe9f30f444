package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

func newValidateCmd() *cobra.Command {
	var in input
	cmd := &cobra.Command{
		Use:   "validate [flags] [EVENTS...]",
		Short: "Say whether event files are whole: exit with 1 if something is missing",
		Example: `  rtest-report validate --events events
  rtest-report validate --events - <all.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			events, err := in.open(cmd, args...)
			if err != nil {
				return err
			}
			v := validation{kinds: map[eventlog.Kind]int{}}
			// A fold as well: only it knows which numbers are missing, and of requests without an end.
			r, err := report.Fold(func(yield func(eventlog.Event, error) bool) {
				for e, err := range events {
					if err == nil {
						v.add(&e)
					}
					if !yield(e, err) {
						return
					}
				}
			}, report.Options{})
			if err != nil {
				return err
			}
			if in.require && in.empty() != "" {
				return in.done(cmd)
			}
			return v.tell(cmd, &in, r)
		},
	}
	in.bind(cmd)
	return cmd
}

// validation collects what nobody else looks at.
type validation struct {
	kinds map[eventlog.Kind]int // unknown ones
}

func (v *validation) add(e *eventlog.Event) {
	if !slices.Contains(eventlog.Kinds, e.Ev) {
		v.kinds[e.Ev]++
	}
}

// tell prints the findings, and what the numbers cannot tell.
func (v *validation) tell(cmd *cobra.Command, in *input, r *report.Report) error {
	out, s := cmd.OutOrStdout(), &in.reader.Stats
	fmt.Fprintf(out, "events %d, files %d, processes %d, requests %d\n", s.Events, s.Files, r.Processes, r.Total.Requests)
	problems := 0
	say := func(n uint64, words string) {
		if n > 0 {
			problems++
			fmt.Fprintf(out, "%6d  %s\n", n, words)
		}
	}
	say(uint64(s.Garbage), "lines that are no events")
	say(uint64(s.Newer), "lines of a newer version of the format")
	say(uint64(s.Torn), "files whose last line stops in the middle")
	say(uint64(s.Empty), "files in which nothing stands: their writers died before their first event, or had no room")
	say(uint64(s.Disordered), "events out of the order in which they were written: their requests may look as if they had no end")
	say(s.Dropped, "events dropped by their writers")
	say(r.Missing, "events missing, by their numbers")
	unknown := 0
	for _, n := range v.kinds {
		unknown += n
	}
	say(uint64(unknown), "events of a kind that this version does not know")
	say(uint64(len(r.Now)), "requests without an end: their process was killed, or still runs")
	for _, l := range s.Samples {
		fmt.Fprintln(out, "        "+l)
	}
	if problems > 0 {
		return breach("the events are not whole")
	}
	if empty := in.empty(); empty != "" {
		fmt.Fprintln(out, empty)
		return nil
	}
	fmt.Fprintln(out, "whole")
	return nil
}
