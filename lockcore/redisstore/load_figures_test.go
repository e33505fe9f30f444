package redisstore_test

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// BenchmarkServerTime measures what a grant costs the server while others wait: those
// in line ask every few seconds, whoever holds renews, and each has a connection or
// two. It is what the table in the package's documentation is made of:
//
//	go test -run '^$' -bench ServerTime -benchtime 1x ./lockcore/redisstore
//
// The times are what the server has used of a processor, by its own account.
func BenchmarkServerTime(b *testing.B) {
	for _, waiters := range []int{10, 1000, 10_000} {
		serverTimeWith(b, waiters)
	}
	for _, connections := range []int{0, 300, 3000, 10_000} {
		serverTimeOf(b, connections)
	}
}

// A cost is what some calls of the same kind cost the server.
type cost struct {
	calls    int
	took     []time.Duration // by each, of the rounds
	commands float64         // that scripts called
}

// micros is the median of the rounds: another program may have disturbed some.
func (c *cost) micros() float64 { return float64(quantile(c.took, 0.5).Nanoseconds()) / 1e3 }
func (c *cost) inside() float64 { return c.commands / float64(c.calls) }

// of has something done some times.
func (c *cost) of(b *testing.B, s *redistest.Server, times int, f func(i int)) {
	s.Do("CONFIG", "RESETSTAT")
	used := serverTime(b, s)
	for i := range times {
		f(i)
	}
	c.took = append(c.took, (serverTime(b, s)-used)/time.Duration(times))
	c.calls += times
	for name, stat := range commandStats(s) {
		if name != "evalsha" && name != "info" && name != "config|resetstat" {
			c.commands += stat[0]
		}
	}
}

// serverTimeWith has ten boards handed on, with others in line for them.
func serverTimeWith(b *testing.B, waiters int) {
	s := redistest.Start(b)
	st := open(b, s.Addr, redisstore.Options{})
	var held []*lockcore.Grant
	var queue []*lockcore.Ticket
	n := 0
	next := func() *lockcore.Ticket {
		n++
		return ticket(fmt.Sprint("t", n), time.Hour, of(1, numbered(10)...))
	}
	// Those in line count as dead when they do not ask again, which takes a slow machine
	// longer than they may be silent.
	stay := func() {
		s.Do("EVAL", `local due = redis.call('ZRANGE', KEYS[1], 0, -1)
			for _, id in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[1], id) end`, 1, "{rtest:default}:due", time.Now().Add(time.Hour).UnixMicro())
	}
	for range 10 {
		held = append(held, granted(b, st, next()))
	}
	join := func(int) {
		tk := next()
		ask(b, st, tk)
		queue = append(queue, tk)
	}
	for i := range waiters {
		if join(i); i%1000 == 999 {
			stay()
		}
	}
	var joins, releases, confirms, polls, renewals cost
	for range 20 {
		stay()
		joins.of(b, s, len(held), join)
		releases.of(b, s, len(held), func(i int) {
			if err := st.Release(b.Context(), held[i], 0); err != nil {
				b.Fatal(err)
			}
		})
		confirms.of(b, s, len(held), func(i int) { held[i] = granted(b, st, queue[i]) })
		queue = queue[len(held):]
		polls.of(b, s, len(held), func(i int) { ask(b, st, queue[(i+1)*len(queue)/(len(held)+1)]) })
		renewals.of(b, s, len(held), func(i int) {
			if _, err := st.Renew(b.Context(), held[i:i+1]); err != nil {
				b.Fatal(err)
			}
		})
	}
	grant := joins.micros() + releases.micros() + confirms.micros()
	asking := float64(waiters) / sched.Heartbeat.Seconds() * polls.micros() / 1e6
	b.Logf("%d waiters: a grant takes %.0f µs of the server: to join the line %.0f, to release and hand over %.0f, to confirm %.0f; %.0f commands inside", waiters,
		grant, joins.micros(), releases.micros(), confirms.micros(), joins.inside()+releases.inside()+confirms.inside())
	b.Logf("%d waiters: a poll takes %.0f µs, %.0f commands; a renewal %.0f µs, %.0f commands; polls keep a processor busy for %.1f %%, and leave room for %.0f grants/s", waiters,
		polls.micros(), polls.inside(), renewals.micros(), renewals.inside(), 100*asking, max(0, 1-asking)*1e6/grant)
}

// serverTimeOf has a free board taken and given back while others are connected and
// say nothing.
func serverTimeOf(b *testing.B, connections int) {
	s := redistest.Start(b, "--maxclients", "11000")
	var conns []net.Conn
	for range connections {
		c, err := net.Dial("tcp", s.Addr)
		if err != nil {
			b.Logf("%d connections are more than this machine lets a process have: %v", connections, err)
			break
		}
		conns = append(conns, c)
	}
	var all sync.WaitGroup
	defer func() {
		for _, c := range conns {
			all.Go(func() { c.Close() })
		}
		all.Wait()
	}()
	idle := serverTime(b, s)
	time.Sleep(2 * time.Second)
	idle = serverTime(b, s) - idle
	l := locker(b, open(b, s.Addr, redisstore.Options{}))
	pair := pairOf(b, l, of(1, numbered(10)...))
	pair()
	const times = 3000
	used := serverTime(b, s)
	for range times {
		pair()
	}
	used = serverTime(b, s) - used
	b.Logf("%6d silent connections: they keep a processor busy for %.2f %%; to take and give back takes %.0f µs of the server",
		len(conns), 100*idle.Seconds()/2, float64(used.Microseconds())/times)
}
