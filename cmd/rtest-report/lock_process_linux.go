package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithParent has the kernel kill the command when we are gone.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// adoptOrphans makes this process the parent of what the command leaves behind,
// so that it can wait for it: in a container, nobody else may.
func adoptOrphans() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// outside names the processes that left the group of the command and go on. The
// kernel has made us the parent of those whose own parent has ended.
func (p *process) outside() string {
	var names []string
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for _, f := range strings.Fields(string(b)) {
			pid, _ := strconv.Atoi(f)
			if pid == p.guard.pid {
				continue
			}
			if ended, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); ended == 0 && err == nil {
				name, _ := os.ReadFile("/proc/" + f + "/comm")
				names = append(names, fmt.Sprintf("%s (process %d)", printable(strings.TrimSpace(string(name))), pid))
			}
		}
	}
	return strings.Join(names, ", ")
}

// reap takes those of the group that have ended.
func reap(group int) {
	for {
		pid, err := unix.Wait4(-group, nil, unix.WNOHANG, nil)
		if pid <= 0 || err != nil {
			return
		}
	}
}
