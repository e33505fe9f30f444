package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/report"
	"github.com/resourcelocker/resourcelocker/report/junit"
)

// annotateFlags are the flags of annotate.
type annotateFlags struct {
	out        string
	inPlace    bool
	check      bool
	properties string
	systemOut  string
	aliases    []string
}

func newAnnotateCmd() *cobra.Command {
	var in input
	var flags annotateFlags
	cmd := &cobra.Command{
		Use:   "annotate [flags] [JUNIT.xml...]",
		Short: "Add to JUnit files what each test waited for",
		Long: `Add to JUnit files what each test waited for, for how long and because of
whom: properties of the testcase, totals of the suite, and on request a line at
the front of its output.

Bytes are only inserted: names, times, counters and everything else stay as they
are, and a second time adds nothing. A test is found by its property rtest.req,
which rtest writes through t.Attr, else by package, name and order. The result
goes to standard output, or where -o or --in-place say; without a file, standard
input is read. A file that is not understood (torn, empty, compressed, UTF-16, no
JUnit file) stays as it is, with a warning; with --strict or --check it is an error.`,
		Example: `  rtest-report annotate --events events --in-place 'reports/*.xml'
  go tool gotestsum --junitfile junit.xml && rtest-report annotate -e events junit.xml -o annotated.xml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return annotate(cmd, &in, flags, args)
		},
	}
	in.bind(cmd)
	f := cmd.Flags()
	f.StringVarP(&flags.out, "output", "o", "", "write to `PATH`, a directory if there are several files")
	f.BoolVarP(&flags.inPlace, "in-place", "i", false, "change the files themselves, each in one step")
	f.BoolVar(&flags.check, "check", false, "write nothing; exit with 1 if a file lacks something, with 2 if one is not understood")
	f.StringVar(&flags.properties, "properties", "auto", "properties of testcases and suites: `auto|none`")
	f.StringVar(&flags.systemOut, "system-out", "none", "line at the front of the output of which testcases: `none|failed|all`")
	f.StringSliceVar(&flags.aliases, "alias", nil, "properties in the words of a product too: `datadog|reportportal`; repeatable")
	cmd.MarkFlagsMutuallyExclusive("output", "in-place", "check")
	for name, words := range map[string][]string{"properties": {"auto", "none"}, "system-out": {"none", "failed", "all"}, "alias": {"datadog", "reportportal"}} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

// oneOf refuses a word that a flag does not know.
func oneOf(flag, word string, words ...string) error {
	if slices.Contains(words, word) {
		return nil
	}
	return fmt.Errorf("--%s is %q; want %s", flag, word, strings.Join(words, ", "))
}

func (f annotateFlags) junit() (*junit.Annotator, error) {
	err := errors.Join(
		oneOf("properties", f.properties, "auto", "none"),
		oneOf("system-out", f.systemOut, "none", "failed", "all"))
	for _, a := range f.aliases {
		err = errors.Join(err, oneOf("alias", a, "datadog", "reportportal"))
	}
	if err != nil {
		return nil, err
	}
	j := &junit.Annotator{NoProperties: f.properties == "none", SystemOut: f.systemOut, Aliases: f.aliases}
	if j.SystemOut == "none" {
		j.SystemOut = ""
	}
	return j, nil
}

func annotate(cmd *cobra.Command, in *input, flags annotateFlags, args []string) error {
	j, err := flags.junit()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"-"}
	}
	files, err := expand(args)
	if err != nil {
		return err
	}
	// All mistakes that can be seen are told before the events are read, which may
	// take a while, and before a file is touched.
	stdin := slices.Contains(files, "-")
	switch {
	case stdin && slices.Contains(in.targets, "-"):
		return errors.New("standard input cannot be both the events and the JUnit file; name one of them by its path")
	case stdin && (len(files) > 1 || flags.inPlace):
		return errors.New("standard input can only be annotated by itself, to standard output or -o")
	case len(files) > 1 && flags.out == "" && !flags.inPlace && !flags.check:
		return fmt.Errorf("%d files cannot go to standard output together; use --in-place, or -o with a directory", len(files))
	}
	// One file goes into a directory that is there, too, as cp has it.
	dir := len(files) > 1
	if info, err := os.Stat(flags.out); err == nil && info.IsDir() {
		dir = true
	}
	if err := distinctNames(files, dir && flags.out != ""); err != nil {
		return err
	}
	in.gate = flags.check
	// OnTest as well: gotestsum sorts its file by how tests ended, and of several runs of a test
	// only that tells which testcase is which.
	if _, err := foldInput(cmd, in, report.Options{OnRequest: j.Add, OnTest: j.AddTest}); err != nil {
		return err
	}
	// Before a file is touched: annotate only inserts, so what --strict refuses would stay in it.
	if err := in.done(cmd); err != nil {
		return err
	}
	a := annotator{cmd: cmd, junit: j, flags: flags, dir: dir, strict: in.strict || flags.check, stderr: cmd.ErrOrStderr()}
	return a.all(files)
}

// foldInput folds the events that the flags of in and the arguments name.
func foldInput(cmd *cobra.Command, in *input, opts report.Options, args ...string) (*report.Report, error) {
	events, err := in.open(cmd, args...)
	if err != nil {
		return nil, err
	}
	return report.Fold(events, opts)
}

// distinctNames refuses files that would overwrite each other in one directory:
// the reports of shards often have the same name.
func distinctNames(files []string, dir bool) error {
	seen := map[string]string{}
	for _, f := range files {
		base := filepath.Base(f)
		if other, twice := seen[base]; dir && twice {
			return fmt.Errorf("%s and %s would both become %q in the directory of -o; use --in-place, or name them differently", other, f, base)
		}
		seen[base] = f
	}
	return nil
}

// An annotator annotates files.
type annotator struct {
	cmd    *cobra.Command
	junit  *junit.Annotator
	flags  annotateFlags
	dir    bool // the output is a directory
	strict bool // a file that is not understood is an error
	stderr io.Writer
}

// listMax bounds a list on the terminal.
const listMax = 10

// all annotates every file that can be, and only then fails for the others.
func (a *annotator) all(files []string) error {
	var errs []error
	incomplete := 0
	for _, path := range files {
		complete, err := a.one(path)
		if err != nil {
			errs = append(errs, err)
		} else if !complete {
			incomplete++
		}
	}
	// Only now: a run that one file does not have may be in the next.
	a.list("no testcase for %s of tests that used locks", "run", a.junit.Unmatched())
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if a.flags.check && incomplete > 0 {
		return breach("annotations are missing in %d of %d files; rtest-report annotate --in-place adds them", incomplete, len(files))
	}
	return nil
}

// one annotates a file. It is complete if there was nothing to insert.
func (a *annotator) one(path string) (complete bool, err error) {
	in, err := a.read(path)
	if err != nil {
		return false, fmt.Errorf("reading the JUnit file: %w", err)
	}
	// The messages go beside the result, which may be piped on.
	out, res := a.junit.Annotate(in)
	name := path
	if path == "-" {
		name = "standard input"
	}
	if res.NotUnderstood != nil && a.strict {
		return false, fmt.Errorf("cannot understand the JUnit file %s: %w", name, res.NotUnderstood)
	}
	if res.Warning != "" {
		fmt.Fprintf(a.stderr, "rtest-report: warning: %s: %s\n", name, res.Warning)
	}
	fmt.Fprintf(a.stderr, "rtest-report: %s: %d of %d testcases used locks", name, res.Matched, res.Testcases)
	if res.Inserted == 0 {
		fmt.Fprint(a.stderr, "; nothing to add")
	}
	fmt.Fprintln(a.stderr)
	a.list("no match for %s", "testcase", res.Unmatched)
	return res.Inserted == 0, a.write(path, in, out)
}

func (a *annotator) read(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(a.cmd.InOrStdin())
	}
	return os.ReadFile(path)
}

func (a *annotator) write(path string, in, out []byte) error {
	switch {
	case a.flags.check:
		return nil
	case a.flags.inPlace:
		if string(in) == string(out) {
			return nil // its time of change stays, too
		}
		return writeFile(path, writing(out))
	case a.dir:
		if err := os.MkdirAll(a.flags.out, 0o777); err != nil {
			return err
		}
		return writeFile(filepath.Join(a.flags.out, filepath.Base(path)), writing(out))
	}
	return writeOutput(a.cmd, a.flags.out, writing(out))
}

// list tells of things without a counterpart: how many, and the first ones.
func (a *annotator) list(what, thing string, names []string) {
	if len(names) == 0 {
		return
	}
	things := fmt.Sprint(len(names), " ", thing)
	if len(names) > 1 {
		things += "s"
	}
	fmt.Fprintf(a.stderr, "rtest-report: warning: "+what+":\n", things)
	for i, n := range names {
		if i == listMax {
			fmt.Fprintf(a.stderr, "  and %d more\n", len(names)-i)
			break
		}
		fmt.Fprintf(a.stderr, "  %q\n", n)
	}
}

// annotateAfterRun is annotate as run does it: the files of --junit, in place. The
// summary has told already what of the events could not be used.
func annotateAfterRun(cmd *cobra.Command, opts runOptions, in input) error {
	if len(opts.junit) == 0 {
		return nil
	}
	files, err := freshFiles(cmd, opts)
	if err != nil {
		return err
	}
	var j junit.Annotator
	if _, err := foldInput(cmd, &in, report.Options{OnRequest: j.Add, OnTest: j.AddTest}); err != nil {
		return err
	}
	a := annotator{cmd: cmd, junit: &j, flags: annotateFlags{inPlace: true}, stderr: cmd.ErrOrStderr()}
	return a.all(files)
}

// present remembers the files that patterns name and that are there.
func present(patterns []string) map[string]os.FileInfo {
	found := map[string]os.FileInfo{}
	for _, p := range patterns {
		files, err := expand([]string{p})
		if err != nil {
			continue // it is too early to miss one
		}
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				found[f] = info
			}
		}
	}
	return found
}

// freshFiles are the JUnit files that the command wrote. One that it was to
// write by name, and did not, is an error: its results are those of an earlier
// run.
func freshFiles(cmd *cobra.Command, opts runOptions) (fresh []string, err error) {
	for _, p := range opts.junit {
		// Anew: before the command, a pattern may have matched nothing.
		files, err := expand([]string{p})
		if err != nil {
			return nil, err
		}
		var stale []string
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				return nil, fmt.Errorf("reading the JUnit file: %w", err)
			}
			// The time alone does not tell: cp -p brings that of another file, and a tool may write the
			// same bytes again, which is a new result.
			was := opts.before[f]
			if was != nil && os.SameFile(was, info) && was.ModTime().Equal(info.ModTime()) && was.Size() == info.Size() {
				stale = append(stale, f)
			} else {
				fresh = append(fresh, f)
			}
		}
		if len(stale) == len(files) {
			return nil, fmt.Errorf("the command did not write %s: what is there is from before it, and stays as it is", strings.Join(stale, ", "))
		}
		for _, f := range stale {
			fmt.Fprintf(cmd.ErrOrStderr(), "rtest-report: warning: %s is from before the command, and stays as it is\n", f)
		}
	}
	return fresh, nil
}
