package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// exitCodesHelp stands below the help of every subcommand that has no codes of its
// own: what a script asks first.
const exitCodesHelp = "Exit codes: 0 ok; 1 a gate was breached, or what was asked for is not so;\n2 wrong usage, unreadable input, or a store that cannot be reached."

// ciHelp tells what --ci warns of: summary.Warnings, in its order, which says what goes first
// when there are more than ten.
const ciHelp = `--ci warns of the bottleneck, if tests spent a twentieth or more of their time with
locks in waiting; of resources and tests that failures follow; of leases that were
lost; of tests that gave up, and whom they waited for; of leases whose holder died;
of events that were dropped. Warnings change no exit code: that is what check is for.`

// completeHelp adds to the help of subcommands what is the same for many.
func completeHelp(root *cobra.Command) {
	root.InitDefaultCompletionCmd() // cobra makes it when it runs, which is too late for what follows
	for _, c := range root.Commands() {
		if c.Long == "" {
			c.Long = c.Short + "."
		}
		if c.Flags().Lookup("ci") != nil {
			c.Long += "\n\n" + ciHelp
		}
		if !strings.Contains(c.Long, "Exit code") {
			c.Long += "\n\n" + exitCodesHelp
		}
		if c.Name() == "completion" {
			c.Args, c.RunE = cobra.ArbitraryArgs, noSuchShell
		}
	}
}

// noSuchShell is the error of a shell that completion has no script for: its help on
// standard output would be taken for the script.
func noSuchShell(cmd *cobra.Command, args []string) error {
	var shells []string
	for _, c := range cmd.Commands() {
		shells = append(shells, c.Name())
	}
	known := strings.Join(shells, ", ")
	if len(args) == 0 {
		return fmt.Errorf("name the shell: %s", known)
	}
	return fmt.Errorf("there is no script for %q; name one of %s", args[0], known)
}
