package redisstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// What is plain takes the short way: a call, and in it the time, one read and two
// writes. It is what the long way would do, so only what it costs tells them apart.
func TestShortWays(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		if _, err := s.Snapshot(b.Context()); err != nil { // a connection is there from now on
			b.Fatal(err)
		}
		const short = 5
		way := func(what string, want bool, f func()) {
			b.Helper()
			if time.Sleep(time.Microsecond); time.Now().UnixMicro()%64 == 0 {
				time.Sleep(time.Microsecond) // one in 64 microseconds sweeps
			}
			before := b.server.CommandCount()
			f()
			if n := b.server.CommandCount() - before; (n == short) != want {
				b.Errorf("%s takes %d commands, the short way is %d", what, n, short)
			}
		}
		n := 0
		get := func(what string, want bool, change func(*lockcore.Ticket), reqs ...lockcore.Requirement) (g *lockcore.Grant) {
			b.Helper()
			n++
			tk := ticket(fmt.Sprint("t", n), time.Minute, reqs...)
			tk.Owner.Test = "TestPlain"
			if change != nil {
				change(tk)
			}
			way("to ask for "+what, want, func() { g = ask(b, s, tk).Grant })
			if g == nil {
				b.Fatalf("%s: nothing is granted", what)
			}
			return g
		}
		back := func(what string, want bool, g *lockcore.Grant) {
			b.Helper()
			way("to give back "+what, want, func() { giveBack(b, s, g) })
		}
		ordered := func(r lockcore.Requirement) lockcore.Requirement {
			r.Choice = lockcore.InOrder
			return r
		}
		shared := func(r lockcore.Requirement) lockcore.Requirement {
			r.Shared = true
			return r
		}
		back("the first of all", false, get("the first of all", false, nil, of(1, "a")))
		back("what a test has had before", true, get("one", true, nil, of(1, "a")))
		back("what is shared with nobody", true, get("one to share", true, nil, shared(of(1, "a"))))
		silent := func(tk *lockcore.Ticket) { tk.Owner = lockcore.Owner{} }
		back("three", true, get("three", true, silent, of(2, "a", "b"), of(1, "c")))
		one, more := of(1, "c"), of(2, "a", "b")
		g := get("three, one of them first", true, silent, one, more)
		if !slices.Equal(g.Keys()[:1], []string{"c"}) || len(g.Obtained) != 2 || len(g.Obtained[1]) != 2 {
			b.Errorf("it got %q", g.Obtained)
		}
		consistent(b, b.server)
		back("these three", true, g)
		two := func(tk *lockcore.Ticket) { tk.Owner.Test = "TestOfTwo" }
		back("a test's first", false, get("a test's first", true, two, of(1, "a")))
		back("its second", true, get("its second", true, two, of(1, "a")))
		long := func(tk *lockcore.Ticket) { tk.Expect = time.Second }
		back("what was said to take a second", true, get("a second", true, long, of(1, "a")))

		taken := get("one", true, nil, ordered(of(1, "a", "b")))
		other := get("the one of two that is free", true, nil, of(1, "a", "b"))
		back("that", true, other)
		back("the second in order", true, get("the second in order", false, nil, ordered(of(1, "a", "b"))))
		back("that", true, taken)

		reader, both := get("one to share", true, nil, shared(of(1, "a"))), get("one that is shared", false, nil, shared(of(1, "a")))
		back("one that is shared", false, reader)
		back("one that was shared", true, both)

		seats := of(1, "seats")
		seats.Seats = 2
		back("a seat", false, get("a seat", false, nil, seats))
		recent := of(1, "a", "b")
		recent.Choice = lockcore.LeastRecentlyUsed
		back("what was used when", true, get("what was used when", false, nil, recent))
		failed := get("one", true, nil, of(1, "a"))
		failed.Ending = lockcore.TestFailed
		back("what a test has failed with", false, failed)
		back("what it has made good", false, get("what a test has failed with", false, nil, of(1, "a")))
		back("what is good again", true, get("what is good again", true, nil, of(1, "a")))

		sweeps := get("one", true, nil, of(1, "a"))
		for time.Now().UnixMicro()%64 != 0 {
			time.Sleep(time.Microsecond)
		}
		before := b.server.CommandCount()
		if giveBack(b, s, sweeps); b.server.CommandCount()-before == short {
			b.Error("nobody sweeps")
		}

		// A release that comes late, after the request has another lease, of more: it
		// takes all of that, although what it says it had is there.
		late := get("one", true, func(tk *lockcore.Ticket) { tk.ID, tk.TTL = "again", 10*time.Second }, of(1, "a"))
		time.Sleep(11 * time.Second)
		back("what a test has died with", false, get("what a test has died with", false, nil, of(1, "a")))
		get("more", true, func(tk *lockcore.Ticket) { tk.ID = "again" }, of(2, "a", "b"))
		back("what it had before", false, late)
		consistent(b, b.server)
		back("what was left", true, get("what was left", true, nil, of(1, "b")))

		awaited := get("one", true, nil, of(1, "a"))
		waiter := ticket("waiter", time.Minute, of(1, "a"))
		ask(b, s, waiter)
		back("what somebody waits for", false, awaited)
		giveBack(b, s, ask(b, s, waiter).Grant)
	})
}

// The short ways in line write nothing if another program has taken a key that they need.
func TestShortWaysBesideAKeyOfTheWrongType(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		nameless := func(id string) *lockcore.Ticket {
			tk := ticket(id, time.Minute, of(1, "k"))
			tk.Owner = lockcore.Owner{}
			return tk
		}
		const wait = "{rtest:default}:wait"
		before := "" // what there is, while another program has the key
		take := func() {
			b.server.Del(wait)
			if _, err := b.server.Push(wait, "x"); err != nil {
				b.Fatal(err)
			}
			before = b.server.Dump()
			for time.Now().UnixMicro()%64 == 0 { // then the long way is gone
				time.Sleep(time.Microsecond)
			}
		}
		held := ask(b, s, nameless("held")).Grant
		ask(b, s, nameless("first"))
		take()
		if _, err := s.Ask(b.Context(), ticket("named", time.Minute, of(1, "k")), nil); err == nil || b.server.Dump() != before {
			b.Errorf("to join the line left something, or went well (%v)", err)
		}
		b.server.Del(wait)
		for _, id := range []string{"next", "last"} {
			tk := ticket(id, time.Minute, of(1, "k"))
			tk.Priority = 1
			ask(b, s, tk)
		}
		take()
		if err := s.Release(b.Context(), held, 0); err == nil || b.server.Dump() != before {
			b.Errorf("to hand over left something, or went well (%v)", err)
		}
	})
}

// Where somebody deleted the last token by hand, the data begin anew with whoever is next.
func TestShortWaysWithoutTheLastToken(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		held := ask(b, s, ticket("held", time.Minute, of(1, "k"))).Grant
		next := ticket("next", time.Minute, of(1, "k"))
		ask(b, s, next)
		ask(b, s, ticket("last", time.Minute, of(1, "k")))
		before := b.server.HGet("{rtest:default}:all", "#epoch")
		b.server.HDel("{rtest:default}:all", "#fence")
		time.Sleep(time.Microsecond) // the moment of the last grant is over
		giveBack(b, s, held)
		if g := ask(b, s, next).Grant; g == nil || b.server.HGet("{rtest:default}:all", "#epoch") == before {
			b.Errorf("next has %+v, and the data began at %s", g, before)
		}
	})
}

// Nobody gets into a line, or hears of it, under another policy.
func TestShortWaysAreOfOnePolicy(t *testing.T) {
	inBubble(t, func(b bubble) {
		s, other := b.open(redisstore.Options{Policy: lockcore.FIFO}), b.open(redisstore.Options{})
		for _, id := range []string{"held", "first", "second"} {
			ask(b, s, ticket(id, time.Minute, of(1, "k")))
			time.Sleep(time.Microsecond)
		}
		for _, wait := range []bool{true, false} {
			tk := ticket("other", time.Minute, of(1, "k"))
			tk.Wait = wait
			if ans, err := other.Ask(b.Context(), tk, nil); err == nil {
				b.Errorf("waiting %v, under another policy it is told %+v", wait, ans)
			}
		}
	})
}
