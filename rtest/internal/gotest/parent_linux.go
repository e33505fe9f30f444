package gotest

import (
	"fmt"
	"os"
	"strings"
)

// commandName is the name of the program that the process runs; "" if unknown.
func commandName(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(name))
}
