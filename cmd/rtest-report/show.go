package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/summary"
)

// show is how a summary is printed, and the flags that say so.
type show struct {
	format string
	by     []string
	top    int
	ci     string
}

// bind adds the flags to a subcommand.
func (s *show) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&s.format, "format", "f", "text", "`text|md|json`")
	f.StringSliceVar(&s.by, "by", nil, "tables to show: `"+names()+"`; repeatable (default test,pair,resource,holder, and tag and preparation if there are any)")
	f.IntVar(&s.top, "top", 0, "rows of each table, -1 for all (default 10 in text, 25 in md)")
	f.StringVar(&s.ci, "ci", "none", "also print warnings for the CI: `none|auto|github|azure`, at most 10 lines on standard error")
	for name, words := range map[string][]string{"format": {"text", "md", "json"}, "by": strings.Split(names(), "|"), "ci": {"none", "auto", "github", "azure"}} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
}

func names() string {
	var l []string
	for _, b := range summary.Bys {
		l = append(l, string(b))
	}
	return strings.Join(l, "|")
}

// view checks the flags, before any work is done.
func (s *show) view() (summary.View, error) {
	v := summary.View{Top: s.top}
	switch s.format {
	case "text", "md", "json":
	default:
		return v, fmt.Errorf("unknown --format %q; known are text, md and json", s.format)
	}
	if err := knownCI(s.ci); err != nil {
		return v, err
	}
	for _, name := range s.by {
		b, err := summary.ParseBy(name)
		if err != nil {
			return v, err
		}
		v.By = append(v.By, b)
	}
	return v, nil
}

// knownCI checks a value of --ci.
func knownCI(ci string) error {
	switch ci {
	case "none", "auto", "github", "azure":
		return nil
	}
	return fmt.Errorf("unknown --ci %q; known are none, auto, github and azure", ci)
}

// print writes the report to w, and the warnings to stderr but for those in said, to which
// it adds them. A nil said is of a report that is printed once.
func (s *show) print(w, stderr io.Writer, r *report.Report, said map[string]bool) error {
	v, err := s.view()
	if err != nil {
		return err
	}
	v.Width = widthOf(w) // what goes into a file or a pipe has its names in full
	switch s.format {
	case "md":
		err = summary.Markdown(w, r, v)
	case "json":
		err = summary.JSON(w, r)
	default:
		err = summary.Text(w, r, v)
	}
	if err != nil {
		return err
	}
	warnings := summary.Warnings(r)
	if said != nil {
		warnings = slices.DeleteFunc(warnings, func(l string) bool { return said[l] })
		for _, l := range warnings {
			said[l] = true
		}
	}
	return warnCI(stderr, s.ci, warnings)
}

// widthOf is how many characters a line of the terminal has, or 0 if w is none.
func widthOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// warningsMax is how many annotations GitHub shows of one step.
const warningsMax = 10

// warnCI prints warnings in the way that the CI turns into annotations. They go
// to standard error, which GitHub and Azure read as well, so that they cannot
// spoil a summary that is redirected into a file.
func warnCI(w io.Writer, ci string, warnings []string) error {
	if ci == "auto" {
		switch {
		case os.Getenv("GITHUB_ACTIONS") == "true":
			ci = "github"
		case os.Getenv("TF_BUILD") != "":
			ci = "azure"
		}
	}
	// The last of the ten is for what is left out. The list is cut short, so that append makes a
	// new one and the caller's stays.
	if n := len(warnings); n > warningsMax {
		warnings = append(warnings[:warningsMax-1:warningsMax-1], fmt.Sprintf("and %d more about locks; see the summary", n-warningsMax+1))
	}
	for _, l := range warnings {
		var err error
		switch ci {
		// A line break ends a command, and what follows % is read as an escape.
		case "github":
			_, err = fmt.Fprintf(w, "::warning title=Resource locks::%s\n", strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(l))
		case "azure":
			_, err = fmt.Fprintf(w, "##vso[task.logissue type=warning]%s\n", strings.NewReplacer("%", "%AZP25", "\r", "%0D", "\n", "%0A").Replace(l))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
