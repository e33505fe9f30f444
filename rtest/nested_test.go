package rtest_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/nested"
	"github.com/resourcelocker/resourcelocker/lockcore/storeurl"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// A test below a lock gets what that holds, and two tests take turns.
func TestBelowALock(t *testing.T) {
	url := "file://" + filepath.ToSlash(t.TempDir())
	t.Setenv("RTEST_URL", url)
	store, err := storeurl.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	lock := lockcore.New(store, &lockcore.Options{Owner: lockcore.Owner{Test: "lock"}})
	defer lock.Close()
	outer, err := lock.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-1"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(nested.Environ(outer), "=")
	t.Setenv(name, value)

	f := fake("TestFirst", func(f *fakeTB) {
		l := rtest.Acquire(f, rtest.R("board-1", "board-2"), rtest.Wait(0))
		if got := l.Keys(); len(got) != 1 || got[0] != "board-1" {
			t.Errorf("got %q, want what the lock holds", got)
		}
		g := fake("TestSecond", func(g *fakeTB) { rtest.Acquire(g, rtest.R("board-1"), rtest.Wait(0)) })
		if !g.Failed() || !strings.Contains(g.fatal, "TestFirst") {
			t.Errorf("two tests have it at once: %s", g.fatal)
		}
	})
	if f.Failed() {
		t.Error(f.fatal)
	}
}

// What a test starts gets what the test holds, with the environment of its lease.
func TestBelowATest(t *testing.T) {
	url := "file://" + filepath.ToSlash(t.TempDir())
	t.Setenv("RTEST_URL", url)
	l := rtest.Acquire(t, rtest.R("board-1"))
	env := l.Environ()
	if len(env) != 1 {
		t.Fatalf("got %q", env)
	}
	name, value, _ := strings.Cut(env[0], "=")
	t.Setenv(name, value) // this process plays the one that it starts
	store, err := storeurl.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	joined, err := nested.Join(store)
	if err != nil {
		t.Fatal(err)
	}
	below := lockcore.New(joined, nil)
	defer below.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	inner, err := below.Acquire(ctx, lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-1"}}}}})
	if err != nil || inner.Keys()[0] != "board-1" {
		t.Fatal(err)
	}
}
