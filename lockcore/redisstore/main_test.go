package redisstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// TestMain lets the test binary be its own child: a process that can be killed
// or stopped while it holds or waits.
func TestMain(m *testing.M) {
	role := os.Getenv("REDISSTORE_CHILD")
	if role != "serve" {
		logging.Disable() // connections are broken here by the hundred
	}
	if role != "" {
		if err := roles[role](); err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var roles = map[string]func() error{"hold": holdRole, "history": historyRole, "serve": serveRole}

// open returns a store on a server, with a client of its own.
func open(t testing.TB, addr string, opts redisstore.Options) *redisstore.Store {
	t.Helper()
	return on(t, redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true}), opts)
}

func on(t testing.TB, client redis.UniversalClient, opts redisstore.Options) *redisstore.Store {
	t.Helper()
	s, err := redisstore.New(client, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		client.Close()
	})
	return s
}

func openURL(t testing.TB, url string, opts redisstore.Options) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(t.Context(), url, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func locker(t testing.TB, s lockcore.Store) *lockcore.Locker {
	t.Helper()
	l := lockcore.New(s, nil)
	t.Cleanup(func() { l.Close() })
	return l
}

func of(n int, keys ...string) lockcore.Requirement {
	r := lockcore.Requirement{Need: n}
	for _, k := range keys {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
	}
	return r
}

func request(ttl time.Duration, reqs ...lockcore.Requirement) lockcore.Request {
	return lockcore.Request{Requirements: reqs, TTL: ttl}
}

func ticket(id string, ttl time.Duration, reqs ...lockcore.Requirement) *lockcore.Ticket {
	return &lockcore.Ticket{ID: id, Requirements: reqs, TTL: ttl, Owner: lockcore.Owner{Test: id}, Wait: true}
}

// ask calls the store and wants no error.
func ask(t testing.TB, s lockcore.Store, tk *lockcore.Ticket) lockcore.Answer {
	t.Helper()
	ans, err := s.Ask(t.Context(), tk, func(*lockcore.Grant) {})
	if err != nil {
		t.Fatalf("Ask for %s: %v", tk.ID, err)
	}
	return ans
}

func acquire(t testing.TB, l *lockcore.Locker, req lockcore.Request) *lockcore.Lease {
	t.Helper()
	le, err := l.Acquire(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return le
}

func release(t testing.TB, le *lockcore.Lease) {
	t.Helper()
	if err := le.Release(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// patience is how long a test waits for what must come. It is no measure.
const patience = 60 * time.Second

// await polls until ok.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func waiters(t testing.TB, s lockcore.Store, n int) {
	t.Helper()
	await(t, fmt.Sprintf("%d in line", n), func() bool {
		snap, err := s.Snapshot(context.Background())
		return err == nil && len(snap.Waiters) == n
	})
}

// arrives waits for a channel to be closed or to have something.
func arrives[T any](t testing.TB, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("waited in vain: %s", what)
	}
	return v
}

// A child is a process that plays a role.
type child struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string
	log   string // where it writes, if it does
}

// job is what a child is told.
type job struct {
	URL  string
	Opts redisstore.Options
	Keys []string
	Need int
	TTL  time.Duration
	Seed uint64
	N    int    // number of the process
	Log  string // a file
}

// spawn starts a child, which dies with its stdin.
func spawn(t testing.TB, role string, j job) *child {
	t.Helper()
	return spawnTo(t, os.Stderr, role, j)
}

// spawnTo is spawn with a place for what the child writes to its standard error.
func spawnTo(t testing.TB, stderr io.Writer, role string, j job, env ...string) *child {
	t.Helper()
	data, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(exe), lines: make(chan string, 1000), log: j.Log}
	c.cmd.Env = append(append(os.Environ(), "REDISSTORE_CHILD="+role, "REDISSTORE_JOB="+string(data)), env...)
	c.cmd.Stderr = stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for sc := bufio.NewScanner(out); sc.Scan(); {
			c.lines <- sc.Text()
		}
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	return c
}

// says waits for a line that begins like this, and returns the rest of it.
func (c *child) says(prefix string) string {
	c.t.Helper()
	line := arrives(c.t, "a child says "+prefix, c.lines)
	rest, ok := strings.CutPrefix(line, prefix)
	if !ok {
		c.t.Fatalf("a child says %q, want %q", line, prefix)
	}
	return strings.TrimSpace(rest)
}

func (c *child) tell(word string) {
	c.t.Helper()
	if _, err := io.WriteString(c.stdin, word+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait() // and let go of its pipes
}

// stop stops the process, as ^Z does; cont lets it go on.
func (c *child) stop() {
	c.t.Helper()
	if err := campaign.Stop(c.cmd.Process); err != nil {
		c.t.Fatal(err)
	}
}

func (c *child) cont() {
	c.t.Helper()
	if err := campaign.Cont(c.cmd.Process); err != nil {
		c.t.Fatal(err)
	}
}

func theJob() (j job, l *lockcore.Locker, err error) {
	if err = json.Unmarshal([]byte(os.Getenv("REDISSTORE_JOB")), &j); err != nil {
		return j, nil, err
	}
	s, err := redisstore.Open(context.Background(), j.URL, &j.Opts)
	if err != nil {
		return j, nil, err
	}
	return j, lockcore.New(s, nil), nil
}

// holdRole acquires, says "held" and the token, and "lost" and why when it is;
// told to release, it says "released".
func holdRole() error {
	j, l, err := theJob()
	if err != nil {
		return err
	}
	req := request(j.TTL, of(max(1, j.Need), j.Keys...))
	req.Owner.Test = "TestChild"
	le, err := l.Acquire(context.Background(), req)
	if err != nil {
		return err
	}
	fmt.Println("held", le.Token())
	words := make(chan string)
	go func() {
		defer close(words)
		for sc := bufio.NewScanner(os.Stdin); sc.Scan(); {
			words <- sc.Text()
		}
	}()
	for {
		select {
		case w, ok := <-words:
			switch {
			case !ok:
				return errors.New("orphaned")
			case w == "check":
				// The question comes before anything else can have run.
				fmt.Println("checked", context.Cause(le.Context()))
			case w == "release":
				if err := le.Release(context.Background()); err != nil {
					return err
				}
				fmt.Println("released")
				return nil
			}
		case <-le.Context().Done():
			fmt.Println("lost", context.Cause(le.Context()))
			return nil
		}
	}
}
