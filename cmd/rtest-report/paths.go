package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// expand resolves patterns that the shell left alone, as CI systems do: *, ?,
// [a-z], {a,b}, and ** for any number of directories. A path that is there stands
// for itself, whatever its name, and so does "-".
func expand(args []string) ([]string, error) {
	var files []string
	for _, a := range args {
		if _, err := os.Lstat(a); err == nil || a == "-" || !strings.ContainsAny(a, "*?[{") {
			files = append(files, a)
			continue
		}
		// A directory that cannot be read is an error: its files would be missing without a word.
		found, err := doublestar.FilepathGlob(a, doublestar.WithFailOnIOErrors(), doublestar.WithFilesOnly())
		if err != nil {
			return nil, fmt.Errorf("looking for files that match %q: %w", a, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no file matches %q", a)
		}
		files = append(files, found...)
	}
	return files, nil
}
