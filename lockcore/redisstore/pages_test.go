package redisstore

import (
	"regexp"
	"sync"
	"testing"
)

// SmallPages has the scripts of the stores that a test opens read and write in the
// smallest pieces: a page has one member where it has 64, a call two arguments where it
// has a thousand, and a random choice takes candidates one by one.
func SmallPages(t testing.TB) {
	smaller := []struct {
		what *regexp.Regexp
		with string
	}{
		{regexp.MustCompile(`local PAGE = \d+`), "local PAGE = 1"},
		{regexp.MustCompile(`local CHUNK = \d+`), "local CHUNK = 2"},
		{regexp.MustCompile(`math\.max\(16, `), "math.max(1, "},
	}
	whole, with, without := mutated, withInterop, plain
	t.Cleanup(func() { mutated, withInterop, plain = whole, with, without })
	found := make(map[string]bool)
	mutated = func(name, text string) string {
		text = whole(name, text)
		for _, s := range smaller {
			if s.what.MatchString(text) {
				found[s.with] = true
				text = s.what.ReplaceAllString(text, s.with)
			}
		}
		return text
	}
	small := assemble("solo")
	if len(found) < len(smaller) {
		t.Fatalf("the scripts have only %v", found)
	}
	plain = sync.OnceValue(func() scripts { return small })
	withInterop = sync.OnceValue(func() scripts { return assemble("interop") })
}
