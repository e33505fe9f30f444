package live_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/report/eventlog"
	"github.com/resourcelocker/resourcelocker/report/live"
)

// A lab of two boards, one of which a test holds.
func ExampleNew() {
	store := memstore.New(nil)
	locker := lockcore.New(store, nil)
	defer locker.Close()
	lease, err := locker.Acquire(context.Background(), lockcore.Request{
		Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-1"}}}},
		Owner:        lockcore.Owner{Test: "TestBoot"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lease.Release(context.Background())

	var page *live.Server
	page, err = live.New(store, live.Options{
		Items: func(context.Context) ([]live.Item, error) {
			return []live.Item{{Key: "board-1", Pool: "boards"}, {Key: "board-2", Pool: "boards"}}, nil
		},
		// Whom the proxy on this machine knows may act.
		Access: &live.Access{
			UserHeader: "X-Forwarded-User", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			Record: func(_ context.Context, d live.Deed) error { fmt.Println(d.By, d.Action, d.Keys); return nil },
		},
		History: &live.History{Read: func(_ context.Context, since time.Time) iter.Seq2[eventlog.Event, error] {
			var r eventlog.Reader
			return r.Events() // of no file
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer page.Close()
	server := httptest.NewUnstartedServer(page)
	page.Harden(server.Config)
	server.Start()
	defer server.Close()

	answer, err := http.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(answer.StatusCode, strings.Contains(string(body), "1 held, 1 free; nobody waits."))
	// Output: 200 true
}

// A key that is out of service already stays as it is.
func ExampleDisable() {
	ctx := context.Background()
	locker := lockcore.New(memstore.New(nil), nil)
	defer locker.Close()
	o := lockcore.Outage{Keys: []string{"board-1"}, Owner: lockcore.Owner{User: "anna@lab"}, Reason: "smoke", For: time.Hour}
	var first, second live.Disabled
	var err error
	if first, err = live.Disable(ctx, locker, o); err != nil {
		fmt.Println(err)
		return
	}
	o.Owner.User = "bob@lab"
	if second, err = live.Disable(ctx, locker, o); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(first.Keys, len(first.Ends), len(first.Deeds("anna@lab", "smoke")))
	fmt.Println(second.Keys, "left to", second.Left[0].Owner.User)
	// Output:
	// [board-1] 1 1
	// [] left to anna@lab
}

// What ls prints is a listing.
func ExampleList() {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := lockcore.Holder{ID: "H1", Obtained: [][]string{{"board-1"}}, State: "held", Owner: lockcore.Owner{Test: "TestBoot"}, Since: now.Add(-time.Minute)}
	s := lockcore.Snapshot{Time: now, Holders: []lockcore.Holder{h}, Waiters: []lockcore.Waiter{{ID: "W1", Since: now, Owner: lockcore.Owner{Test: "TestPair"}}}}

	var l *live.Listing = live.List("redis:lab", s, []live.Item{{Key: "board-1", Pool: "boards"}, {Key: "board-2", Pool: "boards"}})
	var holding live.Holding = l.Holders[0]
	var waiting live.Waiting = l.Waiters[0]
	var free live.Free = l.Free[0]
	fmt.Println(holding.Keys, holding.Owner.Test, holding.For.Duration())
	fmt.Println(waiting.Place, waiting.Owner.Test)
	fmt.Println(free.Key)
	fmt.Println(live.HoldingOf(h, now).For == holding.For)
	// Output:
	// [board-1] TestBoot 1m0s
	// 1 TestPair
	// board-2
	// true
}
