package main

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/trace"
)

func newTraceCmd() *cobra.Command {
	var in input
	var out string
	cmd := &cobra.Command{
		Use:   "trace [flags] [EVENTS...]",
		Short: "Make a trace for Perfetto: holds, waits and queues over time",
		Long: `Make a trace in the Trace Event Format, to be opened at ui.perfetto.dev or
chrome://tracing: a track of holds for each resource, waits for each test, counters
of the queues, and arrows from who gave a resource back to who waited for it.`,
		Example: `  rtest-report trace --events events -o trace.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var t trace.Trace
			if _, err := foldInput(cmd, &in, report.Options{OnRequest: t.Add}, args...); err != nil {
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
