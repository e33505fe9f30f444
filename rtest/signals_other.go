//go:build !unix

package rtest

import "os"

// Windows turns a console's ^C into os.Interrupt, and ends a process that gets
// anything harsher without asking.
var endSignals = []os.Signal{os.Interrupt}

// raise ends the process as its default action would; there are no signals to
// send.
func raise(os.Signal) { os.Exit(2) }
