package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report"
)

func newHTMLCmd() *cobra.Command {
	var in input
	var dir, title string
	cmd := &cobra.Command{
		Use:   "html -o DIR",
		Short: "Make a page with charts: who waited, for what, because of whom",
		Long: `Make a page with charts: who waited, for what, because of whom, and when
resources were in use. DIR/index.html and DIR/style.css are all there is: no
script, nothing from elsewhere, so that it opens from a disk, an artifact store or
the workspace browser of a CI server.`,
		Example: `  rtest-report html --events events -o contention`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return errors.New("html needs a directory to write to: -o DIR")
			}
			if err := writeHTML(cmd, &in, dir, title); err != nil {
				return err
			}
			return in.done(cmd)
		},
	}
	in.bind(cmd)
	cmd.Flags().StringVarP(&dir, "output", "o", "", "`DIR` to write to; made if it is not there")
	cmd.Flags().StringVar(&title, "title", "", "`TITLE` of the page")
	_ = cmd.MarkFlagDirname("output")
	return cmd
}

func writeHTML(cmd *cobra.Command, in *input, dir, title string) error {
	page := report.HTML{Title: title}
	rep, err := foldInput(cmd, in, report.Options{OnRequest: page.Add, Replay: replayMost})
	if err != nil {
		return err
	}
	page.Warning = in.reader.Stats.Warning()
	if err := page.Write(dir, rep); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "rtest-report: wrote", filepath.Join(dir, "index.html"))
	return nil
}

// htmlAfterRun is html as run does it.
func htmlAfterRun(cmd *cobra.Command, opts runOptions, in input) error {
	if opts.html == "" {
		return nil
	}
	return writeHTML(cmd, &in, opts.html, "")
}
