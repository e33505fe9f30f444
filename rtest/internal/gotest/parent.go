package gotest

import "os"

// go test that is killed leaves its test binaries behind, and they would renew
// their leases for nobody. So a process whose parent was a go command stops
// renewing when that has ended. Any other parent may end first: the shell that
// nohup was typed into, a script that starts a binary in the background.

// parent is the process that started this one.
var (
	parent     = os.Getppid()
	parentIsGo = commandName(parent) == "go"
)

// ParentAlive is false once the go command that started this process has ended.
// On Windows the answer is always yes: the parent's id never changes there.
func ParentAlive() bool { return !parentIsGo || os.Getppid() == parent }
