//go:build unix

package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
)

// alive reports whether a process runs.
func alive(p *os.Process) bool { return p.Signal(syscall.Signal(0)) == nil }

func (c *child) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
}

// halt stops the child wherever it is, and returns when it has stopped.
func (c *child) halt() {
	c.t.Helper()
	if err := campaign.Stop(c.cmd.Process); err != nil {
		c.t.Fatal(err)
	}
}

// stop stops the child, anywhere but in the middle of a step of the store.
func (c *child) stop(s *Store) {
	c.t.Helper()
	for {
		c.halt()
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
		err := s.view(ctx, func(*sched.State) {})
		cancel()
		if err == nil {
			return
		}
		c.signal(syscall.SIGCONT)
	}
}

// descriptors counts the open files of this process that have to do with a
// store.
func descriptors(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		// The poller and its event come with the first pipe and stay, whoever opened it.
		if to, err := os.Readlink("/dev/fd/" + e.Name()); err != nil || !strings.HasPrefix(to, "anon_inode:") {
			n++
		}
	}
	return n
}

// goroutines lists those that this package has started. One that has just ended
// may still be seen for a moment.
func goroutines() []byte {
	var found []byte
	for range 1000 {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		found = nil
		for _, g := range bytes.Split(buf, []byte("\n\n")) {
			if bytes.Contains(g, []byte("filestore.(*Store)")) {
				found = append(found, g...)
			}
		}
		if found == nil {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return found
}

func TestAHolderThatIsStoppedBeyondItsTTLLosesItsLease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir)
	if r := c.call(order{Do: "acquire", Name: "held", Keys: []string{"k"}, TTL: 500 * time.Millisecond}); r.Error != "" {
		t.Fatal(r.Error)
	}
	s := open(t, dir)
	c.stop(s)
	until(t, s, "the lease of the stopped child has ended", func(snap lockcore.Snapshot) bool { return len(snap.Holders) == 0 })
	if ask(t, s, "next", true, some(1, "k")) == nil {
		t.Fatal("the lease has ended and k was not given out")
	}
	c.send(order{Do: "watch", Name: "held"})
	c.signal(syscall.SIGCONT)
	if r := c.await("held"); !r.Lost {
		t.Errorf("the child's lease did not end with ErrLost: %+v", r)
	}
	if r := c.call(order{Do: "release", Name: "held"}); !r.Lost {
		t.Errorf("the child's release did not end with ErrLost: %+v", r)
	}
}

func TestAGrantToAStoppedWaiterGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	held := ask(t, s, "held", false, some(1, "k"))
	c := startChild(t, dir)
	c.send(order{Do: "acquire", Name: "stopped", Keys: []string{"k"}, TTL: time.Hour})
	until(t, s, "the child waits", waiting("stopped"))
	c.stop(s)
	if ask(t, s, "next", true, some(1, "k")) != nil {
		t.Fatal("k is held and was given out")
	}
	if err := s.Release(t.Context(), held, 0); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot(t.Context())
	if err != nil || len(snap.Holders) != 1 || snap.Holders[0].State != "granted" {
		t.Fatalf("k should be granted to the stopped child: %+v, %v", snap, err)
	}
	until(t, s, "k goes on to the next", func(snap lockcore.Snapshot) bool {
		return len(snap.Holders) == 1 && snap.Holders[0].Owner.Test == "next"
	})
	c.signal(syscall.SIGCONT)
	until(t, s, "the child is in line again", waiting("stopped"))
	next := ask(t, s, "next", true, some(1, "k"))
	if err := s.Release(t.Context(), next, 0); err != nil {
		t.Fatal(err)
	}
	if r := c.await("stopped"); r.Error != "" || len(r.Keys) != 1 {
		t.Errorf("the child got %+v", r)
	}
}

// A process that is stopped in the middle of a step stops all: nobody can know
// what it is about to write. But nobody hangs, and the error names it.
func TestAProcessStoppedInTheMiddleOfAStepIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	c := startChild(t, dir)
	if r := c.call(order{Do: "lock", Name: "lock"}); r.Error != "" {
		t.Fatal(r.Error)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Snapshot(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want the end of the context, got %v", err)
	}
	f, err := openFile(s.loc.state(), forChange, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if runtime.GOOS == "linux" {
		if got, want := lockHolder(f), fmt.Sprint("process ", c.cmd.Process.Pid); got != want {
			t.Errorf("the lock is held by %s, it says %s", want, got)
		}
	}
	c.kill()
	if _, err := s.Snapshot(t.Context()); err != nil {
		t.Error(err)
	}
}

// Nobody knows what a stopped process does when it goes on, so others wait for it
// and are told for whom.
func TestAStoppedHolderOfALostStateIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir)
	c.acquire("held", 1, "k")
	s := open(t, dir)
	c.stop(s)
	removeAll(t, s.loc.space)
	if err := s.view(t.Context(), nil); err != nil { // begins the new state, however long that takes
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := s.Ask(ctx, &lockcore.Ticket{ID: "x", Requirements: []lockcore.Requirement{some(1, "k")}, TTL: time.Hour}, nil)
	want := "was deleted or emptied while it was in use, and process " + fmt.Sprint(c.cmd.Process.Pid) + ", which holds something, has not entered it again: let it go on (kill -CONT) or end it"
	if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %q", err, want)
	}
	c.kill()
	if ask(t, s, "x", false, some(1, "k")) == nil {
		t.Error("the holder of before is dead, and nothing is granted")
	}
}

// A process that was stopped at the front of the queue costs the others a moment,
// once.
func TestAStoppedProcessLeavesTheQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	c := startChild(t, dir)
	done := inMidStep(t, s)
	defer done()
	c.send(order{Do: "acquire", Name: "x", Keys: []string{"k"}})
	id := slices.DeleteFunc(s.loc.registered(), func(id string) bool { return id == s.id })[0]
	inQueue(t, s, id)
	c.halt()
	notes := make(chan string, 10)
	stepLater(t, s, "s", notes)
	done()
	if got := hear(t, notes); got != "s" {
		t.Error(got)
	}
	inQueue(t, s)
	c.signal(syscall.SIGCONT)
	if r := c.await("x"); r.Error != "" {
		t.Errorf("the process that was stopped goes on, and is told %s", r.Error)
	}
}
