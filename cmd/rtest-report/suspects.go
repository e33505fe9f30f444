package main

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/suspects"
)

func newSuspectsCmd() *cobra.Command {
	var in input
	var c comparison
	var format, ci, out string
	cmd := &cobra.Command{
		Use:   "suspects [flags] [EVENTS...]",
		Short: "Find the resource, tag or test that failures follow",
		Long: `Find the resource, tag or test that failures follow.

Each test is compared with itself: how often it fails with a resource, and how often
without it. What chance alone could have done is no suspect, however much was
compared. The more runs, the surer: give it the events of many, a directory of a
month.

Where events do not tell how a test ended, as those of a lock around a test of another
language, JUnit files do: --junit. A testcase of which there are no events counts by
its property rtest.resources, which annotate writes.`,
		Example: `  rtest-report suspects --events nightly-events
  rtest-report suspects monday tuesday wednesday --format md >> "$GITHUB_STEP_SUMMARY"
  rtest-report suspects --events nightly-events --junit 'reports/*.xml'
  rtest-report check --events nightly-events --max-suspects 0`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch format {
			case "text", "md", "json":
			default:
				return fmt.Errorf("unknown --format %q; known are text, md and json", format)
			}
			if err := knownCI(ci); err != nil {
				return err
			}
			c.alone(&in, args)
			if _, err := foldInput(cmd, &in, c.options(report.Options{}), args...); err != nil {
				return err
			}
			r, err := c.find()
			if err != nil {
				return err
			}
			var b bytes.Buffer
			switch format {
			case "md":
				err = r.WriteMarkdown(&b)
			case "json":
				err = r.WriteJSON(&b)
			default:
				err = r.WriteText(&b)
			}
			if err != nil {
				return err
			}
			if err := warnCI(cmd.ErrOrStderr(), ci, suspicions(r)); err != nil {
				return err
			}
			return finish(cmd, &in, out, b.Bytes())
		},
	}
	in.bind(cmd)
	c.bind(cmd)
	f := cmd.Flags()
	f.StringVarP(&format, "format", "f", "text", "`text|md|json`")
	f.StringVar(&ci, "ci", "none", "`none|auto|github|azure`: also print warnings that the CI shows as annotations")
	f.StringVarP(&out, "output", "o", "", "`FILE` to write to (default standard output)")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "md", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("ci", cobra.FixedCompletions([]string{"none", "auto", "github", "azure"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// suspicions are the lines of suspects, without the tests that fail everywhere, which
// the CI shows anyway.
func suspicions(r *suspects.Result) []string { return r.Lines()[:len(r.Suspects)] }
