//go:build unix

package campaign

import (
	"fmt"
	"os"
	"syscall"
)

// Stop stops a child process, as ^Z does, and returns when it has stopped: a signal
// that was only sent lets it finish the system call that it is in, such as locking a
// file. [Cont] lets it go on.
func Stop(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		switch _, err := syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil); {
		case err == syscall.EINTR:
		case err != nil:
			return fmt.Errorf("waiting for process %d to stop: %w", p.Pid, err)
		case !status.Stopped():
			return fmt.Errorf("process %d has ended instead of stopping: %v", p.Pid, status)
		default:
			return nil
		}
	}
}

// Cont lets a process go on that was stopped.
func Cont(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
