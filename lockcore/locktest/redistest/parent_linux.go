package redistest

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// dieWithParent has the kernel kill the server when this process ends without
// cleaning up: a test that ran into its timeout, or was killed.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

var (
	starterOnce sync.Once
	starts      = make(chan func())
)

// start starts the command from one thread that never ends: the kernel's
// "parent" is the thread, not the process.
func start(cmd *exec.Cmd) error {
	starterOnce.Do(func() {
		go func() {
			runtime.LockOSThread()
			for f := range starts {
				f()
			}
		}()
	})
	err := make(chan error)
	starts <- func() { err <- cmd.Start() }
	return <-err
}
