//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filestore

import (
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A store with LiveInChildren lives as long as a child of its process does.
func TestLiveInChildren(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := s.shareWithChildren()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "1000")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ticket := &lockcore.Ticket{ID: "held", Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "k"}}}}, TTL: time.Hour}
	if a, err := s.Ask(t.Context(), ticket, nil); err != nil || a.Grant == nil {
		t.Fatal(err)
	}
	// What the kernel does for a process that is killed: it closes its descriptors.
	s.alive.close()
	_ = unix.Close(fd)
	other, err := Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if other.loc.dead(s.id) {
		t.Error("known to be dead, while its child lives")
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if !other.loc.dead(s.id) {
		t.Error("the child has ended, and it still counts as alive")
	}
	s.alive = nil
	_ = s.Close()
}
