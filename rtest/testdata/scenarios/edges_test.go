package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// move changes everything that names the directories of a user, as a test of a
// program does that is configured there.
func move(t *testing.T) {
	dir, err := os.MkdirTemp(os.Getenv("WORK"), "moved")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData", "TMPDIR", "TMP", "TEMP", "PWD"} {
		os.Setenv(name, dir)
	}
	if err := os.Chdir(dir); err != nil {
		t.Fatal(err)
	}
}

// TestMoved takes board-1 again and again, in two parallel tests, of which one
// changes the environment before it does.
func TestMoved(t *testing.T) {
	var moved sync.WaitGroup
	moved.Add(1)
	for _, moves := range []bool{os.Getenv("MOVE") != "", false} {
		t.Run(fmt.Sprint("moves=", moves), func(t *testing.T) {
			t.Parallel()
			if moves {
				move(t)
				moved.Done()
			}
			if os.Getenv("MOVE") != "" {
				moved.Wait()
			}
			for range 20 {
				u := judge.Use{Who: fmt.Sprint(os.Getpid(), " ", t.Name()), Asked: judge.Now(), Want: []int{1}}
				l := rtest.Acquire(t, first)
				u.From = judge.Now()
				time.Sleep(time.Millisecond) // the use
				u.Token, u.Got, u.To = l.Token(), []judge.Got{{Mode: "x", Keys: l.Keys()}}, judge.Now()
				l.Release()
				line, _ := json.Marshal(u)
				fmt.Printf("USE %s\n", line)
			}
		})
	}
}

// What follows waits for a board that another process has, beyond -timeout.

func TestLateInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { rtest.Acquire(t, first) })
}

func TestLateInWrapper(t *testing.T) {
	rtest.Acquire(&struct{ testing.TB }{t}, first)
}

// unlike embeds nothing that could be found.
type unlike struct{ t *testing.T }

func (u unlike) Helper()                           { u.t.Helper() }
func (u unlike) Name() string                      { return u.t.Name() }
func (u unlike) Cleanup(f func())                  { u.t.Cleanup(f) }
func (u unlike) Failed() bool                      { return u.t.Failed() }
func (u unlike) Logf(format string, args ...any)   { u.t.Logf(format, args...) }
func (u unlike) Errorf(format string, args ...any) { u.t.Errorf(format, args...) }
func (u unlike) Fatalf(format string, args ...any) { u.t.Fatalf(format, args...) }
func (u unlike) Skipf(format string, args ...any)  { u.t.Skipf(format, args...) }

func TestLateUnlike(t *testing.T) { rtest.Acquire(unlike{t}, first) }

func FuzzLateSeed(f *testing.F) {
	f.Add(1)
	f.Fuzz(func(t *testing.T, _ int) { rtest.Acquire(t, first) })
}

func FuzzLateBody(f *testing.F) {
	rtest.Acquire(f, first)
	f.Add(1)
	f.Fuzz(func(*testing.T, int) {})
}

func askForEver(context.Context) ([]string, error) { select {} }

func TestLateDiscovery(t *testing.T) { rtest.Acquire(t, rtest.Discover(askForEver).Named("boards")) }

func TestLateDiscoveryInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { rtest.Acquire(t, rtest.Discover(askForEver).Named("boards")) })
}

// TestDialsItself has a client of its own, beside that of the store.
func TestDialsItself(t *testing.T) {
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:2", DialerRetries: 1, MaxRetries: -1})
	defer c.Close()
	if c.Ping(t.Context()).Err() == nil {
		t.Error("somebody is there")
	}
	rtest.Acquire(t, first)
}
