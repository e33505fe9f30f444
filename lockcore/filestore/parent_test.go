package filestore

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// child is a child process as its parent sees it.
type child struct {
	t       testing.TB
	cmd     *exec.Cmd
	in      io.Writer
	mu      sync.Mutex
	replies map[string]chan reply
	ended   chan struct{} // it closed its output, that is, it is gone
}

// startChild starts a child that has opened the store in dir. It is killed at
// the end of the test.
func startChild(t testing.TB, dir string) *child {
	t.Helper()
	c := newChild(t, exec.Command(os.Args[0]))
	if r := c.call(order{Do: "open", Dir: dir, Name: t.Name()}); r.Error != "" {
		t.Fatal(r.Error)
	}
	return c
}

func newChild(t testing.TB, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{t: t, cmd: cmd, replies: make(map[string]chan reply), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), childEnv+"=1")
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.in = in
	go func() {
		defer close(c.ended)
		for d := json.NewDecoder(out); ; {
			var r reply
			if d.Decode(&r) != nil {
				return
			}
			c.inbox(r.Name) <- r
		}
	}()
	t.Cleanup(c.kill)
	return c
}

func (c *child) inbox(name string) chan reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.replies[name]
	if ch == nil {
		ch = make(chan reply, 100)
		c.replies[name] = ch
	}
	return ch
}

// send gives an order and does not wait for the reply.
func (c *child) send(o order) {
	c.t.Helper()
	b, err := json.Marshal(&o)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(b, '\n')); err != nil {
		c.t.Fatal(err)
	}
}

// await waits for the reply to an order about a lease.
func (c *child) await(name string) reply {
	c.t.Helper()
	select {
	case r := <-c.inbox(name):
		return r
	case <-c.ended:
		c.t.Fatalf("the child died instead of answering about %s", name)
	case <-time.After(watchdog):
		c.t.Fatalf("the child does not answer about %s", name)
	}
	return reply{}
}

func (c *child) call(o order) reply {
	c.t.Helper()
	c.send(o)
	return c.await(o.Name)
}

// acquire makes the child take something, which must not have to wait for long.
func (c *child) acquire(name string, need int, keys ...string) reply {
	c.t.Helper()
	r := c.call(order{Do: "acquire", Name: name, Keys: keys, Need: need, TTL: time.Hour})
	if r.Error != "" {
		c.t.Fatalf("%s: %s", name, r.Error)
	}
	return r
}

// kill ends the child as kill -9 does, and waits until it is gone.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may be gone already
	c.gone()
}

// gone waits until the child is gone.
func (c *child) gone() {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(watchdog):
		c.t.Fatal("the child lives on")
	}
	_ = c.cmd.Wait() // it was killed, which counts as an error
}

// watchdog bounds what should not take long at all.
const watchdog = 60 * time.Second

// open opens a store that is closed at the end of the test.
func open(t testing.TB, dir string) *Store { return openWith(t, dir, nil) }

func openWith(t testing.TB, dir string, o *Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// ask asks once and returns the grant, or nil.
func ask(t testing.TB, s *Store, id string, wait bool, reqs ...lockcore.Requirement) *lockcore.Grant {
	t.Helper()
	return askWake(t, s, id, wait, func(*lockcore.Grant) {}, reqs...)
}

func askWake(t testing.TB, s *Store, id string, wait bool, wake func(*lockcore.Grant), reqs ...lockcore.Requirement) *lockcore.Grant {
	t.Helper()
	ans, err := s.Ask(t.Context(), &lockcore.Ticket{ID: id, Requirements: reqs, TTL: time.Hour, Wait: wait, Owner: lockcore.Owner{Test: id}}, wake)
	if err != nil {
		t.Fatalf("Ask for %s: %v", id, err)
	}
	return ans.Grant
}

// until looks at the store until the condition holds.
func until(t testing.TB, s *Store, what string, cond func(lockcore.Snapshot) bool) {
	t.Helper()
	for end := time.Now().Add(watchdog); ; time.Sleep(time.Millisecond) {
		snap, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if cond(snap) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s; now %+v", what, snap)
		}
	}
}

// waiting reports whether somebody is in line.
func waiting(name string) func(lockcore.Snapshot) bool {
	return func(s lockcore.Snapshot) bool {
		for _, w := range s.Waiters {
			if w.Owner.Test == name {
				return true
			}
		}
		return false
	}
}
