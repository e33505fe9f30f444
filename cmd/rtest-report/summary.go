package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/whatif"
)

func newSummaryCmd() *cobra.Command {
	var in input
	var s show
	var c comparison
	var follow bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "summary [flags] [EVENTS...]",
		Short: "Who waited for what, because of whom, and how busy the resources were",
		Example: `  rtest-report summary --events events
  rtest-report summary --events events --format md >>"$GITHUB_STEP_SUMMARY"
  rtest-report summary --by tag,holder --top 3 events/*.jsonl
  rtest-report summary --events events --junit 'reports/*.xml'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := s.view(); err != nil {
				return err
			}
			if follow {
				return followSummary(cmd, &in, &s, c.files, args, every)
			}
			return printSummary(cmd, &in, &s, cmd.OutOrStdout(), c.files, args)
		},
	}
	in.bind(cmd)
	s.bind(cmd)
	c.bind(cmd)
	cmd.Flags().BoolVar(&follow, "follow", false, "print it again whenever it changed, until interrupted")
	cmd.Flags().DurationVar(&every, "every", 2*time.Second, "how often --follow looks")
	return cmd
}

// replayMost bounds the requests that are replayed without being asked for, which
// takes up to ten seconds for that many.
const replayMost = 5000

// printSummary folds the events and prints the report to w. JUnit files tell how tests
// ended of which the events do not.
func printSummary(cmd *cobra.Command, in *input, s *show, w io.Writer, junit, args []string) error {
	events, err := in.open(cmd, args...)
	if err != nil {
		return err
	}
	var r *report.Report
	c := comparison{files: junit}
	opts := c.options(report.Options{})
	if in.said != nil { // half a run cannot be compared with another half
		r, err = report.Fold(events, opts)
	} else {
		r, err = whatif.FoldAndCompare(events, opts, replayMost)
	}
	if err != nil {
		return err
	}
	found, err := c.find()
	if err != nil {
		return err
	}
	r.Suspects = suspicions(found)
	if err := s.print(w, cmd.ErrOrStderr(), r, in.said); err != nil {
		return err
	}
	return in.done(cmd)
}

// followSummary reads everything anew each time: a log of a hundred thousand
// events takes a fraction of a second, and what was written late, by whichever
// process, still falls into its place.
func followSummary(cmd *cobra.Command, in *input, s *show, junit, args []string, every time.Duration) error {
	if every <= 0 {
		return errors.New("--every must be more than 0")
	}
	if in.usesStdin(args) {
		return errors.New("--follow cannot read standard input more than once; give it files, directories or a redis URL")
	}
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	cmd.SetContext(ctx)
	in.said = map[string]bool{}
	out := cmd.OutOrStdout()
	f, isFile := out.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	var last []byte
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		var b bytes.Buffer
		// A copy for each look: what one counts, and the streams that it names, are no part of the
		// next. What was warned of, in said, is shared.
		again := *in
		again.reader.Stats = in.reader.Stats
		if err := printSummary(cmd, &again, s, &b, junit, args); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if !bytes.Equal(b.Bytes(), last) {
			last = b.Bytes()
			if terminal {
				io.WriteString(out, "\x1b[H\x1b[2J") // the new report takes the place of the old one
			}
			if _, err := out.Write(last); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
