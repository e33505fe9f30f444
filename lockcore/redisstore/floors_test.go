package redisstore_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// BenchmarkFloors compares what the store does with the least that somebody could do
// who does it with the same client on the same server, in the same run:
//
//	go test -run '^$' -bench Floors -benchtime 1x ./lockcore/redisstore
//
// The ratios count, and the time of the server, which it tells by itself. The other
// times are those of the machine.
func BenchmarkFloors(b *testing.B) {
	b.Run("hand-off", floorHandOff)
	b.Run("contended", floorContended)
	b.Run("pair", floorPair)
	b.Run("makespan", floorMakespan)
}

// passAround has nine clients pass one key around, each of which holds it until
// all others are in line again, and returns the times from the beginning of a release
// to the end of the next one's request.
func passAround(b *testing.B, r rival, addr string, hold time.Duration, grants int) (took []time.Duration) {
	const clients = 9
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var mu sync.Mutex
	var released time.Time
	var wg sync.WaitGroup
	for range clients {
		take := r.join(b, addr, []string{"k"})
		wg.Go(func() {
			for {
				giveBack, err := take(ctx)
				now := time.Now()
				if err != nil {
					return
				}
				mu.Lock()
				if !released.IsZero() {
					took = append(took, now.Sub(released))
				}
				if len(took) == grants+2*clients {
					cancel()
				}
				mu.Unlock()
				time.Sleep(hold)
				mu.Lock()
				released = time.Now()
				mu.Unlock()
				if err := giveBack(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return took[2*clients:]
}

// floorHandOff hands a key over among eight who wait, on loopback and behind a round
// trip of 10 ms.
func floorHandOff(b *testing.B) {
	s := redistest.Start(b)
	p := redistest.StartProxy(b, s.Addr)
	p.Delay(5 * time.Millisecond)
	for _, at := range []struct {
		name, addr string
		hold       time.Duration
	}{{"loopback", s.Addr, 3 * time.Millisecond}, {"10 ms away", p.Addr, 28 * time.Millisecond}} {
		took := make(map[string][]time.Duration)
		c := redis.NewClient(&redis.Options{Addr: at.addr})
		c.Ping(b.Context())
		for range 3 {
			for _, r := range rivals {
				s.Do("FLUSHALL")
				took[r.name] = append(took[r.name], passAround(b, r, at.addr, at.hold, 100)...)
			}
			for range 100 {
				time.Sleep(at.hold / 4)
				start := time.Now()
				c.Ping(b.Context())
				took["PING"] = append(took["PING"], time.Since(start))
			}
		}
		c.Close()
		rtt := quantile(took["PING"], 0.5)
		b.Logf("%s: a PING takes %s, p99 %.2f of that", at.name, rtt, ratio(quantile(took["PING"], 0.99), rtt))
		for _, r := range rivals {
			d := took[r.name]
			b.Logf("%s, %s: p50 %s, %.2f round trips; p99 %.2f round trips", at.name, r.name, quantile(d, 0.5), ratio(quantile(d, 0.5), rtt), ratio(quantile(d, 0.99), rtt))
		}
	}
}

// floorContended has 64 clients take one of five keys and give it back, as often as
// they can.
func floorContended(b *testing.B) {
	const clients, lasts = 64, 3 * time.Second
	for _, r := range rivals[:2] {
		s := redistest.Start(b)
		var wg sync.WaitGroup
		counts := make([]int, clients)
		var takes []func(context.Context) (func() error, error)
		for range clients {
			take := r.join(b, s.Addr, []string{"a", "b", "c", "d", "e"})
			giveBack, err := take(b.Context()) // connected, scripts known
			if err == nil {
				err = giveBack()
			}
			if err != nil {
				b.Fatal(err)
			}
			takes = append(takes, take)
		}
		s.Do("CONFIG", "RESETSTAT")
		before := serverTime(b, s)
		ctx, cancel := context.WithTimeout(b.Context(), lasts)
		for i, take := range takes {
			wg.Go(func() {
				for ; ; counts[i]++ {
					giveBack, err := take(ctx)
					if err != nil {
						return
					}
					if err := giveBack(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		cancel()
		used, n := serverTime(b, s)-before, 0
		for _, c := range counts {
			n += c
		}
		b.Logf("%s: %.0f hand-overs/s; each takes %.0f µs of the server; the server used %.0f %% of a processor; fewest %d, most %d of a client", r.name,
			float64(n)/lasts.Seconds(), float64(used.Microseconds())/float64(n), 100*used.Seconds()/lasts.Seconds(), slices.Min(counts), slices.Max(counts))
		b.Logf("%s: commands for each: %s", r.name, inner(s, float64(n)))
	}
}

// serverTime is what the server has used of processors.
func serverTime(b *testing.B, s *redistest.Server) (sum time.Duration) {
	for _, f := range []string{"used_cpu_sys", "used_cpu_user"} {
		v, err := strconv.ParseFloat(s.Info("cpu", f), 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(v * float64(time.Second))
	}
	return sum
}

// commandStats is how often each command was called, and for how many microseconds.
func commandStats(s *redistest.Server) map[string][2]float64 {
	out := make(map[string][2]float64)
	info, _ := s.Do("INFO", "commandstats").(string)
	for line := range strings.Lines(info) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "cmdstat_"), ":calls=")
		var calls, usec float64
		if ok {
			_, _ = fmt.Sscanf(strings.ReplaceAll(rest, ",usec=", " "), "%g %g", &calls, &usec) // what is not a number counts as none
			out[name] = [2]float64{calls, usec}
		}
	}
	return out
}

// inner lists the commands that were called, for each of n.
func inner(s *redistest.Server, n float64) string {
	stats := commandStats(s)
	names := slices.SortedFunc(maps.Keys(stats), func(x, y string) int { return int(stats[y][0] - stats[x][0]) })
	var out []string
	for _, name := range names {
		if c := stats[name][0] / n; c >= 0.01 {
			out = append(out, fmt.Sprintf("%s %.2f", name, c))
		}
	}
	return strings.Join(out, ", ")
}

// floorPair compares a free "2 of 5 and one", taken and given back, with a bare lock,
// with scripts that are sent the same and read and write as much, but decide nothing, and
// with such that do nothing at all.
func floorPair(b *testing.B) {
	s := redistest.Start(b)
	c := redis.NewClient(&redis.Options{Addr: s.Addr, ContextTimeoutEnabled: true})
	defer c.Close()
	l := locker(b, on(b, c, redisstore.Options{}))
	pair := pairOf(b, l, of(2, "a", "b", "c", "d", "e"), of(1, "x"))
	ask, release := recorded(b, s, c, pair)
	both := func(first, second string) func() {
		a, r := redis.NewScript(first).Load(b.Context(), c).Val(), redis.NewScript(second).Load(b.Context(), c).Val()
		ask, release := append([]any{"evalsha", a, 2}, ask...), append([]any{"evalsha", r, 2}, release...)
		return func() {
			for _, args := range [][]any{ask, release} {
				if err := c.Do(b.Context(), args...).Err(); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	const looks = `local call = redis.call
		local time, records = call('TIME'), call('HMGET', KEYS[1], ARGV[1], '#fence', '#policy', unpack(ARGV, 6))
		local set = { '#fence', time[1], ARGV[1], ARGV[4], 'a', time[1], 'b', time[1], 'x', time[1] }
		`
	fs := []func(){bareLock(b, c), pair,
		both(looks+"call('ZADD', KEYS[2], time[1], ARGV[1]) call('HSET', KEYS[1], unpack(set)) return ARGV[3]",
			looks+"call('ZREM', KEYS[2], ARGV[1]) call('HSET', KEYS[1], unpack(set)) return 1"),
		both("return ARGV[1]", "return 1")}
	for _, f := range fs {
		f()
	}
	var m []time.Duration
	for run := range 3 {
		m = interleaved(2000, fs)
		b.Logf("run %d: bare lock %s; 2 of 5 and one %s: %.2f of that; scripts that read and write as much: %.2f; that do nothing: %.2f",
			run+1, m[0], m[1], ratio(m[1], m[0]), ratio(m[2], m[0]), ratio(m[3], m[0]))
	}
	for i, name := range []string{"bare lock", "2 of 5 and one", "scripts that read and write as much", "scripts that do nothing"} {
		const times = 2000
		s.Do("CONFIG", "RESETSTAT")
		used := serverTime(b, s)
		for range times {
			fs[i]()
		}
		used = serverTime(b, s) - used
		b.Logf("%s: %.0f µs of the server; commands: %s", name, float64(used.Microseconds())/times, inner(s, times))
	}
}

// recorded are the keys and arguments of the two scripts of a pair.
func recorded(b *testing.B, s *redistest.Server, c *redis.Client, pair func()) (ask, release []any) {
	s.Do("CONFIG", "SET", "slowlog-log-slower-than", 0)
	s.Do("CONFIG", "SET", "slowlog-max-len", 1000)
	pair()
	logs, err := c.SlowLogGet(b.Context(), 1000).Result()
	if err != nil {
		b.Fatal(err)
	}
	s.Do("CONFIG", "SET", "slowlog-log-slower-than", -1)
	for _, l := range slices.Backward(logs) {
		if strings.EqualFold(l.Args[0], "evalsha") {
			args := make([]any, 0, len(l.Args))
			for _, a := range l.Args[3:] {
				args = append(args, a)
			}
			ask, release = release, args
		}
	}
	if ask == nil {
		b.Fatal("no two scripts were called")
	}
	return ask, release
}

// floorMakespan counts the commands of twelve clients, and more, that take 2 of 5 once
// each. A script that decides nothing calls five all the same: it asks for the time, reads
// what it is about, looks what is over, writes it, and writes when it will be over; and
// somebody is told of each hand-over.
func floorMakespan(b *testing.B) {
	boards := numbered(5)
	for _, c := range []struct {
		clients int
		what    string
		reqs    func(i int) lockcore.Requirement
	}{
		{12, "on 2 of 5", func(int) lockcore.Requirement { return of(2, boards...) }},
		{48, "on 2 of 5", func(int) lockcore.Requirement { return of(2, boards...) }},
		{48, "on 5 lists of 4 of them", func(i int) lockcore.Requirement { return of(1, slices.Concat(boards[i%5:], boards)[:4]...) }},
	} {
		clients := c.clients
		s := redistest.Start(b)
		lockers := make([]*lockcore.Locker, clients)
		for i := range lockers {
			lockers[i] = locker(b, openURL(b, s.URL(), redisstore.Options{}))
			release(b, acquire(b, lockers[i], request(time.Minute, of(1, "warm"))))
		}
		count := monitor(b, s)
		s.Do("CONFIG", "RESETSTAT")
		makespan(slices.Repeat([]time.Duration{100 * time.Millisecond}, clients), func(i int) func() {
			le := acquire(b, lockers[i], request(time.Minute, c.reqs(i)))
			return func() { release(b, le) }
		})
		what, stats := inner(s, 1), commandStats(s)
		sent, inside := count()
		least := 5*stats["evalsha"][0] + stats["publish"][0]
		b.Logf("%d clients %s: %d commands sent, %d more by scripts, %.2f times what they call that decide nothing: %s", clients, c.what, sent, inside, float64(inside)/least, what)
	}
}
