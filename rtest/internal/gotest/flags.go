// Package gotest is what has to be known of go test and of package testing, and
// that neither tells: flags, the cache of results, which test is parallel, whether
// a clock runs, whether a test ended by a panic, whether go test is still there.
//
// Where unexported fields or words of package testing are read, a test says so
// when a version of Go has changed them; then the checks that need them are off.
package gotest

import (
	"flag"
	"strconv"
)

// Flag is a flag of package testing, without the prefix, or "" outside a test
// binary.
func Flag(name string) string {
	if f := flag.Lookup("test." + name); f != nil {
		return f.Value.String()
	}
	return ""
}

// Verbose reports whether t.Logf shows at once. testing.Verbose would panic
// before the flags are parsed.
func Verbose() bool {
	v := Flag("v")
	return v != "" && v != "false"
}

// Slots is how many parallel tests run at a time; 0 if unknown.
func Slots() int {
	n, _ := strconv.Atoi(Flag("parallel"))
	return n
}

// Fuzzing reports whether this process coordinates a fuzzing run.
func Fuzzing() bool { return Flag("fuzz") != "" }

// FuzzWorker reports whether this process is a worker of a fuzzing run.
func FuzzWorker() bool { return Flag("fuzzworker") == "true" }
