package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
)

// subcommands is what the program can do, in the order of its help; the file
// named after a subcommand makes it.
var subcommands = []func() *cobra.Command{
	newRunCmd,
	newLockCmd,
	newSummaryCmd,
	newCheckCmd,
	newLsCmd,
	newServeCmd,
	newReserveCmd,
	newReleaseCmd,
	newDisableCmd,
	newEnableCmd,
	newFreeCmd,
	newAspectsCmd,
	newMergeCmd,
	newValidateCmd,
	newAnnotateCmd,
	newHTMLCmd,
	newTraceCmd,
	newPprofCmd,
	newMetricsCmd,
	newWhatIfCmd,
	newWatchCmd,
	newSuspectsCmd,
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "rtest-report",
		Short: "Who waited for which resource, because of whom",
		Long: `rtest-report tells who waited for which resource, because of whom.

Try first:

  rtest-report run -- go test ./...

Exit codes: 0 ok, 1 a gate was breached, 2 wrong usage or unreadable input;
run passes the code of its child through.`,
		Version:       version(),
		Args:          noSuchCommand,
		SilenceErrors: true, // main prints them, once
		SilenceUsage:  true, // a wall of flags hides the one line that helps
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentPreRun = warnOfVariables
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; %s --help tells the flags", err, cmd.CommandPath())
	})
	cobra.EnableCommandSorting = false // what one needs first stands first in the help
	for _, c := range subcommands {
		root.AddCommand(c())
	}
	completeHelp(root)
	return root
}

// version is the module's version that the program was built from, as go install
// and go tool record it.
func version() string {
	const path = "github.com/resourcelocker/resourcelocker"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	// Of go install the module is Main; of go tool, in a user's module, one of its Deps.
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == path && m.Version != "" {
			return m.Version
		}
	}
	return "(devel)"
}

// warnOfVariables names the RTEST_ variables that are spelled wrong, except to a
// shell that completes a word.
func warnOfVariables(cmd *cobra.Command, _ []string) {
	if strings.HasPrefix(cmd.Name(), "__") { // also of the watcher: its lock has told
		return
	}
	for _, w := range environ.Unknown() {
		fmt.Fprintln(cmd.ErrOrStderr(), "rtest-report: warning:", w)
	}
}

// noSuchCommand is the error of a word that is no subcommand.
func noSuchCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	mend := root.Name() + " --help lists them"
	root.SuggestionsMinimumDistance = 2 // cobra's own, which it sets for its own errors only
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		mend = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q for %q; %s", args[0], root.Name(), mend)
}
