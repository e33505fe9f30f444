//go:build unix

package main

import (
	"bufio"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/report/eventlog"
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

// What people do on the page is an event with their name, and so in the history.
func TestServeRecordsActions(t *testing.T) {
	dir := t.TempDir()
	tokens, events := filepath.Join(dir, "tokens"), filepath.Join(dir, "events")
	require.NoError(t, os.WriteFile(tokens, []byte("anna@lab 0123456789abcdef\n"), 0o600))
	s := serve(t, []string{"RTEST_EVENTS=" + events}, "--allow-actions", "--token-file", tokens)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	c := &http.Client{Jar: jar}
	post := func(path string, form url.Values) string {
		t.Helper()
		r, err := c.PostForm(s.url+path, form)
		require.NoError(t, err)
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, 200, r.StatusCode, "%s", body)
		return string(body)
	}
	post("/login", url.Values{"token": {"0123456789abcdef"}})
	r, err := c.Get(s.url + "/resource?key=board-1")
	require.NoError(t, err)
	page, err := io.ReadAll(r.Body)
	r.Body.Close()
	require.NoError(t, err)
	csrf := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(string(page))
	require.NotNil(t, csrf)
	after := post("/disable", url.Values{"csrf": {csrf[1]}, "key": {"board-1"}, "reason": {"smoke"}})
	assert.Contains(t, after, "Disabled by anna@lab")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	rest, _ := io.ReadAll(s.said)
	require.NoError(t, s.cmd.Wait(), "%s", rest)

	files, err := filepath.Glob(filepath.Join(events, "*"))
	require.NoError(t, err)
	var all string
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		all += string(text)
	}
	assert.Regexp(t, `"ev":"action".*"board-1".*"action":"disable","user":"anna@lab","reason":"smoke"`, all)
}

// A history is of files that were written to lately, the newest first.
func TestEventsSince(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"old": 9 * 24 * time.Hour, "new": time.Minute, "newer": 0} {
		path := filepath.Join(dir, name+eventlog.Suffix)
		line := `{"v":1,"ev":"action","seq":1,"ts":"2026-03-01T12:00:00Z","action":"enable","user":"` + name + `"}` + "\n"
		require.NoError(t, os.WriteFile(path, []byte(line), 0o600))
		require.NoError(t, os.Chtimes(path, now.Add(-age), now.Add(-age)))
	}
	var users []string
	for e, err := range eventsSince(t.Context(), []string{dir}, now.Add(-time.Hour)) {
		require.NoError(t, err)
		users = append(users, e.User)
	}
	assert.ElementsMatch(t, []string{"new", "newer"}, users)
	files, err := eventFiles(dir, now.Add(-time.Hour))
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(dir, "newer"+eventlog.Suffix)}, newest(files, files[0].size+files[1].size-1))
	_, err = eventFiles(filepath.Join(dir, "nothing"), now)
	assert.ErrorIs(t, err, os.ErrNotExist)
}
