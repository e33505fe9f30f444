package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"

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
			in.reader.KeepLines = true
			events, err := in.open(cmd, args...)
			if err != nil {
				return err
			}
			err = writeTo(cmd, out, func(w io.Writer) error {
				b := bufio.NewWriterSize(w, 1<<16)
				for e, err := range events {
					if err != nil {
						return err
					}
					b.Write(e.Line)
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
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to `FILE` instead of standard output, in one step")
	return cmd
}

// writeTo calls f with standard output, or with a new file that takes the name
// path when f is done: whoever reads path, even one of the inputs, never sees
// half of it.
func writeTo(cmd *cobra.Command, path string, f func(io.Writer) error) error {
	if path == "" || path == "-" {
		return f(cmd.OutOrStdout())
	}
	t, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(t.Name()) // gone already if all went well
	err = f(t)
	if err == nil {
		err = t.Chmod(0o644) // a temporary file is for its owner only, a report is not
	}
	if e := t.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(t.Name(), path)
}
