package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// Whoever looks at a store is told when its server may throw leases away, beside
// what they asked for.
func TestStoreThatEvictsLeases(t *testing.T) {
	server := redistest.Start(t, "--maxmemory", "100mb")
	for policy, want := range map[string]int{"allkeys-lru": 1, "noeviction": 0} {
		server.Do("CONFIG", "SET", "maxmemory-policy", policy)
		var out, errs bytes.Buffer
		root := newRoot()
		root.SetArgs([]string{"ls", "--url", "redis://" + server.Addr})
		root.SetOut(&out)
		root.SetErr(&errs)
		if err := root.ExecuteContext(t.Context()); err != nil || !strings.HasSuffix(out.String(), ": 0 held, 0 waiting\n") {
			t.Errorf("%s: ls: %v\n%s", policy, err, out.String())
		}
		if got := strings.Count(errs.String(), "rtest-report: warning: "); got != want || strings.Contains(errs.String(), "maxmemory-policy is "+policy) != (want > 0) {
			t.Errorf("%s: want %d warnings, got %q", policy, want, errs.String())
		}
	}
}
