package environ

import (
	"os"
	"strings"
)

// initial returns the variables that the process was started with. The kernel
// keeps them, so that not even an init function of a package that is initialised
// earlier can have changed them. It is nil where /proc is not there.
func initial() map[string]string {
	b, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		return nil
	}
	return vars(strings.Split(string(b), "\x00"))
}
