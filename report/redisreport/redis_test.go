package redisreport_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// startRedis runs a redis-server of the test's own on a unix socket, so that no
// port can be taken in between, and ends it with the test.
func startRedis(t *testing.T) *redis.Client {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("RTEST_REQUIRE_REDIS") == "1" {
			t.Fatal("RTEST_REQUIRE_REDIS=1, but there is no redis-server: apt-get install redis-server")
		}
		t.Skip("needs redis-server: apt-get install redis-server (or brew install redis)")
	}
	// t.TempDir can be longer than the name of a socket may be.
	dir, err := os.MkdirTemp("", "rr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan bool, 1)
	go func() {
		s := bufio.NewScanner(out)
		for s.Scan() {
			if strings.Contains(strings.ToLower(s.Text()), "ready to accept connections") {
				ready <- true
			}
		}
		close(ready)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	if !<-ready {
		t.Fatal("redis-server ended before it was ready")
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, DB: 1})
	t.Cleanup(func() { client.Close() })
	return client
}

// dump is everything in the database, by key: sets sorted, hashes as they are.
func dump(t *testing.T, client *redis.Client) map[string]any {
	t.Helper()
	ctx := context.Background()
	keys, err := client.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	for _, k := range keys {
		switch kind := client.Type(ctx, k).Val(); kind {
		case "set":
			all[k] = client.SMembers(ctx, k).Val()
		case "hash":
			all[k] = client.HGetAll(ctx, k).Val()
		default:
			t.Fatalf("key %q is a %s", k, kind)
		}
	}
	return all
}
