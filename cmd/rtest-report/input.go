package main

import (
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/eventlog/redisstream"
)

// input is the events that a subcommand reads, and the flags that say which.
type input struct {
	targets []string
	strict  bool
	require bool            // no event at all is an error
	gate    bool            // what cannot be used is an error: a gate passes only what it understood
	none    bool            // there are no event files, and that is right
	after   string          // entry of a stream to begin behind; empty: the oldest
	run     string          // only events of that run; empty: all
	said    map[string]bool // warnings that were given; nil unless the input is read again and again
	streams []string        // hosts of the redis URLs among the targets
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
	in.bindRequire(cmd)
	cmd.MarkFlagFilename("events", "jsonl")
}

// bindRequire adds the flag that run has, too.
func (in *input) bindRequire(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&in.require, "require-events", false, "exit with 1 when nothing was recorded: no event at all")
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
		// Only where it counts: what stands in the variable is no trouble to whoever names files.
		if err := environ.Check("RTEST_EVENTS"); err != nil {
			return nil, err
		}
		if env := environ.Getenv("RTEST_EVENTS"); env != "" {
			targets = []string{env}
		}
	}
	if len(targets) == 0 {
		return nil, errors.New("no events given; name a file or directory with --events PATH, or set RTEST_EVENTS as the tests had it")
	}
	in.reader.Stdin = cmd.InOrStdin()
	// A URL is no pattern, though it may look like one: redis://lab:6379/2?stream=fleet.
	var files []string
	for _, t := range targets {
		if !redisstream.IsURL(t) {
			files = append(files, t)
		}
	}
	files, err := expand(files)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	var seqs []iter.Seq2[eventlog.Event, error]
	if len(files) > 0 {
		seqs = append(seqs, in.reader.Events(files...))
	}
	for _, t := range targets {
		if redisstream.IsURL(t) {
			if u, err := url.Parse(t); err == nil { // for messages: host and path have no password
				in.streams = append(in.streams, u.Host+u.Path)
			}
			seqs = append(seqs, redisstream.Read(cmd.Context(), t, in.after, &in.reader))
		}
	}
	// ahead is outermost: reading, merging and telling how far it is go on while somebody folds.
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

// empty says why not one event was read, or is empty when some were.
func (in *input) empty() string {
	stats := &in.reader.Stats
	switch {
	case stats.Events > 0:
		return ""
	case in.none:
		return "nothing was recorded: no test of the command asked for a lock"
	case stats.Files == 0:
		return "nothing was recorded: there are no event files, which end in " + eventlog.Suffix + ": did the tests run with RTEST_EVENTS, as an absolute path?"
	case len(in.streams) > 0:
		return "nothing was recorded: there is no event in the stream at " + strings.Join(in.streams, " and ")
	}
	return "nothing was recorded: there is no event in what was read"
}

// done warns about input that could not be used, and fails where that was asked
// for. Call it after the events were read.
func (in *input) done(cmd *cobra.Command) error {
	live := in.said != nil
	stats := in.reader.Stats
	if live {
		stats.Torn = 0 // somebody is writing a line
	}
	w, empty := stats.Warning(), in.empty()
	// A last line that stops in the middle is that of a writer that was killed or still writes:
	// what stands before it is whole. Where it stands alone, there is nothing to judge by.
	torn := stats.Torn > 0 && stats.Events > 0
	switch {
	// A gate first, whatever else is asked for. Torn lines alone it tolerates:
	//
	//	half.jsonl                    2: nothing was understood
	//	events and half.jsonl         the gate decides, with a warning
	//	events and a line of garbage  2
	case in.gate && w != "" && !(torn && stats.Garbage+stats.Newer+stats.Disordered == 0 && stats.Dropped == 0):
		return errors.New(w + "; a gate passes only what it has read and understood")
	case in.strict && (w != "" || stats.Files == 0 && !in.none && !live):
		return errors.New(strings.TrimPrefix(w+"; "+empty, "; "))
	case in.require && empty != "" && !live:
		return breach("%s", empty)
	case empty != "" && !in.none && !in.gate: // of a gate it is the answer, which check prints itself
		w = strings.TrimPrefix(w+"; "+empty, "; ")
	}
	if w == "" {
		return nil
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
