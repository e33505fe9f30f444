package redisstore_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// Long lists, and the choice among candidates.

// Whatever is free in a list of any length is found, in every mode and by every
// choice, whether others wait or not.
func TestLastFreeOnesOfALongList(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, n := range []int{64, 65, 129, 1000, 3000} {
		for _, choice := range []lockcore.Choice{lockcore.Random, lockcore.InOrder, lockcore.LeastRecentlyUsed} {
			for _, mode := range []string{"exclusive", "shared", "seats"} {
				t.Run(fmt.Sprint(n, choice, mode), func(t *testing.T) {
					lastFree(t, open(t, s.Addr, redisstore.Options{Namespace: t.Name()}), n, choice, mode)
				})
			}
		}
	}
}

// The same in a bubble, with lists of one page, of a bit more and of several.
func TestLongLists(t *testing.T) {
	for _, n := range []int{3, 64, 65, 129, 200} {
		for _, choice := range []lockcore.Choice{lockcore.Random, lockcore.InOrder, lockcore.LeastRecentlyUsed} {
			for _, mode := range []string{"exclusive", "shared", "seats"} {
				t.Run(fmt.Sprint(n, choice, mode), func(t *testing.T) {
					inBubble(t, func(b bubble) {
						lastFree(b.T, b.open(redisstore.Options{}), n, choice, mode)
						consistent(b, b.server)
					})
				})
			}
		}
	}
	t.Run("asked for twice", func(t *testing.T) {
		inBubble(t, func(b bubble) {
			c := b.client()
			c.AddHook(twice{})
			lastFree(b.T, on(b, c, redisstore.Options{}), 70, lockcore.InOrder, "exclusive")
			consistent(b, b.server)
		})
	})
	t.Run("revised", func(t *testing.T) { inBubble(t, revised) })
	t.Run("forgotten", func(t *testing.T) { inBubble(t, forgotten) })
	for _, n := range []int{5, 70} {
		t.Run(fmt.Sprint("in turn ", n), func(t *testing.T) {
			inBubble(t, func(b bubble) { inTurn(b, b.open(redisstore.Options{}), n) })
		})
	}
	for _, n := range []int{5, 12} {
		t.Run(fmt.Sprint("spread ", n), func(t *testing.T) {
			inBubble(t, func(b bubble) { spreads(b, b.open(redisstore.Options{}), n) })
		})
		t.Run(fmt.Sprint("spread in small pages ", n), func(t *testing.T) {
			redisstore.SmallPages(t)
			inBubble(t, func(b bubble) { spreads(b, b.open(redisstore.Options{}), n) })
		})
	}
}

// Who waits may change its mind to a long list that the server does not know yet.
func revised(b bubble) {
	s := b.open(redisstore.Options{})
	held := ask(b, s, ticket("holder", time.Hour, of(1, "0"))).Grant
	waiter := ticket("waiter", time.Hour, of(1, "0"))
	ask(b, s, waiter)
	all := of(70, append(numbered(69), "0")...)
	all.Choice = lockcore.LeastRecentlyUsed // else the client asks for a few of them
	waiter.Requirements, waiter.Revision = []lockcore.Requirement{all}, 1
	if ask(b, s, waiter).Grant != nil {
		b.Fatal("one of them is held")
	}
	giveBack(b, s, held)
	if g := ask(b, s, waiter).Grant; g == nil || len(g.Keys()) != 70 {
		b.Errorf("all are free, and it gets %+v", g)
	}
	consistent(b, b.server)
}

// A list that nobody has used for an hour is dropped when another one is registered,
// unless somebody waits for what is in it.
//
//	0:00  a and b are used, and somebody begins to wait for all of c
//	0:40  b is used
//	1:10  d is registered: a is gone
func forgotten(b bubble) {
	s := b.open(redisstore.Options{})
	list := func(prefix string, need int) lockcore.Requirement {
		keys := numbered(70)
		for i := range keys {
			keys[i] = prefix + keys[i]
		}
		r := of(need, keys...)
		r.Choice = lockcore.LeastRecentlyUsed // else the client asks for a few of them
		return r
	}
	use := func(prefix string) {
		giveBack(b, s, ask(b, s, ticket(fmt.Sprint("use of ", prefix, time.Now()), time.Hour, list(prefix, 1))).Grant)
	}
	number := func() map[string]string {
		out := make(map[string]string)
		fields, _ := b.server.HKeys("{rtest:default}:list")
		for _, n := range fields {
			out[b.server.HGet("{rtest:default}:list", n)[:1]] = n
		}
		return out
	}
	known := func(want ...string) {
		b.Helper()
		if got := slices.Sorted(maps.Keys(number())); !slices.Equal(got, want) {
			b.Errorf("the lists %q are known, want %q", got, want)
		}
		consistent(b, b.server)
	}
	use("a")
	use("b")
	held := ask(b, s, ticket("holder", 3*time.Hour, of(1, list("c", 1).Candidates[0].Key))).Grant
	waiter := ticket("waiter", 20*time.Minute, list("c", 70))
	poll := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Second) {
			if ask(b, s, waiter).Grant != nil {
				b.Fatal("it got what is held")
			}
		}
	}
	poll(40 * time.Minute)
	known("a", "b", "c")
	use("b")
	poll(30 * time.Minute)
	b.server.Del("{rtest:default}:u:" + number()["c"]) // a server that is full may drop what has an end
	use("d")
	known("b", "c", "d")
	giveBack(b, s, held)
	if g := ask(b, s, waiter).Grant; g == nil {
		b.Error("all of c are free")
	}
}

func lastFree(t *testing.T, st lockcore.Store, n int, choice lockcore.Choice, mode string) {
	keys := numbered(n)
	want := func(need int) lockcore.Requirement {
		r := of(need, keys...)
		r.Choice = choice
		switch mode {
		case "shared":
			r.Shared = true
		case "seats":
			r.Seats = 2
		}
		return r
	}
	most := ticket("most", time.Hour, of(n-2, keys...))
	held := ask(t, st, most).Grant
	if held == nil {
		t.Fatal("all are free")
	}
	got := ask(t, st, ticket("two", time.Hour, want(2))).Grant
	if got == nil {
		t.Fatal("two are free")
	}
	for _, k := range got.Keys() {
		if slices.Contains(held.Keys(), k) {
			t.Fatalf("%s was given out twice", k)
		}
	}
	if choice == lockcore.InOrder && mode != "seats" {
		free := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return slices.Contains(held.Keys(), k) })
		if !slices.Equal(got.Keys(), free) {
			t.Errorf("in order: %q, want %q", got.Keys(), free)
		}
	}
	once := ticket("once", time.Hour, want(n))
	once.Wait = false
	if ask(t, st, once).Grant != nil {
		t.Fatal("all of them were granted, and most are held")
	}
	waiter := ticket("waiter", time.Hour, want(n))
	if ask(t, st, waiter).Grant != nil {
		t.Fatal("all of them were granted, and most are held")
	}
	if err := st.Release(t.Context(), held, 0); err != nil {
		t.Fatal(err)
	}
	if mode == "exclusive" {
		if err := st.Release(t.Context(), got, 0); err != nil {
			t.Fatal(err)
		}
	}
	if g := ask(t, st, waiter).Grant; g == nil || len(g.Keys()) != n {
		t.Fatal("the waiter was not served when everything came free")
	}
}

// The list goes over the wire once, however often it is asked for.
func TestLongListIsSentOnce(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	keys := numbered(5000)
	all := strings.Join(keys, " ")
	sent := 0
	client := redis.NewClient(&redis.Options{Addr: s.Addr})
	client.AddHook(counting{func(cmd redis.Cmder) {
		for _, arg := range cmd.Args() {
			if b, ok := arg.([]byte); ok && string(b) == all {
				sent++
			}
		}
	}})
	st := on(t, client, redisstore.Options{})
	req := of(1, keys...)
	held := ask(t, st, ticket("most", time.Hour, of(4999, keys...))).Grant
	before := sent
	for i := range 50 {
		g := ask(t, st, ticket(fmt.Sprint("t", i), time.Hour, req)).Grant
		if g == nil {
			t.Fatal("one is free")
		}
		if err := st.Release(t.Context(), g, 0); err != nil {
			t.Fatal(err)
		}
	}
	if before == 0 || sent > before {
		t.Errorf("the list was sent %d times, and %d times more", before, sent-before)
	}
	// A list that has changed in place is another list.
	for i := range req.Candidates {
		if !slices.Contains(held.Keys(), req.Candidates[i].Key) {
			req.Candidates[i].Key = "new"
		}
	}
	if g := ask(t, st, ticket("changed", time.Hour, req)).Grant; g == nil || g.Keys()[0] != "new" {
		t.Errorf("one is free, and it is the one that is new: %+v", g)
	}
	// The server may forget it, as after a restart.
	s.Do("FLUSHALL")
	if ask(t, st, ticket("after", time.Hour, of(5000, keys...))).Grant == nil {
		t.Error("all are free")
	}
}

type counting struct{ f func(redis.Cmder) }

func (c counting) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.f(cmd)
		return next(ctx, cmd)
	}
}
func (c counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, n := range []int{5, 100} {
		inTurn(t, open(t, s.Addr, redisstore.Options{Namespace: fmt.Sprint(n)}), n)
	}
}

func inTurn(t testing.TB, st lockcore.Store, n int) {
	t.Helper()
	req := of(1, numbered(n)...)
	req.Choice = lockcore.LeastRecentlyUsed
	var order []string
	for i := range 2 * n {
		g := ask(t, st, ticket(fmt.Sprint("t", i), time.Hour, req)).Grant
		order = append(order, g.Keys()[0])
		giveBack(t, st, g)
		time.Sleep(time.Microsecond) // in a bubble, two uses would be at the same moment
	}
	if want := append(numbered(n), numbered(n)...); !slices.Equal(order, want) {
		t.Errorf("%d in turn: %q", n, order)
	}
}

// A random choice gives every candidate its turn, also beside ones that are
// held.
func TestRandomChoiceSpreads(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, n := range []int{10, 100} {
		spreads(t, open(t, s.Addr, redisstore.Options{Namespace: fmt.Sprint(n)}), n)
	}
}

func spreads(t testing.TB, st lockcore.Store, n int) {
	t.Helper()
	keys := numbered(n)
	for i := range n / 2 {
		ask(t, st, ticket(fmt.Sprint("h", i), time.Hour, of(1, keys[i])))
	}
	for _, named := range []bool{false, true} {
		if named {
			// Somebody in line makes it a registered list.
			ask(t, st, ticket("waiter", time.Hour, of(n, keys...)))
			if err := st.Withdraw(t.Context(), "waiter"); err != nil {
				t.Fatal(err)
			}
		}
		seen := make(map[string]int)
		for i := range 20 * n {
			g := ask(t, st, ticket(fmt.Sprint("t", named, i), time.Hour, of(1, keys...))).Grant
			seen[g.Keys()[0]]++
			giveBack(t, st, g)
			time.Sleep(time.Microsecond) // the clock is the seed, and in a bubble it stands still
		}
		if len(seen) != n-n/2 {
			t.Errorf("%d of %d free ones were ever chosen", len(seen), n-n/2)
		}
	}
}

// A waiter to whom any will do gets any of those that come free, and finds the only one
// that nobody has reserved, wherever it looks first.
func TestLineIsServedAtRandom(t *testing.T) {
	inBubble(t, func(b bubble) { servedAtRandom(b, numbered(3)) })
}

func TestLineIsServedAtRandomInSmallPages(t *testing.T) {
	redisstore.SmallPages(t)
	inBubble(t, func(b bubble) { servedAtRandom(b, numbered(3)) })
}

// More than a page has.
func TestLineIsServedAtRandomFromManyPages(t *testing.T) {
	inBubble(t, func(b bubble) { servedAtRandom(b, numbered(70)) })
}

func servedAtRandom(b bubble, keys []string) {
	const rounds = 60
	s := b.open(redisstore.Options{})
	all := func(i int) *lockcore.Grant {
		b.Helper()
		g := ask(b, s, ticket(fmt.Sprint("all", i), time.Minute, of(len(keys), keys...))).Grant
		if g == nil {
			b.Fatal("all are free")
		}
		return g
	}
	// next is what a waiter gets when all are given back.
	next := func(i int, all *lockcore.Grant) string {
		b.Helper()
		waiter := ticket(fmt.Sprint("waiter", i), time.Minute, of(1, keys...))
		if ask(b, s, waiter).Grant != nil {
			b.Fatal("all are held")
		}
		giveBack(b, s, all)
		g := ask(b, s, waiter).Grant
		if g == nil {
			b.Fatal("one is free")
		}
		giveBack(b, s, g)
		time.Sleep(time.Microsecond) // the clock is the seed
		return g.Keys()[0]
	}
	seen := make(map[string]int)
	for i := range rounds {
		seen[next(i, all(i))]++
	}
	if len(seen) < min(len(keys), rounds/3) {
		b.Errorf("only %v were ever given", seen)
	}
	ask(b, s, ticket("x", time.Minute, of(1, "x")))
	for i := range rounds {
		free, held := keys[i%3], all(rounds+i)
		others := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k == free })
		first := ticket(fmt.Sprint("first", i), time.Minute, of(len(keys), append(others, "x")...))
		ask(b, s, first)
		if got := next(rounds+i, held); got != free {
			b.Errorf("%s is reserved", got)
		}
		if err := s.Withdraw(b.Context(), first.ID); err != nil {
			b.Fatal(err)
		}
	}
}

// A random choice spreads where a request goes the long way, too: seats make it one.
func TestRandomChoiceOfSeats(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		r := of(1, "a", "b", "c")
		r.Seats = 2
		seen := make(map[string]bool)
		for i := range 60 {
			g := ask(b, s, ticket(fmt.Sprint("t", i), time.Minute, r)).Grant
			seen[g.Keys()[0]] = true
			giveBack(b, s, g)
		}
		if len(seen) < 3 {
			b.Errorf("only %v were ever given", seen)
		}
	})
}

// Nothing but the leases and a few counters stays when everybody has gone.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	st := open(t, s.Addr, redisstore.Options{})
	keys := numbered(8)
	var held []*lockcore.Grant
	for i, k := range keys {
		held = append(held, ask(t, st, ticket(fmt.Sprint("h", i), time.Hour, of(1, k))).Grant)
	}
	var line []*lockcore.Ticket
	for i := range 40 {
		req := of(1+i%3, keys[i%5:i%5+3]...)
		req.Shared = i%4 == 0
		tk := ticket(fmt.Sprint("w", i), time.Hour, req, of(1, keys[7]))
		if i%7 == 0 {
			tk.Parents = []string{"h0"}
		}
		ask(t, st, tk)
		line = append(line, tk)
	}
	for i, tk := range line {
		if i%2 == 0 {
			if err := st.Withdraw(t.Context(), tk.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, g := range held {
		if err := st.Release(t.Context(), g, 0); err != nil {
			t.Fatal(err)
		}
	}
	for served := true; served; {
		served = false
		for i, tk := range line {
			if i%2 == 0 || tk == nil {
				continue
			}
			if g := ask(t, st, tk).Grant; g != nil {
				served = true
				line[i] = nil
				if err := st.Release(t.Context(), g, 0); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	nothingLeft(t, s)
}

// nothingLeft fails if a server has more than a namespace keeps for good: counters
// and tokens, tombstones that will be swept, and the keys that are named.
func nothingLeft(t testing.TB, s *redistest.Server, permanent ...string) {
	t.Helper()
	for _, key := range s.Do("KEYS", "*").([]any) {
		name := strings.TrimPrefix(key.(string), "{rtest:default}:")
		if name != "all" && !slices.Contains(permanent, name) {
			content, _ := s.Try("HGETALL", key) // most are hashes
			t.Errorf("%v is left, a %v, with %v", key, s.Do("TYPE", key), content)
		}
	}
	for f := range slices.Chunk(s.Do("HGETALL", "{rtest:default}:all").([]any), 2) {
		name, v := f[0].(string), f[1].(string)
		switch {
		case strings.HasPrefix(name, "#"):
		case strings.HasPrefix(name, "!") && strings.HasPrefix(v, "T "): // swept in its time
		case !strings.HasPrefix(name, "!") && !strings.Contains(v, "|"): // swept when it was not used for a day
		default:
			t.Errorf("%s is left: %s", name, v)
		}
	}
}
