package rtest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resourcelocker/resourcelocker/rtest"
)

// A discovery is part of the wait, whatever the function does.
func TestADiscoveryDoesNotOutlastTheWait(t *testing.T) {
	for _, c := range []struct {
		name  string
		wait  time.Duration
		takes time.Duration // of the discovery; 0: for ever
		heeds bool          // the end of its context
		busy  bool          // the board
		ends  time.Duration
		says  string // nothing: the test gets the board
	}{
		{"blocks", 3 * time.Second, 0, false, false, 3 * time.Second, `requirement "boards": the function given to Discover (rtest_test.TestADiscoveryDoesNotOutlastTheWait.`},
		{"heeds the end", 3 * time.Second, 0, true, false, 3 * time.Second, `requirement "boards": `},
		{"slow", 3 * time.Second, 2 * time.Second, false, false, 2 * time.Second, ""},
		{"slow and busy", 3 * time.Second, 2 * time.Second, false, true, 3 * time.Second, "gave up after 1s waiting for"},
		{"single attempt, slow", 0, 2 * time.Second, false, false, 2 * time.Second, ""},
		{"single attempt, blocks", 0, 0, false, false, 10 * time.Second, "had not returned after 10s (all that a discovery has where the wait is a single attempt)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				locker, over := newLocker(t), make(chan struct{})
				if c.busy {
					rtest.Acquire(t, rtest.R("board-1"), rtest.Using(locker))
				}
				boards := rtest.Discover(func(ctx context.Context) ([]string, error) {
					var takes <-chan time.Time
					if c.takes > 0 {
						takes = time.After(c.takes)
					}
					end := over
					if c.heeds {
						end = nil
					}
					select {
					case <-takes:
					case <-end:
					case <-map[bool]<-chan struct{}{true: ctx.Done()}[c.heeds]:
						return nil, ctx.Err()
					}
					return []string{"board-1"}, nil
				}).Named("boards")
				start := time.Now()
				f := fake("TestAny", func(f *fakeTB) { rtest.Acquire(f, boards, rtest.Using(locker), rtest.Wait(c.wait)) })
				if took := time.Since(start); took != c.ends {
					t.Errorf("ended after %s, want %s", took, c.ends)
				}
				if !strings.Contains(f.fatal, c.says) || (f.fatal == "") != (c.says == "") {
					t.Errorf("fatal %q, want %q", f.fatal, c.says)
				}
				close(over)
			})
		})
	}
}

// What a Discover function does to its goroutine is done to that of the test.
func TestADiscoveryMayEndTheTest(t *testing.T) {
	f := fake("TestAny", func(f *fakeTB) {
		rtest.Acquire(f, rtest.Discover(func(context.Context) ([]string, error) { f.Fatalf("no lab here"); return nil, nil }), rtest.Using(newLocker(t)))
		t.Error("the test went on")
	})
	if f.fatal != "no lab here" {
		t.Errorf("fatal %q", f.fatal)
	}
	fake("TestAny", func(f *fakeTB) {
		rtest.Acquire(f, rtest.Discover(func(context.Context) ([]string, error) { runtime.Goexit(); return nil, nil }), rtest.Using(newLocker(t)))
		t.Error("the test went on")
	})
	defer func() {
		if words := fmt.Sprint(recover()); !strings.Contains(words, "on purpose [in a function given to rtest.Discover]") || !strings.Contains(words, "discover_test.go") {
			t.Errorf("recovered %s", words)
		}
	}()
	rtest.Acquire(&fakeTB{name: "TestPanics"}, rtest.Discover(func(context.Context) ([]string, error) { panic("on purpose") }), rtest.Using(newLocker(t)))
}
