package rtest_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

func TestAttributesSumUp(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		f := fake("TestMany", func(f *fakeTB) {
			rtest.Acquire(f, rtest.R("a"), use).Release()
			lease := rtest.Acquire(f, rtest.R("b"), use)
			time.AfterFunc(1500*time.Millisecond, lease.Release)
			time.Sleep(1500 * time.Millisecond)
			fake("TestHolder", func(h *fakeTB) {
				other := rtest.Acquire(h, rtest.R("a"), use)
				time.AfterFunc(2250*time.Millisecond, other.Release)
				rtest.Acquire(f, rtest.R("a"), use)
			})
			time.Sleep(time.Second)
		})
		want := map[string]string{"rtest.outcome": "acquired", "rtest.waited_s": "2.250", "rtest.held_s": "2.500", "rtest.resources": "a, b"}
		for k, v := range want {
			if f.attrs[k] != v {
				t.Errorf("%s is %q, want %q", k, f.attrs[k], v)
			}
		}
		if n := len(strings.Fields(f.attrs["rtest.req"])); n != 3 {
			t.Errorf("%d requests are listed, want 3", n)
		}
		mustContain(t, f.attrs["rtest.blocked_by"], "a by TestHolder (")
		if _, ok := f.attrs["rtest.tokens"]; ok {
			t.Error("tokens are for RTEST_ATTRS=all")
		}
	})
}

func TestAttributesOfFailures(t *testing.T) {
	bubble(t, func(t *testing.T, use rtest.Option, l *lockcore.Locker) {
		fake("TestHolder", func(h *fakeTB) {
			rtest.Acquire(h, rtest.R("a"), use)
			f := fake("TestFails", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), use, rtest.Wait(time.Second)) })
			if got := f.attrs["rtest.outcome"] + " " + f.attrs["rtest.waited_s"]; got != "timeout 1.000" {
				t.Errorf("got %s", got)
			}
			mustContain(t, f.attrs["rtest.blocked_by"], "a by TestHolder (")
			g := fake("TestSkips", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), use, rtest.Wait(0), rtest.OnBusy(rtest.Skip)) })
			if got := g.attrs["rtest.outcome"]; got != "skipped" {
				t.Errorf("got %s", got)
			}
		})
	})
}

func TestAttributesSwitch(t *testing.T) {
	for level, want := range map[string]int{"off": 0, "min": 5, "all": 7} {
		t.Setenv("RTEST_ATTRS", level)
		f := fake("TestAny", func(f *fakeTB) { rtest.Acquire(f, rtest.R("a"), rtest.Using(newLocker(t))) })
		if len(f.attrs) != want {
			t.Errorf("%s: %d attributes, want %d: %v", level, len(f.attrs), want, f.attrs)
		}
	}
}

// What t.Attr refuses fails a test, and what go test loses is of no use.
func TestAttributesAreTakenByGoTest(t *testing.T) {
	for in, want := range map[string]string{
		"plain":        "plain",
		"two\nlines\r": "two lines",
		"\x1b[31mred":  "[31mred",
		"sep\u2028s":   "sep s",
		"bad\xff":      "bad\uFFFD",
		" space ":      "space",
	} {
		if got := rtest.AttrValue(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	long := rtest.AttrValue(strings.Repeat("é", 5000))
	if len(long) > 4000 || !utf8.ValidString(long) || !strings.HasSuffix(long, "…") {
		t.Errorf("a long value becomes %d bytes", len(long))
	}
	if got := rtest.AttrKey("a key\twith\u00a0spaces"); got != "a_key_with_spaces" {
		t.Errorf("got %q", got)
	}
	locker := newLocker(t)
	f := fake("TestAny", func(f *fakeTB) {
		for range 1000 {
			rtest.Acquire(f, rtest.R("board\n1 "+strings.Repeat("x", 100)), rtest.Using(locker)).Release()
		}
	})
	for k, v := range f.attrs {
		if len(v) > 4000 || strings.ContainsAny(v, "\r\n") {
			t.Errorf("%s has %d bytes", k, len(v))
		}
	}
}

// The field that the checks of t.Parallel read may be renamed by a new Go; then
// they are off, and this test says so.
func TestParallelStateCanBeRead(t *testing.T) {
	if self, slot, known := rtest.ParallelOf(t); self || slot != nil || !known {
		t.Fatalf("a serial test: %v %v %v", self, slot, known)
	}
	t.Run("group", func(t *testing.T) {
		for range 2 {
			t.Run("parallel", func(t *testing.T) {
				t.Parallel()
				self, slot, known := rtest.ParallelOf(t)
				if !self || slot == nil || !known {
					t.Errorf("a parallel test: %v %v %v", self, slot, known)
				}
				t.Run("serial part", func(t *testing.T) {
					if self, outer, known := rtest.ParallelOf(t); self || outer != slot || !known {
						t.Errorf("a serial part of a parallel test: %v %v %v", self, outer, known)
					}
				})
			})
		}
	})
}
