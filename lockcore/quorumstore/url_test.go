package quorumstore

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		url, user, password string
		db                  int
		addrs               []string
		check               func(*target) bool
	}{
		{url: "redlock://a,b,c", addrs: []string{"a:6379", "b:6379", "c:6379"}},
		{url: "redlock://a:1,b,c:3/2", db: 2, addrs: []string{"a:1", "b:6379", "c:3"}},
		{url: "redlock://A.example,[::1]:7,[fe80::1],10.0.0.1:5,e/", addrs: []string{"a.example:6379", "[::1]:7", "[fe80::1]:6379", "10.0.0.1:5", "e:6379"}},
		{url: "redlock://:secret@a,b,c", password: "secret", addrs: []string{"a:6379", "b:6379", "c:6379"}},
		{url: "redlock://me:s%40cr%2Fet@a,b,c/1", user: "me", password: "s@cr/et", db: 1, addrs: []string{"a:6379", "b:6379", "c:6379"}},
		{url: "redlock://me:s/c@r@a,b,c/1", user: "me", password: "s/c@r", db: 1, addrs: []string{"a:6379", "b:6379", "c:6379"}},
		{url: "redlock://a,b,c?node_timeout=700ms&lock_delay=5s&pool_size=3&db=4", db: 4, addrs: []string{"a:6379", "b:6379", "c:6379"}, check: func(g *target) bool {
			return g.config.NodeTimeout == 700*time.Millisecond && g.config.LockDelay == 5*time.Second && g.servers[2].PoolSize == 3
		}},
		{url: "redlock://a,b,c?node_timeout=20s&write_timeout=4s", addrs: []string{"a:6379", "b:6379", "c:6379"}, check: func(g *target) bool {
			o := g.servers[1]
			return o.DialTimeout == 20*time.Second && o.ReadTimeout == 20*time.Second && o.WriteTimeout == 4*time.Second
		}},
	} {
		g, err := parse(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		var addrs []string
		for _, o := range g.servers {
			addrs = append(addrs, o.Addr)
			if o.Username != c.user || o.Password != c.password || o.DB != c.db {
				t.Errorf("%s: user %q, password %q, database %d", c.url, o.Username, o.Password, o.DB)
			}
		}
		if !slices.Equal(addrs, c.addrs) || c.check != nil && !c.check(g) {
			t.Errorf("%s: got %q, %+v", c.url, addrs, g.config)
		}
	}
}

// TestParseMistakes: each mistake is named, with what would be right, and a
// password is not.
func TestParseMistakes(t *testing.T) {
	for _, c := range []struct{ url, says string }{
		{"redis://a", "does not begin with redlock://"},
		{"redlock://a,b", "at least 3"},
		{"redlock://", "no host"},
		{"redlock://a,b,", "no host"},
		{"redlock://a,b,a:6379", "a:6379 stands twice"},
		{"redlock://a,b,c d", `"c d"`},
		{"redlock://a,b,c:1:2", `"c:1:2"`},
		{"redlock://a,b,c/first", "first"},
		{"redlock://a,b,c?pool_sise=3", "pool_size"},
		{"redlock://a,b,c?pool_sise=3", "node_timeout"},
		{"redlock://a,b,c?min_replicas=1", `unknown parameter "min_replicas"`},
		{"redlock://a,b,c?pool_size=many", "pool_size"},
		{"redlock://a,b,c?node_timeout=5", `node_timeout="5"`},
		{"redlock://a,b,c?node_timeout=0s", `node_timeout="0s"`},
		{"redlock://a,b,c?lock_delay=-1s", `lock_delay="-1s"`},
		{"redlock://a,b,c?%zz", "%zz"},
		{"redlock://u:hunter2%@a,b,c", "%40"},
		{"redlock://u:hunter2?more@a,b,c", "%3F"},
		{"redlock://u:hunter2@a,b", "at least 3"},
		{"redlock://u:hunter2@a,b,c?x=1", `"x"`},
		{"redlock://u:hunter2@a,b,c/first", "first"},
	} {
		_, err := Open(context.Background(), c.url, "")
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: want an error that says %s, got: %v", c.url, c.says, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password stands in the error: %v", err)
		}
	}
}

// TestKnownParameters: every parameter that is said to be known is taken.
func TestKnownParameters(t *testing.T) {
	values := map[string]string{"pool_fifo": "true", "client_name": "x"}
	for _, name := range clientParams {
		v := values[name]
		if v == "" {
			v = "1"
		}
		if _, err := parse("redlock://a,b,c?" + name + "=" + url.QueryEscape(v)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPasswords(t *testing.T) {
	const password = "p@ss/w:rd"
	servers := redistest.StartN(t, 3, "--requirepass", password)
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.Addr)
	}
	hosts := strings.Join(addrs, ",")
	s, err := Open(context.Background(), "redlock://:"+url.QueryEscape(password)+"@"+hosts, "pw")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if g := take(t, s, ticketFor("one", time.Minute, "k")); g == nil {
		t.Fatal("a free key was refused")
	}
	if name := s.String(); strings.Contains(name, "p@ss") || !strings.Contains(name, servers[0].Addr) || !strings.Contains(name, "pw") {
		t.Errorf("String is %s", name)
	}
	wrong, err := Open(context.Background(), "redlock://:hunter2@"+hosts, "pw")
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	_, err = wrong.Ask(context.Background(), ticketFor("two", time.Minute, "k"), nil)
	if err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("want an error that says WRONGPASS and not the password, got: %v", err)
	}
}

// TestSameServerTwice: one server under two names would have two votes. Open says
// so, or if the server is slow just then, the first request after it has answered.
func TestSameServerTwice(t *testing.T) {
	servers := redistest.StartN(t, 2)
	twin := redistest.StartProxy(t, servers[0].Addr)
	url := "redlock://" + servers[0].Addr + "," + servers[1].Addr + "," + twin.Addr
	check := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "same server") || !strings.Contains(err.Error(), twin.Addr) {
			t.Errorf("want an error that names %s, got: %v", twin.Addr, err)
		}
	}
	var err error
	until(t, "Open hears of all servers in time", func() bool {
		var s *Store
		if s, err = Open(watched(t), url, "test"); err == nil {
			s.Close()
		}
		return err != nil
	})
	check(err)

	var clients []redis.UniversalClient
	for _, addr := range []string{servers[0].Addr, servers[1].Addr, twin.Addr} {
		c := redis.NewClient(&redis.Options{Addr: addr})
		defer c.Close()
		clients = append(clients, c)
	}
	s := Config{Namespace: "test", NodeTimeout: watchdog}.New(clients...)
	defer s.Close()
	slow := hold(t, s.nodes[2], func(args []any) bool { return args[0] == "info" }, true)
	if err := s.distinct(watched(t)); err != nil {
		t.Errorf("two of three servers have answered, and they are different: %v", err)
	}
	if _, err := s.Ask(watched(t), ticketFor("early", time.Minute, "k"), nil); err != nil {
		t.Errorf("nothing is known against the servers yet: %v", err)
	}
	slow.lift()
	until(t, "the third server has answered", func() bool {
		_, err = s.Ask(watched(t), ticketFor("first", time.Minute, "other"), nil)
		return err != nil
	})
	check(err)
}
