package campaign

import (
	"errors"
	"os"
)

// Stop fails: Windows cannot stop a process.
func Stop(*os.Process) error { return errors.ErrUnsupported }

// Cont fails, too.
func Cont(*os.Process) error { return errors.ErrUnsupported }
