package redisstore_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// serveRole says for each line that it reads how an Acquire and a Release went.
func serveRole() error {
	j, l, err := theJob()
	if err != nil {
		return err
	}
	for sc := bufio.NewScanner(os.Stdin); sc.Scan(); {
		le, err := l.Acquire(context.Background(), request(j.TTL, of(1, "k")))
		if err == nil {
			err = le.Release(context.Background())
		}
		fmt.Println("went", err)
	}
	return l.Close()
}

// A session is a child that serves and what it writes to its standard error.
type session struct {
	*child
	stderr *bytes.Buffer
}

func startSession(t *testing.T, url string, debug bool) session {
	env := []string{"RTEST_DEBUG="}
	if debug {
		env = []string{"RTEST_DEBUG=1"}
	}
	var stderr bytes.Buffer
	return session{spawnTo(t, &stderr, "serve", job{URL: url, Opts: redisstore.Options{Namespace: fmt.Sprint(debug)}, TTL: patience}, env...), &stderr}
}

// next is how it goes now.
func (s session) next() string {
	s.t.Helper()
	s.tell("once more")
	return s.says("went")
}

// end is all that it has written.
func (s session) end() string {
	s.t.Helper()
	s.stdin.Close()
	for line := range s.lines {
		s.t.Errorf("it says %q", line)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the child: %v", err)
	}
	return s.stderr.String()
}

// Whatever happens to the Sentinels and their masters, the caller is told, and nothing
// else is written; unless somebody looks for the cause.
func TestNothingIsWrittenAboutSentinels(t *testing.T) {
	t.Parallel()
	g := redistest.StartSentinel(t, 1)
	quiet, debug := startSession(t, g.URL(), false), startSession(t, g.URL(), true)
	both := func(what string, want func(string) bool) {
		t.Helper()
		for _, s := range []session{quiet, debug} {
			await(t, what, func() bool { return want(s.next()) })
		}
	}
	well := func(got string) bool { return got == "<nil>" }
	both("it begins", well)
	g.Master.Kill()
	both("the master is down", func(string) bool { return true })
	now := g.Failed()
	both("the new master serves", well)
	for _, s := range g.Sentinels {
		s.Kill()
	}
	both("the Sentinels are not needed", well)
	now.Kill()
	both("nobody is there", func(got string) bool { return strings.Contains(got, g.Sentinels[0].Addr) })
	if out := quiet.end(); out != "" {
		t.Errorf("it wrote:\n%s", out)
	}
	out := debug.end()
	for _, want := range []string{
		" names " + g.Master.Addr + ` as the master "lab"; before: ""`,
		" names " + now.Addr + ` as the master "lab"; before: "` + g.Master.Addr + `"`,
		"redis: connection pool: failed to dial after 1 attempts: no Sentinel names a master",
		"Sentinel " + g.Sentinels[0].Addr + ": dial tcp",
		"Sentinel " + g.Sentinels[1].Addr + ": dial tcp",
		"Sentinel " + g.Sentinels[2].Addr + ": dial tcp",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("RTEST_DEBUG=1 does not show %q:\n%s", want, out)
		}
	}
	late := startSession(t, g.URL(), false)
	if got := late.next(); !strings.Contains(got, g.Sentinels[0].Addr) {
		t.Errorf("it went %s", got)
	}
	if out := late.end(); out != "" {
		t.Errorf("it wrote:\n%s", out)
	}
}
