package quorumstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// of is what a server says of one lease.
func of(words ...any) says { return says{reply: []any{words}} }

var live, joined, gone = of("live"), of("joined"), of("none")

// leased plays a lease that three servers have.
func leased(t *testing.T, f func(c *scriptedServers, g *lockcore.Grant)) {
	play(t, 3, map[string][]says{"take": {gives, gives, gives}}, func(c *scriptedServers) {
		ans, err := c.Ask(context.Background(), ticketFor("lease", time.Minute, "k"), nil)
		if err != nil || ans.Grant == nil {
			t.Fatal(ans, err)
		}
		time.Sleep(time.Second) // for the last answer
		f(c, ans.Grant)
	})
}

// TestRenewals: what a renewal makes of the answers of servers. Those that took the
// lease in count only while it stands, and beside one that still had it.
func TestRenewals(t *testing.T) {
	for _, c := range []struct {
		what  string
		asked time.Duration // after the grant
		renew []says
		want  error
		says  []string
		back  []string // the servers that are told to drop it
	}{
		{what: "all have it", renew: []says{live, live, live}},
		{what: "a majority has it", renew: []says{live, live, isDown}},
		{what: "one has it, and two took it in", renew: []says{live, joined, joined}},
		{what: "one has it, and one took it in", renew: []says{live, joined, isDown}},
		{what: "its time is over, and a majority still has it", asked: time.Minute, renew: []says{live, live, gone}},
		{what: "its time is over, and one still has it", asked: time.Minute, renew: []says{live, joined, joined}, want: lockcore.ErrLost, back: []string{"0", "1", "2"}},
		{what: "nobody has it, and all took it in", renew: []says{joined, joined, joined}, want: lockcore.ErrLost, back: []string{"0", "1", "2"}},
		{what: "nobody has it, and the last may", renew: []says{joined, joined, isDown}, want: lockcore.ErrNoQuorum, says: []string{"127.0.0.3:1: connection refused"}},
		{what: "nobody has it", renew: []says{gone, gone, gone}, want: lockcore.ErrLost, says: []string{"no longer have it"}, back: []string{"0", "1", "2"}},
		{what: "two have it no more", renew: []says{live, gone, gone}, want: lockcore.ErrLost, back: []string{"0", "1", "2"}},
		{what: "the one that is down decides", renew: []says{live, gone, isDown}, want: lockcore.ErrNoQuorum, says: []string{"1 of 3 servers have the lease, it takes 2", "127.0.0.3:1: connection refused"}},
		{what: "the one that is mute decides", renew: []says{live, gone, {after: time.Hour}}, want: lockcore.ErrNoQuorum, says: []string{"it takes 2", "127.0.0.3:1"}},
		{what: "two are down", renew: []says{live, isDown, isDown}, want: lockcore.ErrNoQuorum, says: []string{"1 of 3 servers answered", "127.0.0.2:1: connection refused", "127.0.0.3:1: connection refused"}},
		{what: "it was freed", renew: []says{of("gone", "freed by hand"), of("gone", "freed by hand"), live}, want: lockcore.ErrLost, says: []string{"freed by hand"}, back: []string{"0", "1", "2"}},
		{what: "somebody else has the key", renew: []says{of("taken", "k", `{"owner":{"Test":"TestNext"}}`), after(time.Millisecond, gone), after(time.Millisecond, gone)}, want: lockcore.ErrLost, says: []string{`"k" is held by`}, back: []string{"0", "1", "2"}},
		{what: "something else answers", renew: []says{live, {reply: "PONG"}, {reply: []any{}}}, want: lockcore.ErrNoQuorum, says: []string{"no script of this version"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			leased(t, func(s *scriptedServers, g *lockcore.Grant) {
				time.Sleep(c.asked)
				s.changes(map[string][]says{"renew": c.renew, "release": {tookBack, tookBack, tookBack}})
				errs, err := s.Renew(context.Background(), []*lockcore.Grant{g})
				if err == nil {
					err = errs[0]
				}
				if !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				for _, word := range c.says {
					if err == nil || !strings.Contains(err.Error(), word) {
						t.Errorf("the error does not say %q: %v", word, err)
					}
				}
				time.Sleep(10 * time.Second)
				if back := slices.Compact(s.asked("release")); !slices.Equal(back, c.back) {
					t.Errorf("told to drop it are servers %v, want %v", back, c.back)
				}
				s.Store.mu.Lock()
				defer s.Store.mu.Unlock()
				if known := s.tickets["lease"] != nil; known != (c.back == nil) {
					t.Errorf("the lease is known still: %v", known)
				}
			})
		})
	}
}

// TestRenewalAsks: servers are asked to take a lease in while it stands, and not
// when it is being given back; and after a renewal that did not succeed they are
// told that it may have been that which brought it there.
func TestRenewalAsks(t *testing.T) {
	leased(t, func(s *scriptedServers, g *lockcore.Grant) {
		asks := func(what string, renew []says, join, unrenewed any) {
			t.Helper()
			s.changes(map[string][]says{"renew": renew, "release": {isDown, isDown, isDown}})
			_, _ = s.Renew(context.Background(), []*lockcore.Grant{g}) // its outcome is no matter here
			time.Sleep(time.Second)
			s.mu.Lock()
			a := slices.Clone(s.args["renew"])
			s.mu.Unlock()
			if len(a) != 13 || a[11] != join || a[12] != unrenewed {
				t.Errorf("%s: asked %v, want join %v and unrenewed %v", what, a, join, unrenewed)
			}
		}
		well, bad := []says{live, live, live}, []says{live, isDown, isDown}
		asks("the first one", bad, 1, 0)
		asks("after one that failed", well, 1, 1)
		asks("after one that succeeded", well, 1, 0)
		time.Sleep(40 * time.Second)
		asks("late in the minute of the grant", well, 1, 0)
		time.Sleep(40 * time.Second)
		asks("when only renewals have kept it", well, 1, 0)
		valid := s.tickets["lease"].valid
		time.Sleep(time.Until(valid) - time.Millisecond)
		asks("in the last moment", bad, 1, 0)
		asks("when its time is over", well, 0, 1)
		_ = s.Release(context.Background(), g, 0) // which reaches nobody
		asks("when it is being given back", well, 0, 0)
	})
}

// TestReleases: what a release makes of the answers of servers; one that is
// repeated counts what was confirmed before.
func TestReleases(t *testing.T) {
	for _, c := range []struct {
		what    string
		answers [][]says // to one release after the other
		want    error    // of the last
		says    string
		pending []int
	}{
		{what: "all had it", answers: [][]says{{tookBack, tookBack, tookBack}}},
		{what: "a majority had it", answers: [][]says{{tookBack, tookBack, isNotMe}}},
		{what: "nobody had it", answers: [][]says{{isNotMe, isNotMe, isNotMe}}, want: lockcore.ErrNotHeld, says: "lease lease"},
		{what: "one had it", answers: [][]says{{tookBack, isNotMe, isNotMe}}, want: lockcore.ErrNotHeld},
		{what: "one had it, and one is down", answers: [][]says{{tookBack, isNotMe, isDown}}, pending: []int{2}},
		{what: "two are down", answers: [][]says{{tookBack, isDown, isDown}}, want: lockcore.ErrNoQuorum, says: "127.0.0.3:1: connection refused", pending: []int{1, 2}},
		{what: "two were down, and are back", answers: [][]says{{tookBack, isDown, isDown}, {isNotMe, tookBack, tookBack}}},
		{what: "two were down, and have lost it", answers: [][]says{{tookBack, isDown, isDown}, {isNotMe, isNotMe, isNotMe}}, want: lockcore.ErrNotHeld},
		{what: "it is given back twice", answers: [][]says{{tookBack, tookBack, tookBack}, {isNotMe, isNotMe, isNotMe}}, want: lockcore.ErrNotHeld},
	} {
		t.Run(c.what, func(t *testing.T) {
			leased(t, func(s *scriptedServers, g *lockcore.Grant) {
				var err error
				for _, answers := range c.answers {
					for _, n := range s.nodes {
						n.mu.Lock()
						n.bad = nil // else one that was down is spared
						clear(n.pending)
						n.mu.Unlock()
					}
					s.changes(map[string][]says{"release": answers})
					err = s.Release(context.Background(), g, 0)
				}
				if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want %v that says %q", err, c.want, c.says)
				}
				var pending []int
				for i, n := range s.nodes {
					n.mu.Lock()
					if len(n.pending) > 0 {
						pending = append(pending, i)
					}
					n.mu.Unlock()
				}
				if !slices.Equal(pending, c.pending) {
					t.Errorf("its release is pending for servers %v, want %v", pending, c.pending)
				}
				s.Store.mu.Lock()
				defer s.Store.mu.Unlock()
				if known := s.tickets["lease"] != nil; known != errors.Is(c.want, lockcore.ErrNoQuorum) {
					t.Errorf("after %v the lease is known still: %v", err, known)
				}
			})
		})
	}
}
