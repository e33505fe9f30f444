package main

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report"
)

func newTraceCmd() *cobra.Command {
	var in input
	var out string
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Make a trace for Perfetto: holds, waits and queues over time",
		Long: `Make a trace in the Trace Event Format, to be opened at ui.perfetto.dev or
chrome://tracing: a track of holds for each resource, waits for each test, counters
of the queues, and arrows from who gave a resource back to who waited for it.`,
		Example: `  rtest-report trace --events events -o trace.json`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var t report.Trace
			if _, err := foldInput(cmd, &in, report.Options{OnRequest: t.Add}); err != nil {
				return err
			}
			var b bytes.Buffer
			if err := t.Write(&b); err != nil {
				return err
			}
			return finish(cmd, &in, out, b.Bytes())
		},
	}
	in.bind(cmd)
	bindOutput(cmd, &out)
	return cmd
}

// bindOutput adds the flag of a subcommand that writes one file.
func bindOutput(cmd *cobra.Command, out *string) {
	cmd.Flags().StringVarP(out, "output", "o", "", "write to `FILE` instead of standard output")
}

// finish writes what was made, and then tells what could not be used for it.
func finish(cmd *cobra.Command, in *input, out string, data []byte) error {
	if err := writeOutput(cmd, out, data); err != nil {
		return err
	}
	return in.done(cmd)
}

// writeOutput writes to standard output, or a file in one step.
func writeOutput(cmd *cobra.Command, out string, data []byte) error {
	if out == "" || out == "-" {
		_, err := cmd.OutOrStdout().Write(data)
		return err
	}
	if err := writeAtomic(out, data); err != nil {
		return fmt.Errorf("writing %s: %w", out, err)
	}
	return nil
}
