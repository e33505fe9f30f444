package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

// runOptions are the flags of run that concern what happens after the child
// ended.
type runOptions struct {
	junit []string // JUnit files to annotate
	html  string   // directory for the page
}

// afterRun are called in their order when the child of run has ended and its
// events, in events, are complete; each does its part if opts ask for it. An
// error is printed and turns the exit code 0 of the child into 2.
var afterRun []func(ctx context.Context, opts runOptions, events []string, stderr io.Writer) error

func newRunCmd() *cobra.Command {
	var opts runOptions
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARG...]",
		Short: "Run a command with events on, then print the summary",
		RunE: func(cmd *cobra.Command, args []string) error {
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&opts.junit, "junit", nil, "JUnit `FILE` that the command writes, to be annotated afterwards; repeatable")
	cmd.Flags().StringVar(&opts.html, "html", "", "`DIR` for a report page, written afterwards")
	return cmd
}
