package eventlog

import "golang.org/x/sys/unix"

// processStart is when a process began, in microseconds since 1970.
func processStart(pid int) (uint64, bool) {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return 0, false
	}
	t := p.Proc.P_starttime
	return uint64(t.Sec)*1e6 + uint64(t.Usec), true
}
