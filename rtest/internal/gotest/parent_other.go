//go:build !linux && !darwin

package gotest

import (
	"os"
	"slices"
)

// commandName knows only whether the process is go test, which gives its test
// binaries this flag.
func commandName(int) string {
	if slices.Contains(os.Args, "-test.paniconexit0") {
		return "go"
	}
	return ""
}
