package rtest_test

import (
	"strings"
	"testing"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// A server that may throw leases away is named, once in a process, by its first
// test; one that may not is not.
func TestServerThatEvictsLeases(t *testing.T) {
	t.Parallel()
	binary(t, "scenarios")
	for policy, want := range map[string]int{"allkeys-lru": 1, "noeviction": 0} {
		server := redistest.Start(t, "--maxmemory", "100mb", "--maxmemory-policy", policy)
		for _, verbose := range []string{"-test.v=true", "-test.v=false"} {
			_, out := newLabAt(t, "redis://"+server.Addr).scenario(t, "TestPass|TestFailNow", verbose).end()
			if got := strings.Count(out, "warning: redis://"+server.Addr); got != want {
				t.Errorf("%s, %s: %d warnings, want %d:\n%s", policy, verbose, got, want, out)
			}
			if got := strings.Count(out, "Set it to noeviction"); got != want {
				t.Errorf("%s, %s: what to do stands there %d times, want %d:\n%s", policy, verbose, got, want, out)
			}
		}
	}
}
