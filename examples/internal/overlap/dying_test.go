//go:build unix

package overlap

import (
	"os/exec"
	"testing"
)

// A killed process is no user any more, also before its parent has heard of it.
func TestTheKilledDoNotUse(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if dying(cmd.Process.Pid) {
		t.Error("it lives")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for !dying(cmd.Process.Pid) { // as a zombie, or on the way there: it takes a moment
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it was not killed")
	}
	if !dying(cmd.Process.Pid) {
		t.Error("it is gone")
	}
}
