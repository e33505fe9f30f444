//go:build unix

package overlap

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

func lock(name string, shared bool) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if err != nil && dying(owner(f)) {
		err = syscall.Flock(int(f.Fd()), how)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	_, _ = f.WriteAt(fmt.Appendf(nil, "%-10d", os.Getpid()), 0)
	return func() { f.Close() }, nil
}

// owner is the process that locked the file last; 0 if unknown.
func owner(f *os.File) int {
	b := make([]byte, 10)
	n, _ := f.ReadAt(b, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	return pid
}

// dying reports whether a process was killed and is being taken down. The kernel
// closes its files one after the other, so that the file by which others learn
// of its death may be closed a moment before the one that is locked here.
func dying(pid int) bool {
	if pid == 0 || pid == os.Getpid() {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == syscall.ESRCH
	}
	// After the name, which is in parentheses: the state, and as the seventh the
	// flags, of which 4 says that the process is on its way out.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 7 {
		return false
	}
	flags, _ := strconv.Atoi(fields[6])
	return fields[0] == "Z" || fields[0] == "X" || flags&4 != 0
}
