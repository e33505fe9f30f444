package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// A killer stands before a server and kills it when a client sends a word. The server
// never gets the whole of that command.
type killer struct {
	addr string
	dead chan struct{} // closed when the server is
	die  func()
	word []byte
}

func killAt(t *testing.T, s *redistest.Server, word string) *killer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	k := &killer{addr: l.Addr().String(), dead: make(chan struct{}), word: []byte(word)}
	k.die = sync.OnceFunc(func() {
		s.Kill()
		close(k.dead)
	})
	var work sync.WaitGroup
	work.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { k.serve(client, s.Addr) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		work.Wait() // connections end with their clients
	})
	return k
}

func (k *killer) serve(client net.Conn, backend string) {
	defer client.Close()
	server, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer server.Close()
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		io.Copy(client, server)
		client.Close()
	}()
	defer func() { <-answers }()
	defer server.Close()
	var tail []byte // a word may come in two pieces
	buf := make([]byte, 16<<10)
	for {
		n, err := client.Read(buf)
		tail = append(tail, buf[:n]...)
		if bytes.Contains(tail, k.word) {
			k.die()
			return
		}
		tail = append([]byte(nil), tail[max(0, len(tail)-len(k.word)+1):]...)
		if _, e := server.Write(buf[:n]); e != nil || err != nil {
			return
		}
	}
}

// When the store fails between two reservations, release says what was given back and what
// was not, and records the former. The latter stays reserved.
func TestReleaseWhenTheStoreFailsInBetween(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	k := killAt(t, server, "board-2")
	events := filepath.Join(t.TempDir(), "events")
	report := func(addr string, args ...string) (code int, stdout, stderr string) {
		t.Helper()
		var out, told bytes.Buffer
		c := exec.Command("rtest-report", args...)
		c.Env = append(os.Environ(), "RTEST_URL=redis://"+addr, "RTEST_EVENTS="+events, "GORACE=atexit_sleep_ms=0")
		c.Stdout, c.Stderr = &out, &told
		_ = c.Run() // its exit code tells
		return c.ProcessState.ExitCode(), out.String(), told.String()
	}
	for _, key := range []string{"board-1", "board-2", "board-3"} {
		code, _, stderr := report(server.Addr, "reserve", key, "--for", "2h", "--as", "ann@bench")
		require.Zero(t, code, stderr)
	}
	code, stdout, stderr := report(k.addr, "release", "board-1", "board-2", "board-3", "--as", "ann@bench")
	assert.Equal(t, exitUsage, code)
	assert.Equal(t, "released board-1\n", stdout)
	require.Regexp(t, `^rtest-report: cannot give back board-2: redis://`+k.addr+`[^\n]*; board-1 was given back before\n$`, stderr)
	files, err := filepath.Glob(filepath.Join(events, "*.jsonl"))
	require.NoError(t, err)
	var recorded []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, `"action":"release"`) {
				recorded = append(recorded, line)
			}
		}
	}
	require.Len(t, recorded, 1)
	assert.Contains(t, recorded[0], `"chosen":[{"key":"board-1","req":0}]`)

	<-k.dead
	server.Restart()
	server.Loaded()
	code, _, stderr = report(server.Addr, "release", "board-1", "--as", "ann@bench")
	assert.Equal(t, exitBreach, code)
	assert.Equal(t, "rtest-report: board-1 is not reserved: not held; reserved are board-2, board-3\n", stderr)
	code, stdout, stderr = report(server.Addr, "release", "board-2", "board-3", "--as", "ann@bench")
	assert.Zero(t, code, stderr)
	assert.Equal(t, "released board-2\nreleased board-3\n", stdout)
}
