package eventlog

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// processStart is when a process began, in clock ticks since boot.
func processStart(pid int) (uint64, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The second field is the program's name in parentheses and may hold
	// anything, spaces and parentheses too.
	_, rest, ok := bytes.Cut(b[max(0, bytes.LastIndexByte(b, ')')):], []byte(" "))
	fields := bytes.Fields(rest)
	const starttime = 22 - 3 // field 22; rest begins with field 3
	if !ok || len(fields) <= starttime {
		return 0, false
	}
	n, err := strconv.ParseUint(string(fields[starttime]), 10, 64)
	return n, err == nil
}
