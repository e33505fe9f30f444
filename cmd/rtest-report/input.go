package main

import (
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
)

// input is the events that a subcommand reads, and the flags that say which.
type input struct {
	targets []string
	strict  bool
	reader  eventlog.Reader
}

// bind adds the flags to a subcommand.
func (in *input) bind(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&in.targets, "events", "e", nil, "event `PATH`: a file, a directory, - for standard input, or a redis URL; repeatable (default $RTEST_EVENTS)")
	cmd.Flags().BoolVar(&in.strict, "strict", false, "exit with 2 when a part of the input cannot be used, instead of a warning")
	cmd.MarkFlagFilename("events", "jsonl")
}

// open yields the events in the order of time; more are paths given as
// arguments. It fails only when nothing says where they are: an unreadable
// path ends the sequence with an error.
func (in *input) open(cmd *cobra.Command, more ...string) (iter.Seq2[eventlog.Event, error], error) {
	targets := append(append([]string{}, in.targets...), more...)
	if len(targets) == 0 {
		if env := os.Getenv("RTEST_EVENTS"); env != "" {
			targets = []string{env}
		}
	}
	if len(targets) == 0 {
		return nil, errors.New("no events given; name a file or directory with --events PATH, or set RTEST_EVENTS as the tests had it")
	}
	in.reader.Stdin = cmd.InOrStdin()
	return in.reader.Events(targets...), nil
}

// done warns about input that could not be used. Call it after the events were
// read.
func (in *input) done(cmd *cobra.Command) error {
	w := in.reader.Stats.Warning()
	if w == "" {
		return nil
	}
	if in.strict {
		return errors.New(w)
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "rtest-report: warning:", w)
	return nil
}
