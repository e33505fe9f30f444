package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/eventlog/redisstream"
)

// runOptions are the flags of run that concern what happens after the child
// ended.
type runOptions struct {
	junit []string // JUnit files to annotate
	html  string   // directory for the page

	waits   time.Duration          // how often to tell who waits
	require bool                   // no event at all is an error
	before  map[string]os.FileInfo // the JUnit files that were there before the command
}

// afterRun are called in their order when the child of run has ended and its
// events, in in, are complete; each does its part if opts ask for it. An error is
// printed and turns the exit code 0 of the child into 2.
var afterRun = []func(cmd *cobra.Command, opts runOptions, in input) error{annotateAfterRun, htmlAfterRun}

func newRunCmd() *cobra.Command {
	var opts runOptions
	var s show
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARG...]",
		Short: "Run a command with events on, then print the summary",
		Long: `Run a command with events on, then print the summary to standard output.

The exit code is that of the command, 128 and the number of the signal if it was
killed, 127 if there is no such command. Signals are passed on to it. Events go
to RTEST_EVENTS if that is set, else to a directory that is removed afterwards.
While the command runs, standard error tells every 30 seconds which test waits for
what, if one has waited that long, and when it is expected to be served: as the store
of RTEST_URL foretells it, whatever is asked for, else for the first in line only.
A JUnit file that was there before and that the command did not write is left as
it is, and is an error.`,
		Example: `  rtest-report run -- go test ./...
  rtest-report run --junit junit.xml --html contention -- go tool gotestsum --junitfile junit.xml -- ./...`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("no command given; write it behind two dashes, as in «rtest-report run -- go test ./...»")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			// A slip in a flag is told now, and not after an hour of tests.
			if _, err := s.view(); err != nil {
				return err
			}
			return runChild(cmd, opts, &s, args)
		},
	}
	cmd.Flags().SetInterspersed(false) // flags behind the command are the command's
	cmd.Flags().StringArrayVar(&opts.junit, "junit", nil, "JUnit `FILE` that the command writes, or a pattern (reports/**/*.xml), to be annotated afterwards; repeatable")
	cmd.Flags().BoolVar(&opts.require, "require-events", false, "exit with 1 when the command succeeded and nothing was recorded: no event at all")
	cmd.Flags().DurationVar(&opts.waits, "waits", 30*time.Second, "how often to tell on standard error who has waited for that long, and for what; 0: never")
	cmd.Flags().StringVar(&opts.html, "html", "", "`DIR` for a report page, written afterwards")
	s.bind(cmd)
	return cmd
}

// runChild runs the command and reports. Trouble with the report never hides
// the command's own failure.
func runChild(cmd *cobra.Command, opts runOptions, s *show, args []string) error {
	rec, err := newRecording(cmd.Context())
	if err != nil {
		return err
	}
	defer rec.remove()
	opts.before = present(opts.junit) // while only what an earlier run wrote can be there
	stop := sayWaits(cmd, rec, opts.waits)
	code, err := runCommand(cmd, rec.env, args)
	stop() // before the summary: a line of who waits would stand in the middle of it
	if err != nil {
		return err
	}
	problem := func() error {
		targets, err := rec.targets()
		if err != nil {
			return err
		}
		in := input{targets: targets, after: rec.after, run: rec.run, require: opts.require}
		// The command may have taken no locks. Without this, open would then look for events where
		// RTEST_EVENTS says, and find those of earlier runs.
		in.none = len(targets) == 0
		if err := printSummary(cmd, &in, s, cmd.OutOrStdout(), nil, nil); err != nil {
			return err
		}
		for _, f := range afterRun {
			// Each with an input of its own: what one has read, and counted, is no news to the next.
			err = errors.Join(err, f(cmd, opts, input{targets: targets, after: rec.after, run: rec.run, none: in.none}))
		}
		return err
	}()
	if problem != nil && code == 0 { // a build that relies on the report must not pass without it
		return problem
	}
	if problem != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "rtest-report:", problem)
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// runCommand runs the command with our standard streams and returns its exit
// code.
func runCommand(cmd *cobra.Command, env, args []string) (int, error) {
	c := exec.Command(args[0], args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	c.Env = env
	start, stop := passSignals(c)
	defer stop()
	if err := c.Start(); err != nil {
		return 0, cannotRun(args[0], err)
	}
	start()
	err := c.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("lost track of %q: %w", args[0], err)
	}
	return exitCode(c.ProcessState), nil
}

// cannotRun is the error of a command that was not started, with the exit code
// that a shell gives it.
func cannotRun(name string, err error) error {
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist): // by name in PATH, or by path
		return &exitError{127, fmt.Errorf("cannot run %q: there is no such command", name)}
	case errors.As(err, &pathErr):
		return &exitError{126, fmt.Errorf("cannot run %q: %w", name, pathErr.Err)}
	}
	return &exitError{126, fmt.Errorf("cannot run %q: %w", name, err)}
}

// recording is where the child writes its events.
type recording struct {
	env    []string
	temp   string          // a directory of our own
	dir    string          // the user's directory,
	before map[string]bool // and the files that were there already
	url    string          // or the user's stream,
	after  string          // its newest entry before,
	run    string          // and the run that we read of what came later
}

func newRecording(ctx context.Context) (*recording, error) {
	if err := environ.Check(); err != nil {
		return nil, err // each of the tests would refuse it
	}
	r := &recording{env: os.Environ()}
	id := eventlog.Identity(os.Getenv)
	// A user and a CI name the run as other steps of the job do, whose events are to be of it, too.
	if os.Getenv("RTEST_RUN") == "" && id.CI == "" {
		// One run, however many go tests the command starts.
		host, _ := os.Hostname()
		id.ID = fmt.Sprintf("%s-%d-%s", host, os.Getpid(), strconv.FormatInt(time.Now().UnixMilli(), 36))
		r.env = append(r.env, "RTEST_RUN="+id.ID)
	}
	target := environ.Getenv("RTEST_EVENTS")
	switch {
	case redisstream.IsURL(target):
		after, err := redisstream.Last(ctx, target)
		if err != nil {
			return nil, err
		}
		// Others write to the stream meanwhile: only the name of the run tells what is of this one.
		r.url, r.after, r.run = target, after, id.ID
	case target != "":
		// A test runs in the directory of its package, and would put a relative
		// one there.
		abs, err := filepath.Abs(target)
		if strings.HasPrefix(target, "~") {
			err = fmt.Errorf("the environment variable RTEST_EVENTS %w", environ.Absolute(target))
		}
		if err != nil {
			return nil, err
		}
		r.dir = abs
		// A step that reads it afterwards finds it, even if no test took a lock.
		if err := os.MkdirAll(abs, 0o777); err != nil {
			return nil, fmt.Errorf("the directory of RTEST_EVENTS: %w", err)
		}
		r.before = map[string]bool{}
		files, err := r.files()
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			r.before[f] = true
		}
		r.env = append(r.env, "RTEST_EVENTS="+abs)
	default:
		dir, err := os.MkdirTemp("", "rtest-events-")
		if err != nil {
			return nil, fmt.Errorf("no directory for events: %w", err)
		}
		r.temp, r.dir = dir, dir
		r.env = append(r.env, "RTEST_EVENTS="+dir)
	}
	return r, nil
}

// targets are what the child wrote, and not what was there before.
func (r *recording) targets() ([]string, error) {
	if r.url != "" {
		return []string{r.url}, nil
	}
	files, err := r.files()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(files, func(f string) bool { return r.before[f] }), nil
}

func (r *recording) files() ([]string, error) {
	var files []string
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // somebody clears the directory meanwhile
			return nil
		}
		if err == nil && !d.IsDir() && strings.HasSuffix(path, eventlog.Suffix) {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

func (r *recording) remove() {
	if r.temp != "" {
		_ = os.RemoveAll(r.temp) // a leftover in the temporary directory is no reason to fail
	}
}
