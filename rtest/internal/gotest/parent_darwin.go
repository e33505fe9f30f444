package gotest

import "golang.org/x/sys/unix"

// commandName is the name of the program that the process runs; "" if unknown.
func commandName(pid int) string {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return ""
	}
	return unix.ByteSliceToString(p.Proc.P_comm[:])
}
