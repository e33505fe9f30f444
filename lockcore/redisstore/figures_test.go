package redisstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// BenchmarkFigures measures what the protocol promises, as ratios to a bare lock or to
// an ideal on the same server. What it prints is that of a machine, an idle one at
// best; the times of the benchmark itself mean nothing:
//
//	go test -run '^$' -bench Figures -benchtime 1x ./lockcore/redisstore
func BenchmarkFigures(t *testing.B) {
	t.Run("pair", figurePair)
	t.Run("hand-off", figureHandOff)
	t.Run("makespan", figureMakespan)
	t.Run("five-of-five", figureFiveOfFive)
	t.Run("release", figureRelease)
	t.Run("backfill", figureBackfill)
	t.Run("kill", figureKill)
}

func quantile(ds []time.Duration, q float64) time.Duration {
	slices.Sort(ds)
	return ds[min(len(ds)-1, int(q*float64(len(ds))))]
}

// interleaved runs the functions in turn, so that noise is everybody's, and
// returns their medians.
func interleaved(n int, fs []func()) []time.Duration {
	times := make([][]time.Duration, len(fs))
	for range n {
		for i, f := range fs {
			start := time.Now()
			f()
			times[i] = append(times[i], time.Since(start))
		}
	}
	medians := make([]time.Duration, len(fs))
	for i := range fs {
		medians[i] = quantile(times[i], 0.5)
	}
	return medians
}

func numbered(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint("board-", i)
	}
	return keys
}

// bareLock is what every Redis lock does at least: SET NX PX, and a script that
// compares and deletes.
func bareLock(t testing.TB, c *redis.Client) func() {
	script := redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)
	return func() {
		if ok, err := c.SetNX(t.Context(), "bare", "token", time.Minute).Result(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if n, err := script.Run(t.Context(), c, []string{"bare"}, "token").Int(); n != 1 {
			t.Fatal(n, err)
		}
	}
}

func pairOf(t testing.TB, l *lockcore.Locker, reqs ...lockcore.Requirement) func() {
	return func() { release(t, acquire(t, l, request(time.Minute, reqs...))) }
}

func figurePair(t *testing.B) {
	s := redistest.Start(t)
	var counter redistest.Counter
	c := redis.NewClient(&redis.Options{Addr: s.Addr, ContextTimeoutEnabled: true, Dialer: counter.Dial})
	l := locker(t, on(t, c, redisstore.Options{}))
	twoAndOne := pairOf(t, l, of(2, "a", "b", "c", "d", "e"), of(1, "x"))
	ten, many := pairOf(t, l, of(2, numbered(10)...)), pairOf(t, l, of(2, numbered(10_000)...))
	bare := bareLock(t, c)
	for _, f := range []func(){bare, twoAndOne, ten, many} {
		f() // connected, scripts known
	}
	before := counter.Writes()
	for range 100 {
		twoAndOne()
	}
	t.Logf("acquire+release makes %.2f socket writes", float64(counter.Writes()-before)/100)
	m := interleaved(4000, []func(){bare, twoAndOne, ten, many})
	t.Logf("bare lock %s; 2 of 5 and one %s: ratio %.2f", m[0], m[1], ratio(m[1], m[0]))
	t.Logf("2 of 10 %s; 2 of 10,000 %s: ratio %.2f", m[2], m[3], ratio(m[3], m[2]))

	// The same when of the 10,000 only two are free.
	st := open(t, s.Addr, redisstore.Options{Namespace: "tight"})
	ask(t, st, ticket("most", time.Hour, of(9_998, numbered(10_000)...)))
	tight := locker(t, open(t, s.Addr, redisstore.Options{Namespace: "tight"}))
	few := numbered(10_000)
	m = interleaved(2000, []func(){ten, pairOf(t, tight, of(2, few...))})
	t.Logf("2 of 10 %s; 2 of 10,000 of which 2 are free %s: ratio %.2f", m[0], m[1], ratio(m[1], m[0]))
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// figureHandOff has eight clients pass one key around behind a round trip of 10
// ms.
func figureHandOff(t *testing.B) {
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Addr)
	p.Delay(5 * time.Millisecond)
	c := redis.NewClient(&redis.Options{Addr: p.Addr})
	defer c.Close()
	c.Ping(t.Context())
	var pings []time.Duration
	for range 50 {
		start := time.Now()
		c.Ping(t.Context())
		pings = append(pings, time.Since(start))
	}
	rtt := quantile(pings, 0.5)

	const clients, grants = 9, 600
	var mu sync.Mutex
	var released time.Time
	var handOffs []time.Duration
	served, overtaken := 0, 0
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range clients {
		l := locker(t, open(t, p.Addr, redisstore.Options{}))
		wg.Go(func() {
			for {
				mu.Lock()
				asked := served
				mu.Unlock()
				le, err := l.Acquire(ctx, request(time.Minute, of(1, "k")))
				if err != nil {
					return
				}
				now := time.Now()
				mu.Lock()
				served++
				if !released.IsZero() {
					handOffs = append(handOffs, now.Sub(released))
				}
				if served > 2*clients {
					overtaken = max(overtaken, served-asked-clients)
				}
				if served >= grants {
					cancel()
				}
				mu.Unlock()
				time.Sleep(3 * rtt) // everybody else is in line again
				mu.Lock()
				released = time.Now()
				mu.Unlock()
				release(t, le)
			}
		})
	}
	// What a round trip takes meanwhile: the rest is not the protocol's.
	var floor []time.Duration
	for ctx.Err() == nil {
		start := time.Now()
		c.Ping(t.Context())
		floor = append(floor, time.Since(start))
	}
	wg.Wait()
	handOffs = handOffs[2*clients:]
	t.Logf("round trip %s; hand-off with %d waiters: p50 %.2f, p99 %.2f round trips (a PING meanwhile: %.2f, %.2f); overtaken by at most %d", rtt, clients-1,
		ratio(quantile(handOffs, 0.5), rtt), ratio(quantile(handOffs, 0.99), rtt), ratio(quantile(floor, 0.5), rtt), ratio(quantile(floor, 0.99), rtt), max(0, overtaken))
}

// figureMakespan has twelve clients take 2 of 5 once each. They have used the
// server before, as a process that runs tests has: their connections are not part
// of what is measured. The floor is what the machine's timers and scheduler make
// of the same holds behind a semaphore in memory.
func figureMakespan(t *testing.B) {
	equal := slices.Repeat([]time.Duration{100 * time.Millisecond}, 12)
	varied := make([]time.Duration, 12)
	for i := range varied {
		varied[i] = time.Duration(60+rand.IntN(81)) * time.Millisecond
	}
	for _, c := range []struct {
		name  string
		holds []time.Duration
	}{{"holds of 100 ms", equal}, {"holds of 60 to 140 ms", varied}} {
		var took, floor []float64
		var sent, inner int
		for range 5 {
			s := redistest.Start(t)
			lockers := make([]*lockcore.Locker, len(c.holds))
			for i := range lockers {
				lockers[i] = lockcore.New(openURL(t, s.URL(), redisstore.Options{}), nil)
				release(t, acquire(t, lockers[i], request(time.Minute, of(1, "warm"))))
			}
			count := monitor(t, s)
			took = append(took, makespan(c.holds, func(i int) func() {
				le := acquire(t, lockers[i], request(time.Minute, of(2, "a", "b", "c", "d", "e")))
				return func() { release(t, le) }
			}))
			sent, inner = count()
			for _, l := range lockers {
				l.Close()
			}
			pairs := make(chan struct{}, 2) // 5 are 2 pairs
			floor = append(floor, makespan(c.holds, func(int) func() {
				pairs <- struct{}{}
				return func() { <-pairs }
			}))
		}
		slices.Sort(took)
		slices.Sort(floor)
		t.Logf("%s: %.3f of the ideal (median of %d, best %.3f), of which timers are %.3f; %d commands sent, %d more by scripts", c.name,
			took[len(took)/2], len(took), took[0], floor[len(floor)/2]-1, sent, inner)
	}
}

// makespan has one client a hold, each of which takes what two can have at a time
// and gives it back after the hold. It returns the time for all, as a multiple of
// what they take if they follow each other without a gap, in the order they came.
func makespan(holds []time.Duration, take func(i int) (giveBack func())) float64 {
	var wg sync.WaitGroup
	served := make(chan time.Duration, len(holds))
	start := time.Now()
	for i := range holds {
		wg.Go(func() {
			giveBack := take(i)
			served <- holds[i]
			time.Sleep(holds[i])
			giveBack()
		})
	}
	wg.Wait()
	took := time.Since(start)
	close(served)
	var free [2]time.Duration
	for h := range served {
		i := 0
		if free[1] < free[0] {
			i = 1
		}
		free[i] += h
	}
	return ratio(took, max(free[0], free[1]))
}

// monitor counts commands, those that scripts call apart.
func monitor(t *testing.B, s *redistest.Server) func() (sent, inner int) {
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, "MONITOR\r\n")
	var sent, inner atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for sc := bufio.NewScanner(c); sc.Scan(); {
			switch line := sc.Text(); {
			case strings.Contains(line, `"the end"`):
				return
			case strings.Contains(line, " lua] "):
				inner.Add(1)
			case strings.HasPrefix(line, "+1"):
				sent.Add(1)
			}
		}
	}()
	return func() (int, int) {
		s.Do("ECHO", "the end")
		<-done
		c.Close()
		return int(sent.Load()), int(inner.Load())
	}
}

// figureFiveOfFive asks for 5 of 5 beside 20 clients that loop on 1 of 5.
func figureFiveOfFive(t *testing.B) {
	const hold, loopers = 20 * time.Millisecond, 20
	s := redistest.Start(t)
	keys := []string{"a", "b", "c", "d", "e"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for range loopers {
		l := locker(t, open(t, s.Addr, redisstore.Options{}))
		wg.Go(func() {
			for {
				le, err := l.Acquire(ctx, request(time.Minute, of(1, keys...)))
				if err != nil {
					return
				}
				time.Sleep(hold)
				if err := le.Release(context.Background()); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		})
	}
	big := locker(t, open(t, s.Addr, redisstore.Options{}))
	bound := hold * (loopers / 5)
	var waits []time.Duration
	for range 20 {
		time.Sleep(5 * hold)
		start := time.Now()
		le := acquire(t, big, request(time.Minute, of(5, keys...)))
		waits = append(waits, time.Since(start))
		release(t, le)
	}
	cancel()
	wg.Wait()
	t.Logf("5 of 5 beside %d loopers: served %d of 20; median %.2f, worst %.2f of the FIFO bound of %s", loopers, len(waits),
		ratio(quantile(waits, 0.5), bound), ratio(quantile(waits, 1), bound), bound)
}

// figureRelease times releases that hand over, with more and fewer in line.
func figureRelease(t *testing.B) {
	s, lines := redistest.Start(t), &lineup{t: t}
	handOver := func(namespace string, waiters, pools int) func() time.Duration {
		st := open(t, s.Addr, redisstore.Options{Namespace: namespace})
		waiting := lines.add(st)
		pool := func(i int) lockcore.Requirement {
			var keys []string
			for k := range 10 {
				keys = append(keys, fmt.Sprintf("pool-%d-%d", i%pools, k))
			}
			return of(1, keys...)
		}
		var held []*lockcore.Grant
		n := 0
		next := func(i int) *lockcore.Ticket {
			n++
			return ticket(fmt.Sprint("t", n), time.Hour, pool(i))
		}
		for i := range 10 * pools {
			held = append(held, granted(t, st, next(i)))
		}
		line := make([][]*lockcore.Ticket, pools)
		for i := range waiters {
			tk := next(i)
			lines.wait(waiting, tk)
			line[i%pools] = append(line[i%pools], tk)
		}
		i := 0
		return func() time.Duration {
			// The release is what is timed; the rest keeps the scene as it was.
			lines.keep()
			p := i % pools
			i++
			start := time.Now()
			err := st.Release(t.Context(), held[0], 0)
			took := time.Since(start)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held[1:], granted(t, st, line[p][0]))
			delete(waiting.line, line[p][0].ID)
			tk := next(p)
			lines.wait(waiting, tk)
			line[p] = append(line[p][1:], tk)
			return took
		}
	}
	scenes := []func() time.Duration{handOver("ten", 10, 1), handOver("thousand", 1000, 1), handOver("spread", 1000, 100)}
	times := make([][]time.Duration, len(scenes))
	for range 1500 {
		for i, f := range scenes {
			times[i] = append(times[i], f())
		}
	}
	ten := quantile(times[0], 0.5)
	t.Logf("a release that hands over, with 10 waiters: %s; with 1,000 on one pool %.2f, on 100 pools %.2f of that", ten,
		ratio(quantile(times[1], 0.5), ten), ratio(quantile(times[2], 0.5), ten))
}

// figureBackfill has the server say how long the script of a release takes with
// 1,000 waiters for ten boards, under fifo and under backfill: where all want one
// board; and where the first wants all ten, behind whom nobody is short enough to
// be let past, or somebody is. All are of known length.
func figureBackfill(t *testing.B) {
	const boards, waiters, n = 10, 1000, 150
	s, lines := redistest.Start(t), &lineup{t: t}
	keys := numbered(boards)
	set := func(namespace string, policy lockcore.QueuePolicy, first int, length time.Duration) func() time.Duration {
		st := open(t, s.Addr, redisstore.Options{Namespace: namespace, Policy: policy})
		var held []*lockcore.Grant
		made := 0
		next := func(need, priority int, expect time.Duration) *lockcore.Ticket {
			made++
			tk := ticket(fmt.Sprint("t", made), time.Hour, of(need, keys...))
			tk.Expect, tk.Priority = expect, priority
			return tk
		}
		waiting := lines.add(st)
		for range boards {
			held = append(held, granted(t, st, next(1, 0, time.Hour)))
		}
		lines.wait(waiting, next(first, 0, time.Hour))
		for range waiters - 1 {
			lines.wait(waiting, next(1, 0, length))
		}
		return func() time.Duration {
			lines.keep()
			before := scriptTime(t, s)
			if err := st.Release(t.Context(), held[0], 0); err != nil {
				t.Fatal(err)
			}
			took := scriptTime(t, s) - before
			held = held[1:]
			// The scene as it was: a board for whoever was served, and somebody new in line;
			// or for one who comes before all.
			snap, err := st.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range snap.Holders {
				if tk := waiting.line[h.ID]; tk != nil {
					held = append(held, granted(t, st, tk))
					delete(waiting.line, h.ID)
					lines.wait(waiting, next(1, 0, length))
					return took
				}
			}
			held = append(held, granted(t, st, next(1, 1000, time.Hour)))
			return took
		}
	}
	type figure struct {
		name   string
		first  int
		length time.Duration
	}
	for _, f := range []figure{{"all want one", 1, time.Minute}, {"the first wants all, nobody is short enough", boards, 2 * time.Hour}, {"the first wants all, all others are short enough", boards, time.Minute}} {
		fifo, backfill := set(f.name+" fifo", lockcore.FIFO, f.first, f.length), set(f.name, lockcore.Backfill, f.first, f.length)
		var times [2][]time.Duration
		for range n {
			times[0], times[1] = append(times[0], fifo()), append(times[1], backfill())
		}
		lines.places = nil
		a, b := quantile(times[0], 0.5), quantile(times[1], 0.5)
		t.Logf("%s: a release takes %s under fifo, %s under backfill: ratio %.2f", f.name, a, b, ratio(b, a))
	}
}

// scriptTime is how long scripts have taken so far, by the server's own account.
func scriptTime(t *testing.B, s *redistest.Server) time.Duration {
	for field := range strings.SplitSeq(s.Info("commandstats", "cmdstat_evalsha"), ",") {
		if v, ok := strings.CutPrefix(field, "usec="); ok {
			d, err := time.ParseDuration(v + "us")
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
	return 0
}

// figureKill measures how long after its expiry the key of a killed holder goes
// to the next.
func figureKill(t *testing.B) {
	s := redistest.Start(t)
	st := open(t, s.Addr, redisstore.Options{})
	l := locker(t, open(t, s.Addr, redisstore.Options{}))
	var late []time.Duration
	for range 20 {
		c := spawn(t, "hold", job{URL: s.URL(), Keys: []string{"k"}, TTL: time.Second})
		c.says("held")
		snap, err := st.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		next := make(chan time.Time)
		go func() {
			le := acquire(t, l, request(time.Minute, of(1, "k")))
			now := time.Now()
			release(t, le)
			next <- now
		}()
		waiters(t, st, 1)
		c.kill()
		expires := snap.Holders[0].Expires
		late = append(late, (<-next).Sub(expires))
	}
	t.Logf("the key of a killed holder came %s after the expiry (median; worst %s)", quantile(late, 0.5), quantile(late, 1))
}
