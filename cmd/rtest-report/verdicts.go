package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/junit"
	"github.com/resourcelocker/resourcelocker/report/suspects"
)

// A comparison collects runs of tests, to find suspects. How they ended is told by
// events, and where these do not, by JUnit files.
type comparison struct {
	files []string
	junit junit.Annotator
	runs  suspects.Collector
	open  []*report.TestRun // whose end the events do not tell
}

func (c *comparison) bind(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&c.files, "junit", nil, "JUnit `FILE` (or pattern) that says how tests ended, where events do not; repeatable")
	_ = cmd.MarkFlagFilename("junit", "xml")
}

// alone lets the files do without events, where none are named.
func (c *comparison) alone(in *input, args []string) {
	if len(c.files) > 0 && len(in.targets)+len(args) == 0 && environ.Getenv("RTEST_EVENTS") == "" {
		in.none = true
	}
}

// options lets a fold tell of everything that is needed.
func (c *comparison) options(o report.Options) report.Options {
	o.OnTest = c.add
	// Requests are kept for the testcases of files, which are matched by them.
	if also := o.OnRequest; len(c.files) > 0 {
		o.OnRequest = func(r *report.Request) {
			c.junit.Add(r)
			if also != nil {
				also(r)
			}
		}
	}
	return o
}

func (c *comparison) add(t *report.TestRun) {
	if len(c.files) == 0 {
		c.runs.Add(t)
		return
	}
	c.junit.AddTest(t)
	if t.Verdict == "" { // the files may tell it, through this pointer; the collector has to wait for that
		c.open = append(c.open, t)
		return
	}
	c.runs.Add(t)
}

// find reads the files, after the events, and compares.
func (c *comparison) find() (*suspects.Result, error) {
	files, err := expand(c.files)
	if err != nil {
		return nil, fmt.Errorf("--junit: %w", err)
	}
	for _, path := range files {
		in, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading the JUnit file: %w", err)
		}
		only, err := c.junit.Verdicts(in)
		if err != nil {
			return nil, fmt.Errorf("cannot understand the JUnit file %s: %w", path, err)
		}
		for _, t := range only {
			t.Process.Run = path // a run of a suite of its own: two files may be of two nights
			c.runs.Add(t)
		}
	}
	for _, t := range c.open { // with the verdict of a file, or as one whose end is not known
		c.runs.Add(t)
	}
	return c.runs.Find(), nil
}
