// Package environ is what a process is told from outside, as all packages of the
// module read it: the variables that begin with RTEST_, and what is fixed when
// the process starts.
//
// # Fixed at the start
//
// Two tests of one process must mean the same store when they say the same. A
// test may change HOME, TMPDIR or the working directory for the code that it
// tests, and its neighbour may acquire meanwhile:
//
//	TestA  t.Setenv("HOME", t.TempDir())
//	TestB  rtest.Acquire(t, boards)   // file: of the user
//	TestA  rtest.Acquire(t, boards)   // must be the same directory
//
// So every variable but those of this module, the directories of the user and the
// working directory are read as they were when the process started.
//
// # Variables of this module
//
// Those that begin with RTEST_ are read whenever they are needed: a test that
// wants another store says so with t.Setenv("RTEST_URL", ...). One that is set but
// empty is an error and not the default: a secret that did not arrive must not
// turn the store of a laboratory into a private one.
package environ

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// prefix begins the variables of this module.
const prefix = "RTEST_"

// use says who sets a variable.
type use int

const (
	byUser  use = iota // documented for users
	byUs               // set by this module for its own child processes
	byTests            // a knob of the module's own tests
)

// known are all variables of the module.
var known = map[string]use{
	"RTEST_URL":       byUser,
	"RTEST_NAMESPACE": byUser,
	"RTEST_POOLS":     byUser,
	"RTEST_EVENTS":    byUser,
	"RTEST_REPORT":    byUser,
	"RTEST_WAIT":      byUser,
	"RTEST_TTL":       byUser,
	"RTEST_ON_BUSY":   byUser,
	"RTEST_ON_ERROR":  byUser,
	"RTEST_ON_OUTAGE": byUser,
	"RTEST_ATTRS":     byUser,
	"RTEST_SIGNALS":   byUser,
	"RTEST_RUN":       byUser,
	"RTEST_JOB_URL":   byUser,
	"RTEST_DEBUG":     byUser,

	"RTEST_KEYS":          byUs,
	"RTEST_KEYS_JSON":     byUs,
	"RTEST_TOKEN":         byUs,
	"RTEST_HELD":          byUs,
	"RTEST_FUZZ_LEASES":   byUs,
	"RTEST_REQUIRE_REDIS": byTests,

	"RTEST_KILLS":          byTests,
	"RTEST_LINE_GRANTS":    byTests,
	"RTEST_LINE_SEED":      byTests,
	"RTEST_SUMMARY_EVENTS": byTests,
}

// Lookup returns the value of a variable, and whether it is set. One that begins
// with RTEST_ has its present value, without white space around it; any other has
// the value that it had when the process started. It is safe for concurrent use,
// as everything in this package is.
func Lookup(name string) (value string, set bool) {
	if strings.HasPrefix(name, prefix) {
		value, set = os.LookupEnv(name)
		return strings.TrimSpace(value), set
	}
	value, set = start.vars[name]
	return value, set
}

// Getenv is [Lookup] for those who take an unset variable for an empty one.
func Getenv(name string) string {
	value, _ := Lookup(name)
	return value
}

// Check returns an error if one of the named variables is set but says nothing,
// or cannot be meant as it stands; without names it looks at all that users set.
// The error names the variable and never repeats its value, which may be a
// password.
func Check(names ...string) error {
	if len(names) == 0 {
		names = forUsers
	}
	for _, name := range names {
		value, set := os.LookupEnv(name)
		if !set {
			continue
		}
		if strings.TrimSpace(value) == "" {
			return fmt.Errorf("the environment variable %s is set but empty, as a CI secret is that did not arrive: give it a value, or unset it to have the default", name)
		}
		if _, err := Clean(value); err != nil {
			return fmt.Errorf("the environment variable %s %w", name, err)
		}
	}
	return nil
}

// forUsers are the documented names, in order.
var forUsers = func() []string {
	var names []string
	for name, by := range known {
		if by == byUser {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}()

// Unknown returns a sentence for each variable that is set, begins with RTEST_ and
// means nothing to the module, with the known name that it resembles.
func Unknown() []string {
	var words []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if _, ok := known[name]; ok || !strings.HasPrefix(name, prefix) {
			continue
		}
		hint := "known are " + strings.Join(forUsers, ", ")
		if near := Nearest(strings.TrimPrefix(name, prefix), shortNames); near != "" {
			hint = "did you mean " + prefix + near + "?"
		}
		words = append(words, fmt.Sprintf("the environment variable %q has no meaning here; %s", name, hint))
	}
	slices.Sort(words)
	return words
}

// shortNames are those for users without what all begin with, which would make
// any two of them alike.
var shortNames = func() []string {
	var names []string
	for _, name := range forUsers {
		names = append(names, strings.TrimPrefix(name, prefix))
	}
	return names
}()

// Clean returns a value without the white space around it, which files and shells
// leave there. What else is wrong with it on most days is an error that completes
// a sentence: quotes that nobody took away, a line break in the middle.
func Clean(value string) (string, error) {
	value = strings.TrimSpace(value)
	first, _ := utf8.DecodeRuneInString(value)
	switch {
	case strings.ContainsRune("\"'`“”‘’", first) && value != "":
		return "", errors.New("begins with a quotation mark, which nobody takes away here: leave the quotes out")
	case strings.ContainsFunc(value, unicode.IsControl):
		return "", errors.New("has a line break or another control character in it: write it on one line")
	}
	return value, nil
}

// Absolute returns an error if path depends on who reads it, and where. go test
// runs every package in its own directory, so a relative path is a different
// directory in each. The error completes a sentence.
func Absolute(path string) error {
	switch {
	case strings.HasPrefix(path, "~"):
		return errors.New("begins with ~, which a shell replaces and nobody else: write the full path")
	case !filepath.IsAbs(path):
		return errors.New("is relative, and go test runs every package in its own directory: write the full path")
	}
	return nil
}
