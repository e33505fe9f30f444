// Command rtest-report tells who waited for what because of whom: it runs a
// test command with events on, summarises event logs, shows and frees locks.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/redis/go-redis/v9"
)

// Exit codes. A child of run passes its own code through.
const (
	exitOK     = 0
	exitBreach = 1 // a gate was breached, or a key not freed
	exitUsage  = 2 // wrong usage or unreadable input
)

// quiet drops what the Redis client logs by itself: each attempt to connect, beside
// the error that we print in our own words. RTEST_DEBUG=1 shows it.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func init() {
	if os.Getenv("RTEST_DEBUG") != "1" {
		redis.SetLogger(quiet{})
	}
}

func main() { os.Exit(run(context.Background(), os.Args[1:])) }

// run is main without the exit.
func run(ctx context.Context, args []string) int {
	cmd := newRoot()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if msg := err.Error(); msg != "" { // run and lock hand on the code of a child, which has told why itself
		fmt.Fprintln(os.Stderr, "rtest-report:", msg)
	}
	return exitCodeOf(err)
}

// exitCodeOf is the exit code that an error asks for. One that asks for none is of cobra, of
// a flag, an input or a store: 1 stays the answer of a gate that has looked.
func exitCodeOf(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return exitUsage
}

// exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error // nil: nothing more to say
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// breach is the error of a gate.
func breach(format string, args ...any) error {
	return &exitError{exitBreach, fmt.Errorf(format, args...)}
}
