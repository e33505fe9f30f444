// Types checks that all packages, with their tests, have no type errors on other
// systems. It reads the sources of everything that they import: go vet would say
// a little more, but compiles all of that once more for each system, which takes
// minutes on a machine that has not done so before.
//
//	go run ./.ci/types.go darwin windows
package main

import (
	"fmt"
	"os"

	"golang.org/x/tools/go/packages"
)

func main() {
	failed := false
	for _, system := range os.Args[1:] {
		all, err := packages.Load(&packages.Config{
			Mode:  packages.LoadAllSyntax,
			Tests: true,
			Env:   append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0"),
		}, "./...")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if len(all) == 0 {
			fmt.Fprintf(os.Stderr, "%s: no packages\n", system)
			os.Exit(1)
		}
		if packages.PrintErrors(all) > 0 {
			failed = true
		}
		fmt.Printf("%s: %d packages\n", system, len(all))
	}
	if failed {
		os.Exit(1)
	}
}
