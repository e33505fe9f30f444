package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// watchdog ends a test that hangs. It is no measure of anything.
const watchdog = 2 * time.Minute

func watched(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeoutCause(context.Background(), watchdog, fmt.Errorf("%s hangs", t.Name()))
	t.Cleanup(cancel)
	return ctx
}

// ticketFor asks for one of the keys.
func ticketFor(id string, ttl time.Duration, keys ...string) *lockcore.Ticket {
	var r lockcore.Requirement
	for _, k := range keys {
		r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
	}
	return &lockcore.Ticket{ID: id, Requirements: []lockcore.Requirement{r}, Owner: lockcore.Owner{Test: id}, TTL: ttl}
}

// take asks once, and fails if the servers cannot be asked.
func take(t testing.TB, s *Store, ticket *lockcore.Ticket) *lockcore.Grant {
	t.Helper()
	ans, err := s.Ask(watched(t), ticket, func(*lockcore.Grant) {})
	if err != nil {
		t.Fatalf("Ask for %s: %v", ticket.ID, err)
	}
	return ans.Grant
}

// openStore opens a store that is closed with the test. Unless the URL says
// otherwise it is patient: on a machine that is busy enough, a healthy server takes
// longer than any default.
func openStore(t testing.TB, url string) *Store {
	t.Helper()
	if !strings.Contains(url, "node_timeout") {
		url += map[bool]string{true: "&", false: "?"}[strings.Contains(url, "?")] + "node_timeout=" + watchdog.String()
	}
	s, err := Open(watched(t), url, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// retry repeats f as long as too few servers answer, as a lease does.
func retry[T any](ctx context.Context, f func() (T, error)) (T, error) {
	for {
		v, err := f()
		if !errors.Is(err, lockcore.ErrNoQuorum) || ctx.Err() != nil {
			return v, err
		}
		<-time.After(time.Millisecond)
	}
}

// until polls for a state of servers that no event announces.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx := watched(t)
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// proxied puts a proxy before each server, and returns the URL through them.
func proxied(t testing.TB, servers []*redistest.Server) ([]*redistest.Proxy, string) {
	var proxies []*redistest.Proxy
	var addrs []string
	for _, s := range servers {
		p := redistest.StartProxy(t, s.Addr)
		proxies, addrs = append(proxies, p), append(addrs, p.Addr)
	}
	return proxies, "redlock://" + strings.Join(addrs, ",")
}
