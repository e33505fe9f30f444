package redistest

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestServerSurvivesRestartWithItsFile(t *testing.T) {
	s := Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s.Do("SET", "k", "v")
	pid := s.PID()
	s.Restart()
	s.Loaded()
	if got := s.Do("GET", "k"); got != "v" || s.PID() == pid {
		t.Fatalf("GET k = %v, pid %d after %d", got, s.PID(), pid)
	}
	if _, err := os.Stat(s.Socket()); err != nil {
		t.Fatal(err)
	}
}

func TestStopFreezesAndContThaws(t *testing.T) {
	s := Start(t)
	s.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	c := redis.NewClient(&redis.Options{Addr: s.Addr, ContextTimeoutEnabled: true, MaxRetries: -1})
	defer c.Close()
	if err := c.Ping(ctx).Err(); err == nil {
		t.Fatal("a stopped server answered")
	}
	s.Cont()
	if got := s.Do("PING"); got != "PONG" {
		t.Fatal(got)
	}
}

func TestInfoOutlivesItsConnection(t *testing.T) {
	s := Start(t)
	s.Do("PING") // connected
	// Without SKIPME the one that asks is ended too, as a promotion does.
	_, _ = s.Try("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
	if role := s.Info("replication", "role"); role != "master" {
		t.Fatal(role)
	}
}

func TestSentinelFailsOver(t *testing.T) {
	g := StartSentinel(t, 1)
	if !strings.HasSuffix(g.URL(), "/lab") {
		t.Fatal(g.URL())
	}
	g.Master.Kill()
	if now := g.Failed(); now != g.Replicas[0] {
		t.Fatalf("new master is %s", now.Addr)
	}
}

func TestClusterFailsOver(t *testing.T) {
	c := StartCluster(t, true)
	i := c.OwnerOf("{x}")
	c.Masters[i].Do("SET", "{x}", "v")
	c.Masters[i].Do("WAIT", 1, 0)
	c.Masters[i].Kill()
	await(t, "the replica takes over", func() bool {
		v, err := c.Replicas[i].Try("GET", "{x}")
		return err == nil && v == "v"
	})
}

func TestProxy(t *testing.T) {
	s := Start(t)
	p := StartProxy(t, s.Addr)
	var n Counter
	c := redis.NewClient(&redis.Options{Addr: p.Addr, Dialer: n.Dial, Protocol: 2, DisableIdentity: true, MaxRetries: -1, ContextTimeoutEnabled: true})
	defer c.Close()
	ctx := t.Context()
	if err := c.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	before := n.Writes()
	p.Delay(20 * time.Millisecond)
	start := time.Now()
	if err := c.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d < 40*time.Millisecond || n.Writes() != before+1 {
		t.Fatalf("a ping took %s and %d writes", d, n.Writes()-before)
	}
	p.Delay(0)
	p.Blackhole(ToClient)
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	if err := c.Set(short, "k", "v", 0).Err(); err == nil {
		t.Fatal("an answer came through the black hole")
	}
	await(t, "the request came through all the same", func() bool { return s.Do("GET", "k") == "v" })
	p.Heal()
	p.Cut()
	p.Refuse(true)
	if err := c.Ping(ctx).Err(); err == nil {
		t.Fatal("refused connections answered")
	}
	p.Refuse(false)
	if err := c.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
}

// Another process may take the port first, and its server answers as well as ours.
func TestAnotherServerIsNotTakenForThisOne(t *testing.T) {
	for _, args := range [][]string{nil, {"--sentinel"}} {
		first := Start(t)
		s := &Server{t: t, bin: first.bin, dir: shortDir(t), args: args, Addr: first.Addr}
		if err := os.WriteFile(s.dir+"/sentinel.conf", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.end)
		if err := s.launch(); err == nil || !strings.Contains(err.Error(), "ddress already in use") {
			t.Errorf("%v: got %v, want an error that says that the address is in use", args, err)
		}
	}
}
