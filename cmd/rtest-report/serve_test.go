//go:build unix

package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A served is a child that serves.
type served struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	said *bufio.Reader
}

// serve starts a child in a directory of its own, and waits until it listens.
func serve(t *testing.T, env []string, args ...string) *served {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	program := filepath.Join(dir, "rtest-report") // by its name, the test binary is the program
	require.NoError(t, os.Symlink(self, program))
	store := filepath.Join(dir, "store")
	require.NoError(t, os.Mkdir(store, 0o700))
	s := &served{t: t, cmd: exec.Command(program, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)}
	s.cmd.Env = append(append(os.Environ(), "RTEST_URL=file://"+store, "GORACE=atexit_sleep_ms=0"), env...)
	stderr, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
	s.said = bufio.NewReader(stderr)
	for {
		line, err := s.said.ReadString('\n')
		require.NoError(t, err, line)
		if m := regexp.MustCompile(` is on (http://\S+)/`).FindStringSubmatch(line); m != nil {
			s.url = m[1]
			return s
		}
		t.Log(line)
	}
}

func (s *served) get(path string) (int, string) {
	s.t.Helper()
	r, err := http.Get(s.url + path)
	require.NoError(s.t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(s.t, err)
	return r.StatusCode, string(body)
}

// A signal ends it, also while pages follow the store.
func TestServeEnds(t *testing.T) {
	lab := filepath.Join(t.TempDir(), "lab.yml")
	require.NoError(t, os.WriteFile(lab, []byte("pools: {boards: {items: [board-1, board-2]}}\n"), 0o600))
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		s := serve(t, []string{"RTEST_POOLS=" + lab})
		code, page := s.get("/")
		assert.Equal(t, 200, code)
		assert.Contains(t, page, "0 held, 2 free; nobody waits.")
		stream, err := http.Get(s.url + "/events")
		require.NoError(t, err)
		defer stream.Body.Close()
		lines := bufio.NewReader(stream.Body)
		for line := ""; !strings.HasPrefix(line, "data: "); {
			line, err = lines.ReadString('\n')
			require.NoError(t, err)
		}
		require.NoError(t, s.cmd.Process.Signal(sig))
		_, err = io.ReadAll(lines)
		assert.NoError(t, err, "the stream ends in order")
		rest, _ := io.ReadAll(s.said)
		assert.NoError(t, s.cmd.Wait(), "%s", rest)
		assert.Empty(t, string(rest))
	}
}
