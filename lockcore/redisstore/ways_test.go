package redisstore

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
)

// The short ways of those who have to do with a line write and answer what the long ways
// would have. Two servers are asked the same, at the same moments; the scripts of the second
// one lack these short ways.
func TestShortWaysInLineWriteTheSame(t *testing.T) {
	runs, first := campaign.Knob(t, "REDISSTORE_WAYS", 8), campaign.Knob(t, "LOCKTEST_SEED", rand.Uint64()>>1)
	miniredis.DumpMaxLineLen = math.MaxInt
	var went [7]int
	for i := range runs {
		seed := first + i
		synctest.Test(t, func(t *testing.T) {
			w := newWays(t, seed)
			for range 150 {
				if !w.step() {
					t.Fatalf("to see it again: REDISSTORE_WAYS=1 LOCKTEST_SEED=%d", seed)
				}
			}
			for i, n := range w.went {
				went[i] += n
			}
		})
	}
	for i, n := range went {
		if t.Logf("%d runs from LOCKTEST_SEED=%d on: %d times %s went the short way", runs, first, n, whatGoes[i]); n == 0 && runs >= 8 && i <= aRenewal {
			t.Errorf("%s never went the short way", whatGoes[i])
		}
	}
}

// Requests for several things, and leases of several, go the short ways, too.
func TestShortWaysInLineAreForSeveral(t *testing.T) {
	miniredis.DumpMaxLineLen = math.MaxInt
	of := func(n int, keys ...string) lockcore.Requirement {
		r := lockcore.Requirement{Need: n, Choice: lockcore.InOrder}
		for _, k := range keys {
			r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
		}
		return r
	}
	random := func(r lockcore.Requirement) lockcore.Requirement {
		r.Choice = lockcore.Random
		return r
	}
	var many []string
	for i := range 70 {
		many = append(many, fmt.Sprint("k", i))
	}
	both, one := []lockcore.Requirement{of(2, "a", "b")}, []lockcore.Requirement{of(1, "a")}
	for what, c := range map[string]struct {
		holders, line [][]lockcore.Requirement // the first one gives back
		short         bool                     // whether it is handed over the short way
	}{
		"both of two":         {[][]lockcore.Requirement{both}, [][]lockcore.Requirement{both, both}, true},
		"two of three":        {[][]lockcore.Requirement{{of(2, "a", "b"), of(1, "c")}}, [][]lockcore.Requirement{{of(2, "a", "b", "c")}, {of(2, "a", "b", "c")}}, true},
		"one, and more":       {[][]lockcore.Requirement{{of(1, "a"), of(2, "b", "c")}}, [][]lockcore.Requirement{{of(1, "a"), of(1, "b", "c")}, {of(1, "a"), of(1, "b", "c")}}, false},
		"one was left":        {[][]lockcore.Requirement{both}, [][]lockcore.Requirement{{of(2, "a", "b", "c")}, {of(2, "a", "b", "c")}}, true},
		"two were left":       {[][]lockcore.Requirement{{of(3, "a", "b", "c")}}, [][]lockcore.Requirement{{of(3, "e", "d", "c", "b", "a")}, {of(3, "e", "d", "c", "b", "a")}}, true},
		"what was left, too":  {[][]lockcore.Requirement{both}, [][]lockcore.Requirement{{of(3, "a", "b", "c")}, {of(3, "a", "b", "c")}}, true},
		"too little for all":  {[][]lockcore.Requirement{one, {of(1, "b")}}, [][]lockcore.Requirement{{of(3, "a", "b", "c")}, {of(3, "a", "b", "c")}}, false},
		"enough for two":      {[][]lockcore.Requirement{both}, [][]lockcore.Requirement{{of(1, "a", "b")}, {of(1, "a", "b")}, {of(1, "a", "b")}}, false},
		"at random":           {[][]lockcore.Requirement{both}, [][]lockcore.Requirement{{random(of(2, "a", "b", "c"))}, {random(of(2, "a", "b", "c"))}}, true},
		"all at random":       {[][]lockcore.Requirement{{of(3, "a", "b", "c")}}, [][]lockcore.Requirement{{random(of(3, "a", "b", "c"))}, {random(of(3, "a", "b", "c"))}}, true},
		"the rest for others": {[][]lockcore.Requirement{{of(3, "a", "b", "c")}}, [][]lockcore.Requirement{{of(2, "a", "b", "c")}, {of(2, "a", "b", "c")}, {of(1, "a", "b", "c")}}, false},
		"a list beside it":    {[][]lockcore.Requirement{{of(2, "k0", "k1")}}, [][]lockcore.Requirement{{of(2, "k0", "k1", "k2")}, {of(2, "k0", "k1", "k2")}}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWays(t, 0)
			time.Sleep(time.Microsecond) // a call at a whole second sweeps, for which it goes the long way
			ask := func(id string, reqs []lockcore.Requirement) (short, long int) {
				return w.ask(&lockcore.Ticket{ID: id, TTL: time.Minute, Wait: true, Requirements: reqs})
			}
			release := func() (short, long int) {
				g := w.held[0]
				w.held = w.held[1:]
				return w.both(func(i int, s *Store) {
					if err := s.Release(t.Context(), g[i], 0); err != nil {
						t.Fatal(err)
					}
				})
			}
			beside := what == "a list beside it"
			if beside { // it stays registered
				ask("much", []lockcore.Requirement{of(66, many...)})
				release()
			}
			for i, reqs := range c.holders {
				ask(fmt.Sprint("holder", i), reqs)
			}
			for i, reqs := range c.line {
				if short, long := ask(fmt.Sprint("r", i), reqs); i == 1 && (short < long) == beside {
					t.Errorf("%s: to join the line takes %d commands, the long way %d", what, short, long)
				}
			}
			// What goes the long way has made some calls by then.
			if short, long := release(); (short <= long) != c.short {
				t.Errorf("%s: to hand over takes %d commands, the long way %d", what, short, long)
			}
			if a, b := w.servers[0].Dump(), w.servers[1].Dump(); a != b {
				t.Errorf("%s: only the short ways leave\n%s\nonly the long ways\n%s", what, without(a, b), without(b, a))
			}
		})
	}
}

// Where dozens of lists have something in common, nobody goes the short way.
func TestShortWaysInLineOfManyLists(t *testing.T) {
	miniredis.DumpMaxLineLen = math.MaxInt
	synctest.Test(t, func(t *testing.T) {
		w := newWays(t, 0)
		ask := func(id string, keys ...string) {
			r := lockcore.Requirement{Choice: lockcore.InOrder}
			for _, k := range keys {
				r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
			}
			w.ask(&lockcore.Ticket{ID: id, TTL: time.Minute, Wait: true, Requirements: []lockcore.Requirement{r}})
		}
		ask("holder", "a")
		for i := range fewMembers/2 + 1 { // a pool and a class each
			ask(fmt.Sprint("b", i), fmt.Sprint("b", i))
			ask(fmt.Sprint("w", i), "a", fmt.Sprint("b", i))
			ask(fmt.Sprint("v", i), "a", fmt.Sprint("b", i))
		}
		w.both(func(i int, s *Store) {
			if err := s.Release(t.Context(), w.held[0][i], 0); err != nil {
				t.Fatal(err)
			}
		})
		if a, b := w.servers[0].Dump(), w.servers[1].Dump(); a != b {
			t.Errorf("only the short ways leave\n%s\nonly the long ways\n%s", without(a, b), without(b, a))
		}
	})
}

// A lease whose end tells those in line how long their tests will take goes the short way, too:
// the first of them is of such a test, or of another one.
func TestShortWaysInLineTellOthers(t *testing.T) {
	miniredis.DumpMaxLineLen = math.MaxInt
	for _, tests := range [][]string{{"TestX", "TestX", "TestX", "TestY"}, {"TestX", "TestY", "TestX", "TestX"}, {"TestX", "", "TestX", ""}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWays(t, 0)
			time.Sleep(time.Microsecond) // a call at a whole second sweeps
			n := 0
			ask := func(test string) {
				n++
				r := lockcore.Requirement{Candidates: []lockcore.Candidate{{Key: "a"}}, Choice: lockcore.InOrder}
				w.ask(&lockcore.Ticket{ID: fmt.Sprint("r", n), TTL: time.Minute, Wait: true, Requirements: []lockcore.Requirement{r}, Owner: lockcore.Owner{Test: test}})
			}
			release := func(after time.Duration) (short, long int) {
				time.Sleep(after)
				g := w.held[0]
				w.held = w.held[1:]
				return w.both(func(i int, s *Store) {
					if err := s.Release(t.Context(), g[i], 0); err != nil {
						t.Fatal(err)
					}
				})
			}
			ask("TestX")
			release(time.Second) // so there is a history of it
			for _, test := range tests {
				ask(test)
			}
			if short, long := release(3 * time.Second); short >= long {
				t.Errorf("%q: to hand over takes %d commands, the long way %d", tests, short, long)
			}
			if a, b := w.servers[0].Dump(), w.servers[1].Dump(); a != b {
				t.Errorf("%q: only the short ways leave\n%s\nonly the long ways\n%s", tests, without(a, b), without(b, a))
			}
		})
	}
}

// Attempts hear the short way that they would have to wait: where nobody waits, and in line.
func TestShortWaysOfAttempts(t *testing.T) {
	scripted(t, func(w *ways, at func(string)) {
		n := 0
		of := func(need int, keys ...string) lockcore.Requirement {
			r := lockcore.Requirement{Need: need, Choice: lockcore.InOrder}
			for _, k := range keys {
				r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
			}
			return r
		}
		ask := func(wait bool, reqs ...lockcore.Requirement) (short, long int) {
			n++
			short, long = w.ask(&lockcore.Ticket{ID: fmt.Sprint("r", n), TTL: time.Minute, Wait: wait, Requirements: reqs})
			at(fmt.Sprintf("%v, %v", wait, reqs))
			return short, long
		}
		attempt := func(want bool, reqs ...lockcore.Requirement) {
			if short, long := ask(false, reqs...); (short < long) != want {
				t.Errorf("%v: an attempt takes %d commands, the long way %d", reqs, short, long)
			}
		}
		shared, reader, seats := of(1, "s"), of(1, "a"), of(2, "z")
		shared.Shared, reader.Shared, seats.Seats = true, true, 2
		ask(true, of(2, "a", "b"))
		attempt(true, of(2, "a", "b", "c"))
		attempt(true, of(1, "c"), of(1, "b"))
		attempt(false, of(1, "c"), of(1, "b", "d")) // which are granted
		ask(true, shared)
		attempt(true, reader)
		attempt(false, seats)  // both of which one board has
		attempt(false, shared) // as everybody else's
		attempt(false, of(1, "s"))
		ask(true, of(2, "a", "b", "e"))
		attempt(true, of(2, "a", "b", "e"))
		attempt(false, of(2, "a", "b"))
		readers := of(2, "p", "q", "r")
		readers.Shared = true
		ask(true, of(2, "p", "q"))
		ask(true, readers)
		attempt(false, readers)
	})
}

// Where it is known of anybody in line how long it will hold, those before it are promised when they
// start as soon as something is left that they keep aside: the short ways leave that to the long ways.
func TestShortWaysInLineLeavePromises(t *testing.T) {
	for _, need := range []int{2, 3} {
		for _, expects := range [][]time.Duration{{0, 0, 0}, {0, time.Second, 0}, {time.Second, 0, 0}, {0, 0, time.Hour}} {
			scripted(t, func(w *ways, at func(string)) {
				ask := func(id string, expect time.Duration, wait bool) {
					r := lockcore.Requirement{Need: need, Choice: lockcore.InOrder, Candidates: []lockcore.Candidate{{Key: "a"}, {Key: "b"}, {Key: "c"}}}
					w.ask(&lockcore.Ticket{ID: id, TTL: time.Minute, Wait: wait, Expect: expect, Requirements: []lockcore.Requirement{r}})
					at(fmt.Sprintf("%d of three by %v: %s", need, expects, id))
				}
				ask("holder", time.Minute, true)
				for i, expect := range expects {
					ask(fmt.Sprint("r", i), expect, true)
					ask(fmt.Sprint("attempt", i), 0, false)
				}
				w.giveBack(0)
				at(fmt.Sprintf("%d of three by %v: the release", need, expects))
			})
		}
	}
}

// Who is not the first of its class hears the short way that it still waits, as long as nothing is
// over and it asks for the same.
func TestShortWaysOfPolls(t *testing.T) {
	scripted(t, func(w *ways, at func(string)) {
		r := lockcore.Requirement{Choice: lockcore.InOrder, Candidates: []lockcore.Candidate{{Key: "a"}}}
		tickets := make(map[string]*lockcore.Ticket)
		ask := func(id string, ttl time.Duration) (short, long int) {
			if tickets[id] == nil {
				tickets[id] = &lockcore.Ticket{ID: id, TTL: ttl, Wait: true, Requirements: []lockcore.Requirement{r}}
			}
			short, long = w.ask(tickets[id])
			at(id)
			return short, long
		}
		for _, id := range []string{"holder", "first", "second", "third"} {
			ask(id, 8*time.Second)
		}
		for id, want := range map[string]bool{"first": false, "second": true, "third": true} {
			if short, long := ask(id, 0); (short < long) != want {
				t.Errorf("%s asks again with %d commands, the long way takes %d", id, short, long)
			}
		}
		third := *tickets["third"]
		third.Revision, third.Requirements = 1, []lockcore.Requirement{{Choice: lockcore.InOrder, Candidates: []lockcore.Candidate{{Key: "b"}, {Key: "a"}}}}
		w.ask(&third)
		at("third asks for something else")
		for range 3 {
			ask("second", 0) // by and by the lease of the holder is over
		}
	})
}

// The same where that is known of somebody of another class, of the same list or of one that has
// something in common with it.
func TestShortWaysInLineLeavePromisesBesideOthers(t *testing.T) {
	scripted(t, func(w *ways, at func(string)) {
		ask := func(id string, need int, expect time.Duration, keys ...string) {
			r := lockcore.Requirement{Need: need, Choice: lockcore.InOrder}
			for _, k := range keys {
				r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
			}
			w.ask(&lockcore.Ticket{ID: id, TTL: time.Minute, Wait: true, Expect: expect, Requirements: []lockcore.Requirement{r}})
			at(id)
		}
		ask("holder", 2, time.Minute, "a", "b")
		ask("first", 2, 0, "a", "b", "c")
		ask("other", 1, time.Hour, "a", "b", "c")
		ask("second", 2, 0, "a", "b", "c")
		ask("first of two", 1, 0, "a", "b")
		ask("second of two", 1, 0, "a", "b")
		w.giveBack(0)
		at("a release")
	})
}

// Whoever asks while something is out of service is told so, and may have to wait for that.
func TestShortWaysLeaveOutages(t *testing.T) {
	scripted(t, func(w *ways, at func(string)) {
		disable := func(key string) {
			w.both(func(_ int, s *Store) {
				if _, err := s.Disable(w.Context(), lockcore.Outage{Keys: []string{key}, Owner: lockcore.Owner{User: "ann"}}); err != nil {
					w.Fatal(err)
				}
			})
			at(key + " is out of service")
		}
		n := 0
		ask := func(wait bool) *lockcore.Ticket {
			n++
			r := lockcore.Requirement{Choice: lockcore.InOrder, Candidates: []lockcore.Candidate{{Key: "a"}, {Key: "b"}}}
			tk := &lockcore.Ticket{ID: fmt.Sprint("r", n), TTL: time.Minute, Wait: wait, Requirements: []lockcore.Requirement{r}}
			w.ask(tk)
			at(tk.ID)
			return tk
		}
		ask(true)
		disable("b")
		ask(false)
		ask(true)
		second := ask(true)
		ask(false)
		w.ask(second)
		at("a poll")
		w.giveBack(0)
		at("a release")
	})
}

// Lists that have something in common, and several classes of one list, go the short way, too.
func TestShortWaysInLineOfListsInCommon(t *testing.T) {
	scripted(t, func(w *ways, at func(string)) {
		n := 0
		ask := func(need int, keys ...string) (short, long int) {
			n++
			r := lockcore.Requirement{Need: need, Choice: lockcore.InOrder}
			for _, k := range keys {
				r.Candidates = append(r.Candidates, lockcore.Candidate{Key: k})
			}
			short, long = w.ask(&lockcore.Ticket{ID: fmt.Sprint("r", n), TTL: time.Minute, Wait: true, Requirements: []lockcore.Requirement{r}})
			at(fmt.Sprint("r", n))
			return short, long
		}
		ask(2, "a", "b")
		ask(1, "a", "b")
		ask(2, "a", "b")
		if short, long := ask(1, "a", "b"); short >= long {
			t.Errorf("with two classes of a list, to join the line takes %d commands, the long way %d", short, long)
		}
		ask(1, "a")
		if short, long := ask(1, "a", "b"); short >= long {
			t.Errorf("with two lists, to join the line takes %d commands, the long way %d", short, long)
		}
	})
}

// Who asks for two things, of which somebody reads one, may join the reader: the first in line keeps
// that aside, and is promised when it starts as soon as somebody's length is known.
func TestShortWaysInLineBesideReaders(t *testing.T) {
	scripted(t, func(w *ways, at func(string)) {
		n := 0
		ask := func(expect time.Duration, shared ...bool) {
			n++
			tk := &lockcore.Ticket{ID: fmt.Sprint("r", n), TTL: time.Minute, Wait: true, Expect: expect}
			for _, s := range shared {
				key := map[bool]string{true: "s", false: "a"}[s]
				tk.Requirements = append(tk.Requirements, lockcore.Requirement{Shared: s, Choice: lockcore.InOrder, Candidates: []lockcore.Candidate{{Key: key}}})
			}
			w.ask(tk)
			at(tk.ID)
		}
		ask(time.Minute, false)
		ask(time.Minute, true)
		ask(0, true, false)
		ask(time.Second, true, false)
		ask(0, true, false)
	})
}

// Several leases are renewed the short way in one call.
func TestShortWaysOfRenewals(t *testing.T) {
	scripted(t, func(w *ways, at func(string)) {
		for _, key := range []string{"a", "b", "a", "a"} {
			r := lockcore.Requirement{Choice: lockcore.InOrder, Candidates: []lockcore.Candidate{{Key: key}}}
			w.n++
			w.ask(&lockcore.Ticket{ID: fmt.Sprint("r", w.n), TTL: time.Minute, Wait: true, Requirements: []lockcore.Requirement{r}})
			at(key)
		}
		w.giveBack(0)
		tk := w.waiting[0]
		g := w.given(tk)
		if g == nil {
			t.Fatal("nothing was handed over")
		}
		w.held = append(w.held, []*lockcore.Grant{g, g})
		before := w.went[aRenewal]
		if w.renew(w.held); w.went[aRenewal] == before {
			t.Error("a lease and a grant were renewed the long way")
		}
		at("the renewals")
	})
}

// Before any test has ended, nobody knows how long one takes.
func TestShortWaysInLineBeforeAnyTestHasEnded(t *testing.T) {
	scripted(t, func(w *ways, at func(string)) {
		for _, id := range []string{"holder", "first", "second", "third"} {
			r := lockcore.Requirement{Choice: lockcore.InOrder, Candidates: []lockcore.Candidate{{Key: "a"}}}
			w.ask(&lockcore.Ticket{ID: id, TTL: time.Minute, Wait: true, Owner: lockcore.Owner{Test: "TestX"}, Requirements: []lockcore.Requirement{r}})
			at(id)
		}
		w.giveBack(0)
		at("a release")
	})
}

// While somebody waits who holds something meanwhile, even attempts stand in line for a moment.
func TestShortWaysInLineBesideNested(t *testing.T) {
	scripted(t, func(w *ways, at func(string)) {
		ask := func(id, key string, wait bool, parents ...string) {
			r := lockcore.Requirement{Choice: lockcore.InOrder, Candidates: []lockcore.Candidate{{Key: key}}}
			w.ask(&lockcore.Ticket{ID: id, TTL: time.Minute, Wait: wait, Parents: parents, Requirements: []lockcore.Requirement{r}})
			at(id)
		}
		ask("holder", "a", true)
		ask("first", "a", true)
		ask("other", "b", true)
		ask("nested", "b", true, "holder")
		ask("attempt", "a", false)
		ask("second", "a", true)
		w.giveBack(0)
		at("a release")
	})
}

// scripted has the two servers do the same, under both policies, and looks whether they have the same
// data.
func scripted(t *testing.T, f func(w *ways, at func(what string))) {
	miniredis.DumpMaxLineLen = math.MaxInt
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			w := newWays(t, seed)
			time.Sleep(time.Microsecond) // a call at a whole second sweeps
			f(w, func(what string) {
				if a, b := w.servers[0].Dump(), w.servers[1].Dump(); a != b {
					t.Errorf("%s: only the short ways leave\n%s\nonly the long ways\n%s", what, without(a, b), without(b, a))
				}
				time.Sleep(900 * time.Millisecond) // no whole seconds: then the connections are asked for a sign of life, which counts
			})
		})
	}
}

// giveBack gives back one of the leases.
func (w *ways) giveBack(j int) (short, long int) {
	g := w.held[j]
	w.held = slices.Delete(w.held, j, j+1)
	return w.both(func(i int, s *Store) {
		if err := s.Release(w.Context(), g[i], 0); err != nil {
			w.Fatal(err)
		}
	})
}

// longWays are the scripts without the short ways in line.
func longWays() scripts {
	whole := mutated
	defer func() { mutated = whole }()
	mutated = func(name, text string) string {
		if name == "lua/op/join_fast.lua" || name == "lua/op/hand_over_fast.lua" || name == "lua/op/renew_fast.lua" {
			return ""
		}
		return whole(name, text)
	}
	return assemble("solo")
}

// ways are two servers, of which the second has no short ways in line, and what they
// are asked.
type ways struct {
	testing.TB
	rand    *rand.Rand
	plain   bool // hardly anybody asks for anything but the usual, so that most go the short ways
	silent  bool // nobody knows how long anything takes, so that nobody is let past others
	servers []*miniredis.Miniredis
	stores  []*Store
	waiting []*lockcore.Ticket
	held    [][]*lockcore.Grant // by each of the stores
	n       int
	went    [7]int // how often what goes the short way, by whatGoes
}

var whatGoes = [7]string{"a request into the line", "a lease to the next", "a poll", "a renewal", "an attempt", "part of a lease to the next", "a lease whose end tells others how long they will take"}

const (
	aJoin = iota
	aHandOver
	aPoll
	aRenewal
	anAttempt // from here on too seldom to be sure of: see the next tests
	aPart
	aTold
)

func newWays(t *testing.T, seed uint64) *ways {
	w := &ways{TB: t, rand: rand.New(rand.NewPCG(seed, 0)), plain: seed%2 == 0, silent: seed%4 == 1 || seed%4 == 2}
	opts := &Options{Policy: []lockcore.QueuePolicy{lockcore.Backfill, lockcore.FIFO}[w.rand.IntN(2)]}
	for i := range 2 {
		m := miniredis.NewMiniRedis()
		t.Cleanup(m.Close)
		c := redis.NewClient(&redis.Options{
			Dialer: func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
			Addr:   "127.0.0.1:6379", // else the name is looked up, outside of the bubble
		})
		t.Cleanup(func() { c.Close() })
		s, err := New(c, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		s.hub.channel = "c" // a word of the records
		if i == 1 {
			s.scripts = longWays()
		}
		if _, err := s.Snapshot(t.Context()); err != nil { // a connection is there from now on
			t.Fatal(err)
		}
		w.servers, w.stores = append(w.servers, m), append(w.stores, s)
	}
	return w
}

// request is a new one: mostly for one of few lists, so that many wait for the same.
func (w *ways) request() *lockcore.Ticket {
	w.n++
	tk := &lockcore.Ticket{ID: fmt.Sprint("r", w.n), TTL: time.Duration(5+w.rand.IntN(60)) * time.Second, Wait: w.rand.IntN(10) > 0}
	lists, seldom := []string{"a", "ab", "ab", "ab", "x", "x", "x", "abc", "uvw", "uvw"}, func(n int) bool { return w.rand.IntN(n) == 0 }
	if w.plain {
		lists, seldom = []string{"a", "x", "uvw", "uvw"}, func(n int) bool { return w.rand.IntN(20*n) == 0 }
	}
	more := 0
	if seldom(20) {
		more = 1
	}
	for range 1 + more {
		keys := lists[w.rand.IntN(len(lists))]
		r := lockcore.Requirement{Need: 1 + w.rand.IntN(min(2, len(keys))), Choice: lockcore.InOrder, Shared: seldom(40)}
		if keys == "uvw" {
			r.Need = []int{1, 2, 2, 2, 2, 3}[w.rand.IntN(6)]
		}
		if seldom(40) {
			r.Choice = lockcore.LeastRecentlyUsed
		}
		for _, k := range keys {
			r.Candidates = append(r.Candidates, lockcore.Candidate{Key: string(k)})
		}
		tk.Requirements = append(tk.Requirements, r)
	}
	if tests := 8; w.rand.IntN(2) == 0 && !w.silent {
		if w.plain {
			tests = 2
		}
		tk.Owner.Test = fmt.Sprint("t", w.rand.IntN(tests))
	}
	if seldom(6) && !w.silent {
		tk.Expect = time.Duration(1+w.rand.IntN(5)) * time.Second
	}
	if w.rand.IntN(10) == 0 {
		tk.Priority = w.rand.IntN(5) - 2
	}
	if seldom(40) {
		tk.For = time.Minute
	}
	return tk
}

// both calls both stores, and reports how many commands each of the servers ran.
func (w *ways) both(f func(i int, s *Store)) (short, long int) {
	var n [2]int
	for i, s := range w.stores {
		before := w.servers[i].CommandCount()
		f(i, s)
		n[i] = w.servers[i].CommandCount() - before
	}
	return n[0], n[1]
}

// ask asks both stores, and takes in what they answer, which is the same.
func (w *ways) ask(tk *lockcore.Ticket) (short, long int) {
	var got [2]*lockcore.Grant
	var rest [2]lockcore.Answer
	short, long = w.both(func(i int, s *Store) {
		ans, err := s.Ask(w.Context(), tk, func(*lockcore.Grant) {})
		if err != nil {
			w.Fatal(err)
		}
		got[i], ans.Grant = ans.Grant, nil
		rest[i] = ans
	})
	if !reflect.DeepEqual(rest[0], rest[1]) {
		w.Fatalf("%s is told %+v the short way, and %+v the long one", tk.ID, rest[0], rest[1])
	}
	w.waiting = slices.DeleteFunc(w.waiting, func(o *lockcore.Ticket) bool { return o == tk })
	switch {
	case (got[0] == nil) != (got[1] == nil):
		w.Fatalf("one of them gives %s something", tk.ID)
	case got[0] != nil:
		w.held = append(w.held, got[:])
	case tk.Wait:
		w.waiting = append(w.waiting, tk)
	}
	return short, long
}

// given is what a waiter has been granted, as it is told by a message.
func (w *ways) given(tk *lockcore.Ticket) *lockcore.Grant {
	record := w.servers[0].HGet("{rtest:default}:all", encodeID(tk.ID))
	f := strings.Fields(record)
	lines := strings.Split(record, "\n")
	if len(f) < 3 || f[0] != "L" || tk.For > 0 {
		return nil
	}
	_, g := cutGrant(strings.Join([]string{encodeID(tk.ID), f[2], lines[2]}, " "))
	g.Ticket = tk
	return g
}

// renew has both stores renew some leases. Those that are no more are not renewed again.
func (w *ways) renew(some [][]*lockcore.Grant) {
	var errs [2][]error
	short, long := w.both(func(i int, s *Store) {
		var grants []*lockcore.Grant
		for _, g := range some {
			grants = append(grants, g[i])
		}
		var err error
		if errs[i], err = s.Renew(w.Context(), grants); err != nil {
			w.Fatal(err)
		}
	})
	if short < long {
		w.went[aRenewal]++
	}
	if fmt.Sprint(errs[0]) != fmt.Sprint(errs[1]) {
		w.Fatalf("to renew the short way brings %v, the long way %v", errs[0], errs[1])
	}
}

// step does something and reports whether both servers have the same data then.
func (w *ways) step() bool {
	time.Sleep(time.Duration(w.rand.IntN(1_500_000)) * time.Microsecond)
	did := ""
	switch k := w.rand.IntN(10); {
	case k < 5 && len(w.waiting) < 8:
		tk := w.request()
		did = fmt.Sprintf("%s asks for %v", tk.ID, tk.Requirements)
		if short, long := w.ask(tk); short < long {
			if len(w.waiting) > 0 && w.waiting[len(w.waiting)-1] == tk {
				w.went[aJoin]++
			} else if !tk.Wait {
				w.went[anAttempt]++
			}
		}
	case k < 7 && len(w.waiting) > 0:
		tk := w.waiting[w.rand.IntN(len(w.waiting))]
		did = tk.ID + " asks again"
		if g := w.given(tk); g != nil && w.rand.IntN(2) == 0 {
			did = tk.ID + " confirms"
			w.waiting = slices.DeleteFunc(w.waiting, func(o *lockcore.Ticket) bool { return o == tk })
			w.held = append(w.held, []*lockcore.Grant{g, {Ticket: tk, Token: g.Token, Obtained: g.Obtained}})
			w.renew(w.held[len(w.held)-1:])
		} else if short, long := w.ask(tk); short < long && slices.Contains(w.waiting, tk) {
			w.went[aPoll]++
		}
	case k < 8 && len(w.held) > 0:
		j := w.rand.IntN(len(w.held))
		some := w.held[j:min(len(w.held), j+1+w.rand.IntN(3))]
		did = fmt.Sprintf("%s and %d others renew", some[0][0].Ticket.ID, len(some)-1)
		if w.rand.IntN(10) == 0 {
			some = [][]*lockcore.Grant{{{Ticket: some[0][0].Ticket, Token: 7, Obtained: some[0][0].Obtained}, {Ticket: some[0][0].Ticket, Token: 7, Obtained: some[0][0].Obtained}}}
		}
		w.renew(some)
	case len(w.held) > 0:
		j := w.rand.IntN(len(w.held))
		g := w.held[j]
		w.held = slices.Delete(w.held, j, j+1)
		did = g[0].Ticket.ID + " gives back"
		if w.rand.IntN(8) == 0 {
			g[0].Ending, g[1].Ending = lockcore.TestFailed, lockcore.TestFailed
		}
		told := slices.ContainsFunc(w.waiting, func(tk *lockcore.Ticket) bool {
			return tk.Owner.Test != "" && tk.Owner.Test == g[0].Ticket.Owner.Test && tk.Expect == 0 && w.given(tk) == nil
		})
		short, long := w.both(func(i int, s *Store) {
			if err := s.Release(w.Context(), g[i], 0); err != nil {
				did += " what has expired"
			}
		})
		if short < long {
			if w.went[aHandOver]++; strings.Contains("uvw", g[0].Keys()[0]) && len(g[0].Keys()) == 2 {
				w.went[aPart]++
			}
			if told {
				w.went[aTold]++
			}
		}
	}
	if a, b := w.servers[0].Dump(), w.servers[1].Dump(); a != b {
		w.Errorf("%s; only the short ways leave\n%s\nonly the long ways\n%s", did, without(a, b), without(b, a))
		return false
	}
	return true
}

// without are the lines of a that are none of b.
func without(a, b string) string {
	others := strings.Split(b, "\n")
	return strings.Join(slices.DeleteFunc(strings.Split(a, "\n"), func(l string) bool { return slices.Contains(others, l) }), "\n")
}
