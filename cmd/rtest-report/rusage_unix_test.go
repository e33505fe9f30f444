//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peakMemory of a process that has ended, in bytes.
func peakMemory(s *os.ProcessState) float64 {
	u, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return float64(u.Maxrss)
	}
	return float64(u.Maxrss) * 1024
}
