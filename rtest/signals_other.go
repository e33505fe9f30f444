//go:build !unix

package rtest

import "os"

// Windows turns a console's ^C into os.Interrupt, and ends a process that gets
// anything harsher without asking.
var endSignals = []os.Signal{os.Interrupt}

// otherListeners cannot be known here. To take it that there are none is safe:
// the process ends, also one that handles ^C itself.
func otherListeners(os.Signal) listeners { return noListeners }

// raise ends the process as its default action would; there are no signals to
// send.
func raise(os.Signal) { os.Exit(2) }
