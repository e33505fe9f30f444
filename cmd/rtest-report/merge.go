package main

import (
	"bufio"
	"io"

	"github.com/spf13/cobra"
)

func newMergeCmd() *cobra.Command {
	var in input
	var out string
	cmd := &cobra.Command{
		Use:   "merge [flags] [EVENTS...]",
		Short: "Write the events of many files into one, in the order of time",
		Long: `Write the events of many files into one, in the order of time, each line as it
was. Lines that are no events are left out and counted.`,
		Example: "  rtest-report merge --events events -o all.jsonl",
		RunE: func(cmd *cobra.Command, args []string) error {
			in.reader.KeepLines = true // written anew, an event would lose what only later versions know
			events, err := in.open(cmd, args...)
			if err != nil {
				return err
			}
			err = writeOutput(cmd, out, func(w io.Writer) error {
				b := bufio.NewWriterSize(w, 1<<16)
				for e, err := range events {
					if err != nil {
						return err
					}
					b.Write(e.Line) // its error stays with b, and WriteByte returns it
					if err := b.WriteByte('\n'); err != nil {
						return err
					}
				}
				return b.Flush()
			})
			if err != nil {
				return err
			}
			return in.done(cmd)
		},
	}
	in.bind(cmd)
	bindOutput(cmd, &out)
	return cmd
}
