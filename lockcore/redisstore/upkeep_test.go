package redisstore

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// What nobody needs any more is taken out, bit by bit.

const all = "{rtest:default}:all"

// lease asks for a resource in the name of a test.
func lease(t testing.TB, s *Store, id, test, key string) *lockcore.Grant {
	t.Helper()
	tk := &lockcore.Ticket{ID: id, Owner: lockcore.Owner{Test: test, Package: "p"}, TTL: time.Hour, Wait: true,
		Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: key}}}}}
	ans, err := s.Ask(t.Context(), tk, nil)
	if err != nil || ans.Grant == nil {
		t.Fatalf("%s got nothing: %v", id, err)
	}
	return ans.Grant
}

func use(t testing.TB, s *Store, id, test, key string) {
	t.Helper()
	if err := s.Release(t.Context(), lease(t, s, id, test, key), 0); err != nil {
		t.Fatal(err)
	}
}

// withConstant has the scripts of this test use another value.
func withConstant(t *testing.T, name string, value int) {
	old, with, without := constants[name], withInterop, plain
	t.Cleanup(func() { constants[name], withInterop, plain = old, with, without })
	constants[name] = strconv.Itoa(value)
	changed := assemble("solo")
	plain = func() scripts { return changed }
}

// The sweep takes out what is over, and nothing else: neither tombstones that may yet be
// asked for, nor counters, which are numbers as the tokens of resources are.
func TestUpkeepSweepsWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := miniredis.NewMiniRedis()
		defer server.Close()
		c := redis.NewClient(&redis.Options{Dialer: func(context.Context, string, string) (net.Conn, error) { return server.Dial() }, Addr: "127.0.0.1:6379"})
		defer c.Close()
		s, err := New(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		use(t, s, "first", "TestFirst", "old")
		use(t, s, "second", "TestSecond", "old too")
		holder := lease(t, s, "holder", "TestFirst", "held")
		waiter := *holder.Ticket
		waiter.ID = "waiter"
		if ans, err := s.Ask(t.Context(), &waiter, nil); err != nil || ans.Grant != nil {
			t.Fatalf("it is held: %v, %v", ans.Grant, err)
		}
		if err := s.Withdraw(t.Context(), "waiter"); err != nil {
			t.Fatal(err)
		}
		if err := s.Release(t.Context(), holder, 0); err != nil {
			t.Fatal(err)
		}
		counters := func() map[string]string {
			out := make(map[string]string)
			fields, _ := server.HKeys(all)
			for _, f := range fields {
				if strings.HasPrefix(f, "#") && f != "#fence" && f != "#sweep" {
					out[f] = server.HGet(all, f)
				}
			}
			return out
		}
		before := counters()
		for _, name := range []string{"#seq", "#num", "#epoch", "#tests"} {
			if before[name] == "" {
				t.Fatalf("there is no %s in %v", name, before)
			}
		}
		sweep := func() {
			t.Helper()
			server.HDel(all, "#sweep")
			for server.HGet(all, "#sweep") == "" {
				time.Sleep(time.Microsecond)
				if err := s.Withdraw(t.Context(), "nobody"); err != nil { // it is refused for a minute
					t.Fatal(err)
				}
			}
		}
		left := func(want ...string) {
			t.Helper()
			fields, _ := server.HKeys(all)
			fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, "#") })
			if !slices.Equal(fields, want) {
				t.Errorf("%q are left, want %q", fields, want)
			}
		}
		time.Sleep(25 * time.Hour)
		use(t, s, "late", "", "new")
		sweep()
		left("!late", "!nobody", "new")
		if after := counters(); !maps.Equal(after, before) {
			t.Errorf("the counters and histories are %v, and were %v", after, before)
		}
		time.Sleep(23 * time.Hour)
		sweep()
		left("!nobody", "new")
		time.Sleep(90*24*time.Hour - 47*time.Hour - time.Hour)
		use(t, s, "third", "TestSecond", "new")
		time.Sleep(2 * time.Hour)
		sweep()
		left("!nobody", "new")
		after := counters()
		if after["#tests"] != "1" || len(after) != len(before)-1 {
			t.Errorf("of the histories one is older than 90 days: %v, and before: %v", after, before)
		}
	})
}

// What nobody had leaves nothing behind when nobody waits for it any more.
func TestUpkeepOfWhatNobodyHad(t *testing.T) {
	server := miniredis.RunT(t)
	s, err := New(redis.NewClient(&redis.Options{Addr: server.Addr()}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g := lease(t, s, "holder", "", "had")
	waiter := *g.Ticket
	waiter.ID = "waiter"
	waiter.Requirements = append(slices.Clone(waiter.Requirements), lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "never"}}})
	if ans, err := s.Ask(t.Context(), &waiter, nil); err != nil || ans.Grant != nil {
		t.Fatalf("one of them is held: %v, %v", ans.Grant, err)
	}
	if !strings.Contains(server.HGet(all, "never"), "|") {
		t.Error("nobody waits for what nobody had")
	}
	if err := s.Withdraw(t.Context(), "waiter"); err != nil {
		t.Fatal(err)
	}
	if v := server.HGet(all, "never"); v != "" {
		t.Errorf("%q is left of what nobody had", v)
	}
}

// Of tests in excess, one of those that have not run for longest is forgotten: of a few,
// it is the one.
func TestUpkeepForgetsTests(t *testing.T) {
	withConstant(t, "TESTS_KEPT", 3)
	s, err := New(redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 6 {
		use(t, s, fmt.Sprint("t", i), fmt.Sprint("Test", i), "k")
	}
	remembered(t, s, "Test3", "Test4", "Test5")
}

// The same among thousands of other fields, wherever the sweep has come to.
func TestForgettingFindsTheOldestAmongManyFields(t *testing.T) {
	withConstant(t, "TESTS_KEPT", 3)
	server := redistest.Start(t)
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	s, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var fields []any
	for i := range 3000 {
		fields = append(fields, fmt.Sprint("k", i), "1") // resources that were used once
	}
	if err := c.HSet(t.Context(), all, fields...).Err(); err != nil {
		t.Fatal(err)
	}
	var cursor uint64
	for i := range 30 {
		var err error
		if _, cursor, err = c.HScan(t.Context(), all, cursor, "", 100).Result(); err != nil {
			t.Fatal(err)
		}
		if err := c.HSet(t.Context(), all, "#sweep", cursor).Err(); err != nil {
			t.Fatal(err)
		}
		use(t, s, fmt.Sprint("t", i), fmt.Sprint("Test", i), "k")
	}
	remembered(t, s, "Test27", "Test28", "Test29")
}

func remembered(t *testing.T, s *Store, want ...string) {
	t.Helper()
	known, err := s.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range known {
		got = append(got, u.Test)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%q are remembered, want %q", got, want)
	}
	if n, err := s.client.HGet(t.Context(), all, "#tests").Result(); err != nil || n != strconv.Itoa(len(want)) {
		t.Errorf("%s are counted, and %d are known; %v", n, len(want), err)
	}
}
