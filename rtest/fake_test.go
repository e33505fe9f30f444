package rtest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/rtest/bridge"
)

// fakeTB is a test under test: what it logs, and how it ends, is kept.
type fakeTB struct {
	name     string
	deadline time.Time
	ctx      context.Context

	mu       sync.Mutex
	logs     []string
	errors   []string
	attrs    map[string]string
	fatal    string
	skipped  string
	failed   bool
	cleanups bridge.Cleanups
}

func (f *fakeTB) Name() string     { return f.name }
func (f *fakeTB) Helper()          {}
func (f *fakeTB) Cleanup(g func()) { f.cleanups.Add(g) }
func (f *fakeTB) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}
func (f *fakeTB) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}
func (f *fakeTB) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
	f.failed = true
}
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.mu.Lock()
	f.fatal = fmt.Sprintf(format, args...)
	f.failed = true
	f.mu.Unlock()
	runtime.Goexit()
}
func (f *fakeTB) Skipf(format string, args ...any) {
	f.mu.Lock()
	f.skipped = fmt.Sprintf(format, args...)
	f.mu.Unlock()
	runtime.Goexit()
}
func (f *fakeTB) Attr(key, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attrs == nil {
		f.attrs = map[string]string{}
	}
	f.attrs[key] = value
}
func (f *fakeTB) Deadline() (time.Time, bool) { return f.deadline, !f.deadline.IsZero() }
func (f *fakeTB) Context() context.Context {
	if f.ctx == nil {
		return context.Background()
	}
	return f.ctx
}

// run runs body as package testing runs a test: on a goroutine of its own, then
// the cleanups, last first.
func (f *fakeTB) run(body func(t *fakeTB)) *fakeTB {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer f.clean()
		body(f)
	}()
	<-done
	return f
}

func (f *fakeTB) clean() { f.cleanups.Run() }

// fake runs body as a test of that name.
func fake(name string, body func(t *fakeTB)) *fakeTB { return (&fakeTB{name: name}).run(body) }

func newLocker(t *testing.T) *lockcore.Locker {
	l := lockcore.New(memstore.New(nil), nil)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("closing the locker: %v", err)
		}
	})
	return l
}

// holders lists the keys that are held in the locker's store.
func holders(t *testing.T, l *lockcore.Locker) []string {
	t.Helper()
	s, err := l.Snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, h := range s.Holders {
		keys = append(keys, h.Keys()...)
	}
	return keys
}

func mustContain(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("got:  %s\nlacks: %s", got, w)
		}
	}
}

func benchLocker(b *testing.B) *lockcore.Locker {
	l := lockcore.New(memstore.New(nil), nil)
	b.Cleanup(func() { l.Close() })
	return l
}
