package main

import (
	"bytes"
	"errors"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/pprof"
)

func newPprofCmd() *cobra.Command {
	var in input
	var out, by string
	cmd := &cobra.Command{
		Use:   "pprof [flags] [EVENTS...]",
		Short: "Make a profile for go tool pprof: who waited, or who kept others waiting",
		Long: `Make a profile of waits for go tool pprof. By waiter, the innermost function is
the test that waited, called by the pool and by whom it waited for, as in a block
profile of Go; by holder the other way round, as in a mutex profile.`,
		Example: `  rtest-report pprof --events events -o waits.pb.gz && go tool pprof -top waits.pb.gz
  rtest-report pprof --events events --by holder -o holders.pb.gz && go tool pprof -http=: holders.pb.gz`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("by", by, "waiter", "holder"); err != nil {
				return err
			}
			if f, ok := cmd.OutOrStdout().(*os.File); ok && out == "" && term.IsTerminal(int(f.Fd())) {
				return errors.New("a profile is not for a terminal; write it to a file with -o FILE")
			}
			p := pprof.Profile{ByHolder: by == "holder"}
			rep, err := foldInput(cmd, &in, report.Options{OnRequest: p.Add}, args...)
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := p.Write(&b, rep); err != nil {
				return err
			}
			return finish(cmd, &in, out, b.Bytes())
		},
	}
	in.bind(cmd)
	bindOutput(cmd, &out)
	cmd.Flags().StringVar(&by, "by", "waiter", "whose waits: `waiter|holder`")
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions([]string{"waiter", "holder"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
