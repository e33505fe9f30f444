package main

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/eventlog/redisstream"
)

// input is the events that a subcommand reads, and the flags that say which.
type input struct {
	targets []string
	strict  bool
	none    bool            // there are no events, and that is right
	after   string          // entry of a stream to begin behind; empty: the oldest
	run     string          // only events of that run; empty: all
	said    map[string]bool // warnings that were given; nil unless the input is read again and again
	reader  eventlog.Reader
}

// usesStdin reports whether - is among the targets.
func (in *input) usesStdin(more []string) bool {
	return slices.Contains(in.targets, "-") || slices.Contains(more, "-")
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
	if in.none {
		return in.reader.Events(), nil
	}
	if len(targets) == 0 {
		if env := os.Getenv("RTEST_EVENTS"); env != "" {
			targets = []string{env}
		}
	}
	if len(targets) == 0 {
		return nil, errors.New("no events given; name a file or directory with --events PATH, or set RTEST_EVENTS as the tests had it")
	}
	in.reader.Stdin = cmd.InOrStdin()
	files := slices.DeleteFunc(slices.Clone(targets), redisstream.IsURL)
	var seqs []iter.Seq2[eventlog.Event, error]
	if len(files) > 0 {
		seqs = append(seqs, in.reader.Events(files...))
	}
	for _, t := range targets {
		if redisstream.IsURL(t) {
			seqs = append(seqs, redisstream.Read(cmd.Context(), t, in.after, &in.reader))
		}
	}
	return ahead(progress(cmd.ErrOrStderr(), in.ofRun(eventlog.Merge(seqs...)))), nil
}

// ofRun leaves out what others wrote meanwhile.
func (in *input) ofRun(events iter.Seq2[eventlog.Event, error]) iter.Seq2[eventlog.Event, error] {
	if in.run == "" {
		return events
	}
	return func(yield func(eventlog.Event, error) bool) {
		for e, err := range events {
			if (err != nil || e.Run.ID == in.run) && !yield(e, err) {
				return
			}
		}
	}
}

// done warns about input that could not be used. Call it after the events were
// read.
func (in *input) done(cmd *cobra.Command) error {
	live := in.said != nil
	stats := in.reader.Stats
	if live {
		stats.Torn = 0 // somebody is writing a line
	}
	w := stats.Warning()
	if stats.Files == 0 && !in.none {
		w = "there are no event files, which end in " + eventlog.Suffix + ": did the tests run with RTEST_EVENTS, as an absolute path?"
	}
	if w == "" {
		return nil
	}
	if in.strict && (stats.Files > 0 || !live) {
		return errors.New(w)
	}
	if live {
		if in.said[w] {
			return nil
		}
		in.said[w] = true
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "rtest-report: warning:", w)
	return nil
}
