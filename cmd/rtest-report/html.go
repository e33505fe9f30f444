package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/html"
	"github.com/resourcelocker/resourcelocker/report/whatif"
)

func newHTMLCmd() *cobra.Command {
	var in input
	var c comparison
	var dir, title string
	cmd := &cobra.Command{
		Use:   "html -o DIR [flags] [EVENTS...]",
		Short: "Make a page with charts: who waited, for what, because of whom",
		Long: `Make a page with charts: who waited, for what, because of whom, and when
resources were in use. DIR/index.html and DIR/style.css are all there is: no
script, nothing from elsewhere, so that it opens from a disk, an artifact store or
the workspace browser of a CI server.`,
		Example: `  rtest-report html --events events -o contention`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return errors.New("html needs a directory to write to: -o DIR")
			}
			if err := writeHTML(cmd, &in, &c, dir, title, args...); err != nil {
				return err
			}
			return in.done(cmd)
		},
	}
	in.bind(cmd)
	c.bind(cmd)
	cmd.Flags().StringVarP(&dir, "output", "o", "", "`DIR` to write to; made if it is not there")
	cmd.Flags().StringVar(&title, "title", "", "`TITLE` of the page")
	_ = cmd.MarkFlagDirname("output")
	return cmd
}

func writeHTML(cmd *cobra.Command, in *input, c *comparison, dir, title string, args ...string) error {
	page := html.Page{Title: title}
	events, err := in.open(cmd, args...)
	if err != nil {
		return err
	}
	rep, err := whatif.FoldAndCompare(events, c.options(report.Options{OnRequest: page.Add}), replayMost)
	if err != nil {
		return err
	}
	// After the events: the files tell how the runs ended that are in them.
	if page.Suspects, err = c.find(); err != nil {
		return err
	}
	rep.Suspects = suspicions(page.Suspects)
	page.Warning = in.reader.Stats.Warning()
	if err := writePage(dir, func(dir string) error { return page.Write(dir, rep) }); err != nil {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "rtest-report: wrote", filepath.Join(dir, "index.html"))
	return nil
}

// writePage makes the files of a page in dir, each by writeFile, so that a link or an owner
// stays what it was: the page itself last, since somebody may look while a run goes on.
func writePage(dir string, make func(dir string) error) error {
	temp, err := os.MkdirTemp("", "rtest-page-")
	if err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	defer os.RemoveAll(temp) // a leftover in the temporary directory is no reason to fail
	if err := make(temp); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	files, err := os.ReadDir(temp)
	if err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	slices.SortStableFunc(files, func(a, b os.DirEntry) int {
		return cmp.Compare(filepath.Ext(b.Name()), filepath.Ext(a.Name())) // .html after .css
	})
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(temp, f.Name()))
		if err != nil {
			return fmt.Errorf("writing the page: %w", err)
		}
		if err := writeFile(filepath.Join(dir, f.Name()), writing(data)); err != nil {
			return err
		}
	}
	return nil
}

// htmlAfterRun is html as run does it. It warns of nothing that could not be used: run has
// done so with its summary, of the same events.
func htmlAfterRun(cmd *cobra.Command, opts runOptions, in input) error {
	if opts.html == "" {
		return nil
	}
	return writeHTML(cmd, &in, &comparison{}, opts.html, "")
}
