// Package redistest starts real redis-server processes for tests: one, several,
// a Sentinel group or a Cluster, each on free loopback ports in a directory of
// its own, and ends them with the test. A [Proxy] stands between a client and a
// server to be unkind to their conversation. Start at [Start].
//
// A machine without redis-server skips the test with words that say how to get
// one; with RTEST_REQUIRE_REDIS=1, as CI sets it, the test fails instead.
package redistest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Need skips or fails the test when there is no redis-server, and returns the
// path of it otherwise. [Start] and its siblings call it themselves.
func Need(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err == nil {
		return path
	}
	const how = "needs redis-server: apt-get install redis-server, or brew install redis"
	if os.Getenv("RTEST_REQUIRE_REDIS") == "1" {
		t.Fatal(how + " (RTEST_REQUIRE_REDIS=1)")
	}
	t.Skip(how)
	return ""
}

// A Server is one redis-server process. Its methods fail the test when they
// cannot do what they say; they are for one goroutine at a time.
type Server struct {
	Addr string // host:port

	t    testing.TB
	bin  string
	dir  string
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	logs lockedBuffer
	conn *redis.Client
}

// readyLimit is how long a server may take to answer. It is no measure of
// anything: a loaded machine may need seconds to start a process.
const readyLimit = 60 * time.Second

// Start starts a server that keeps nothing on disk. args are appended to its
// command line: "--appendonly", "yes", say.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	bin := Need(t)
	for attempt := 0; ; attempt++ {
		s := &Server{t: t, bin: bin, dir: shortDir(t), args: args}
		s.Addr = fmt.Sprintf("127.0.0.1:%d", freePort(t))
		err := s.launch()
		if err == nil {
			t.Cleanup(s.end)
			return s
		}
		s.end()
		if attempt == 5 || !strings.Contains(err.Error(), "ddress already in use") {
			t.Fatal(err)
		}
	}
}

// StartN starts n independent servers.
func StartN(t testing.TB, n int, args ...string) []*Server {
	t.Helper()
	servers := make([]*Server, n)
	for i := range servers {
		servers[i] = Start(t, args...)
	}
	return servers
}

// shortDir is a directory whose name stays short enough for a unix socket.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// freePort finds a port that is free now. Somebody may take it before the
// server does, so Start tries again when that happens. Cluster needs a second
// port 10000 above, hence the limit.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if port > 55535 {
			continue
		}
		bus, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+10000))
		if err != nil {
			continue
		}
		bus.Close()
		return port
	}
	t.Fatal("redistest: found no free port below 55536")
	return 0
}

// launch starts the process and waits until it answers.
func (s *Server) launch() error {
	_, port, _ := net.SplitHostPort(s.Addr)
	args := append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no",
		"--unixsocket", s.Socket(), "--repl-diskless-sync-delay", "0"}, s.args...)
	if len(s.args) > 0 && s.args[0] == "--sentinel" {
		args = []string{filepath.Join(s.dir, "sentinel.conf"), "--sentinel", "--port", port, "--bind", "127.0.0.1", "--dir", s.dir}
	}
	s.logs.reset()
	s.cmd = exec.Command(s.bin, args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.logs, &s.logs
	dieWithParent(s.cmd)
	if err := start(s.cmd); err != nil {
		return fmt.Errorf("redistest: %w", err)
	}
	done, cmd := make(chan struct{}), s.cmd
	s.done = done
	go func() {
		_ = cmd.Wait() // how it ended is in the log
		close(done)
	}()
	return s.ready()
}

// ready waits until the server talks, which one that still loads its data or
// asks for a password does too.
func (s *Server) ready() error {
	deadline := time.Now().Add(readyLimit)
	for time.Now().Before(deadline) {
		select {
		case <-s.done:
			return fmt.Errorf("redistest: redis-server on %s ended at once:\n%s", s.Addr, s.logs.String())
		case <-time.After(5 * time.Millisecond):
		}
		if c, err := net.Dial("tcp", s.Addr); err != nil {
			continue // not there yet: go-redis would log that
		} else {
			c.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := s.admin().Do(ctx, "PING").Err()
		cancel()
		if (err == nil || isReply(err)) && s.itself() {
			return nil
		}
	}
	return fmt.Errorf("redistest: redis-server on %s does not answer:\n%s", s.Addr, s.logs.String())
}

// itself reports whether it is this server that answers, and not one of another
// process that took the port first. Only one that has the port opens its socket.
func (s *Server) itself() bool {
	if len(s.args) > 0 && s.args[0] == "--sentinel" {
		v, _ := s.Try("INFO", "server")
		text, _ := v.(string)
		return strings.Contains(text, fmt.Sprintf("process_id:%d\r", s.PID()))
	}
	c, err := net.Dial("unix", s.Socket())
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// isReply reports whether the server itself said no.
func isReply(err error) bool {
	_, ok := err.(redis.Error)
	return ok
}

func (s *Server) admin() *redis.Client {
	if s.conn == nil {
		s.conn = redis.NewClient(&redis.Options{Addr: s.Addr, Protocol: 2, DisableIdentity: true, MaxRetries: -1, DialerRetries: 1, PoolSize: 4, ContextTimeoutEnabled: true})
	}
	return s.conn
}

// URL is redis://host:port/0.
func (s *Server) URL() string { return "redis://" + s.Addr + "/0" }

// Socket is the path of the unix socket on which the server listens too.
func (s *Server) Socket() string { return filepath.Join(s.dir, "s") }

// PID is that of the process that runs now.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Do sends one command on a connection of the harness, fails the test on an
// error reply, and returns the reply as go-redis gives it.
func (s *Server) Do(args ...any) any {
	s.t.Helper()
	v, err := s.Try(args...)
	if err != nil {
		s.t.Fatalf("redistest: %s: %v: %v", s.Addr, args, err)
	}
	return v
}

// Try is Do that returns the error; a nil reply is none.
func (s *Server) Try(args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readyLimit)
	defer cancel()
	v, err := s.admin().Do(ctx, args...).Result()
	if err == redis.Nil {
		err = nil
	}
	return v, err
}

// Info is one field of INFO, or empty. A connection that is cut is no failure: a
// sentinel does that to the server that it promotes.
func (s *Server) Info(section, field string) string {
	s.t.Helper()
	text, _ := s.insist("INFO", section).(string)
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// insist is Do for what may be said again, as long as the process runs.
func (s *Server) insist(args ...any) any {
	s.t.Helper()
	for deadline := time.Now().Add(readyLimit); ; {
		v, err := s.Try(args...)
		if err == nil {
			return v
		}
		if isReply(err) || time.Now().After(deadline) {
			s.t.Fatalf("redistest: %s: %v: %v", s.Addr, args, err)
		}
		select {
		case <-s.done:
			s.t.Fatalf("redistest: %s: %v: %v\n%s", s.Addr, args, err, s.logs.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Kill ends the process as kill -9 does: what is not on disk is gone. It
// returns when the process is.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended by itself
	<-s.done
	s.disconnect()
}

// Restart starts the server again on the same port, in the same directory and
// with the same arguments, after killing it if it still runs. It returns when
// the server answers, which it does before it has loaded its data.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	for deadline := time.Now().Add(readyLimit); ; {
		err := s.launch()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || !strings.Contains(err.Error(), "ddress already in use") {
			s.t.Fatal(err)
		}
	}
}

// Loaded waits until a server that was started again has read its data. Before
// that it answers, but little more.
func (s *Server) Loaded() {
	s.t.Helper()
	await(s.t, s.Addr+" has loaded its data", func() bool {
		s.t.Helper()
		return s.Info("persistence", "loading") == "0"
	})
}

// Stop freezes the process, as SIGSTOP does; Cont thaws it.
func (s *Server) Stop() { s.signal(stopSignal) }

// Cont undoes Stop.
func (s *Server) Cont() { s.signal(contSignal) }

func (s *Server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("redistest: signal %v to %s: %v", sig, s.Addr, err)
	}
}

// Log is what the process has printed since it was started.
func (s *Server) Log() string { return s.logs.String() }

func (s *Server) disconnect() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

func (s *Server) end() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	s.disconnect()
}

// lockedBuffer takes the output of a process while a test may read it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *lockedBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Reset()
}

// await polls until ok, for states of other processes that no event announces.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(readyLimit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("redistest: %s: still not so after %s", what, readyLimit)
		}
	}
}
