package main

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/metrics"
)

func newMetricsCmd() *cobra.Command {
	var in input
	var out string
	cmd := &cobra.Command{
		Use:   "metrics [flags] [EVENTS...]",
		Short: "Make metrics in the OpenMetrics text format",
		Long: `Make metrics in the OpenMetrics text format: waits, holds, blame, queues and the
use of pools. GitLab compares them between merge requests (artifacts:reports:metrics),
a node exporter picks them up from its textfile directory.`,
		Example: `  rtest-report metrics --events events -o metrics.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			rep, err := foldInput(cmd, &in, report.Options{}, args...)
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := metrics.Write(&b, rep); err != nil {
				return err
			}
			return finish(cmd, &in, out, b.Bytes())
		},
	}
	in.bind(cmd)
	bindOutput(cmd, &out)
	return cmd
}
