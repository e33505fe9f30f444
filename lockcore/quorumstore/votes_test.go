package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// A says is what a server of a script says to one call, after some time: an array
// or a number as a script replies, or an error.
type says struct {
	reply any
	after time.Duration
}

var (
	gives    = says{reply: int64(1)}
	refuses  = says{reply: []any{"no", []any{"holder", number(1), "60000000", encode(exclusive("k"))}}}
	nothing  = says{reply: []any{[]any{}, []any{}}} // to a look
	isDown   = says{reply: errors.New("connection refused")}
	tookBack = says{reply: int64(1)} // to a release: the lease was there
	isNotMe  = says{reply: int64(0)} // to a release: it was not
)

// A scriptedServers is servers that say what a test wants, and note what they are asked.
type scriptedServers struct {
	*Store
	mu     sync.Mutex
	script map[string][]says // by the name of a script, by server; what is not there, takes for ever
	calls  []string          // name and server
	args   map[string][]any  // of the last call of a script
}

var scriptNames = map[string]string{
	takeScript().Hash(): "take", lookScript().Hash(): "look", renewScript().Hash(): "renew", releaseScript().Hash(): "release",
}

// player is a server of a scriptedServers, in place of a connection.
type player struct {
	c *scriptedServers
	i int
}

func (p player) DialHook(next redis.DialHook) redis.DialHook { return next }
func (p player) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (p player) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		name := scriptNames[fmt.Sprint(cmd.Args()[1])]
		p.c.mu.Lock()
		p.c.calls = append(p.c.calls, fmt.Sprint(name, " ", p.i))
		p.c.args[name] = cmd.Args()
		say := says{after: time.Hour}
		if lines := p.c.script[name]; p.i < len(lines) {
			say = lines[p.i]
		}
		p.c.mu.Unlock()
		select {
		case <-time.After(say.after):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err, ok := say.reply.(error); ok {
			return err
		}
		cmd.(*redis.Cmd).SetVal(say.reply)
		return nil
	}
}

// play puts up a store on scripted servers in a bubble.
func play(t *testing.T, servers int, script map[string][]says, f func(c *scriptedServers)) {
	synctest.Test(t, func(t *testing.T) {
		c := &scriptedServers{script: script, args: make(map[string][]any)}
		var clients []redis.UniversalClient
		for i := range servers {
			cl := redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.%d:1", i+1), MaxRetries: -1}) // whom a hook answers for, so that nobody connects
			cl.AddHook(player{c, i})
			clients = append(clients, cl)
		}
		c.Store = Config{NodeTimeout: 500 * time.Millisecond}.New(clients...)
		for _, n := range c.nodes {
			n.took = 1 // they have answered before
		}
		c.subscribing = true // these servers tell nothing
		f(c)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		for _, cl := range clients {
			cl.Close()
		}
		time.Sleep(time.Minute)
	})
}

// asked counts the calls of a script.
func (c *scriptedServers) asked(name string) (servers []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.calls {
		if n, server, _ := strings.Cut(call, " "); n == name {
			servers = append(servers, server)
		}
	}
	slices.Sort(servers)
	return servers
}

func (c *scriptedServers) changes(script map[string][]says) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.script, c.calls = script, nil
}

func after(d time.Duration, s says) says { s.after = d; return s }

// TestVotes: what an Ask that waits makes of the answers of servers, how long it
// waits for them, and whom it tells that it was not meant.
func TestVotes(t *testing.T) {
	const ms, slow = time.Millisecond, 400 * time.Millisecond
	for _, c := range []struct {
		what    string
		take    []says
		granted bool
		took    time.Duration
		back    []string // the servers that are told to take it back
		fails   string
	}{
		{what: "all give it", take: []says{gives, gives, after(ms, gives)}, granted: true},
		{what: "a majority gives it, the rest is slow", take: []says{gives, after(ms, gives), after(slow, gives)}, granted: true, took: ms},
		{what: "a majority refuses", take: []says{gives, after(ms, refuses), after(ms, refuses)}, took: ms, back: []string{"0"}},
		{what: "a majority refuses, and nobody waits for the rest", take: []says{after(ms, refuses), after(ms, refuses), after(slow, gives), after(slow, gives), after(ms, refuses)}, took: ms, back: []string{"2", "3"}},
		{what: "half of four refuse, and nobody waits for the rest", take: []says{after(ms, refuses), after(ms, refuses), after(slow, gives), after(slow, gives)}, took: ms, back: []string{"2", "3"}},
		{what: "with those that are down it cannot be won, and nobody waits for the rest", take: []says{after(ms, refuses), after(ms, refuses), isDown, after(ms, gives), after(slow, gives)}, took: ms, back: []string{"2", "3", "4"}},
		{what: "it is undecided: the rest has a moment", take: []says{after(ms, gives), after(ms, refuses), after(slow, gives)}, took: 5 * ms, back: []string{"0", "2"}},
		{what: "two are down", take: []says{gives, isDown, isDown}, fails: "1 of 3 servers answered", back: []string{"0", "1", "2"}},
		{what: "something else answers", take: []says{gives, {reply: "PONG"}, {reply: []any{"perhaps"}}}, fails: "no script of this version", back: []string{"0", "1", "2"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			release := slices.Repeat([]says{tookBack}, len(c.take))
			play(t, len(c.take), map[string][]says{"take": c.take, "release": release}, func(s *scriptedServers) {
				start := time.Now()
				ans, err := s.Ask(context.Background(), waiting(ticketFor("one", time.Minute, "k")), func(*lockcore.Grant) {})
				took := time.Since(start)
				if (ans.Grant != nil) != c.granted || (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
					t.Errorf("got %+v, %v", ans.Grant, err)
				}
				if took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				time.Sleep(10 * time.Second) // for late answers and what follows from them
				back := slices.Compact(s.asked("release"))
				if !slices.Equal(back, c.back) {
					t.Errorf("told to take it back are servers %v, want %v", back, c.back)
				}
				for i := range s.nodes {
					knows := s.view.servers[i].leases["one"] != nil
					if want := c.granted && c.take[i].after <= c.took; knows != want {
						t.Errorf("server %d is taken to have the lease: %v, want %v", i, knows, want)
					}
				}
				if err == nil && !c.granted && (ans.Poll <= 0 || slices.ContainsFunc(c.take, func(s says) bool { return s.reply == gives.reply && s.after < slow }) && ans.Poll > 10*ms) {
					t.Errorf("it is to ask again after %s, though a vote that is split is soon decided", ans.Poll)
				}
			})
		})
	}
}

// TestOutrun: a waiter that is refused by the server that all ask first goes to no
// other one, and one that most others refuse then takes that server to be odd.
func TestOutrun(t *testing.T) {
	play(t, 3, map[string][]says{"take": {refuses, gives, gives}, "release": {tookBack, tookBack, tookBack}}, func(s *scriptedServers) {
		ask := func(id, key string) lockcore.Answer {
			ticket := waiting(ticketFor(id, time.Minute, key))
			k, err := s.enter(context.Background(), ticket)
			if err != nil {
				t.Fatal(err)
			}
			k.leave()
			k.hint = freeAtLeader // as if it had been woken
			ans, err := s.Ask(context.Background(), ticket, func(*lockcore.Grant) {})
			if err != nil {
				t.Error(err)
			}
			return ans
		}
		if ans := ask("one", "k"); ans.Grant != nil {
			t.Errorf("the first server refused, and yet: %+v", ans.Grant)
		}
		if others := slices.DeleteFunc(s.asked("take"), func(i string) bool { return i == "0" }); len(others) > 0 || s.asked("release") != nil {
			t.Errorf("asked were also %v, told to take it back %v", others, s.asked("release"))
		}
		s.changes(map[string][]says{"take": {gives, refuses, refuses}, "release": {tookBack, tookBack, tookBack}})
		if ans := ask("two", "other"); ans.Grant != nil {
			t.Errorf("two of three refused, and yet: %+v", ans.Grant)
		}
		if g := s.leader(time.Now()); g != 1 {
			t.Errorf("server 0 gave what most refused, and server %d is asked first from now on", g)
		}
		if back := s.asked("release"); !slices.Equal(back, []string{"0"}) {
			t.Errorf("told to take it back are %v", back)
		}
	})
}

// TestAdopt: what a ticket has on a majority already, by an earlier attempt, it is
// granted, once it is renewed; what it has on fewer is none.
func TestAdopt(t *testing.T) {
	has := func(attempt int64, key string) says {
		return says{reply: []any{"have", number(attempt), encode(exclusive(key)), `{"counts":[1]}`}}
	}
	live, none := says{reply: []any{[]any{"live"}}}, says{reply: []any{[]any{"none"}}}
	for _, c := range []struct {
		what        string
		take, renew []says
		want        string // the key
		renewed     bool
	}{
		{"a majority has it", []says{has(5, "b"), has(5, "b"), after(time.Millisecond, refuses)}, []says{live, live, none}, "b", true},
		{"a majority had it, and lost it since", []says{has(5, "b"), has(5, "b"), after(time.Millisecond, refuses)}, []says{none, none, none}, "", true},
		{"one has it", []says{has(5, "b"), refuses, refuses}, []says{live, live, live}, "", false},
		{"two have different things", []says{has(5, "b"), has(5, "a"), refuses}, []says{live, live, live}, "", false},
		{"two have the same by different attempts", []says{has(5, "b"), has(6, "b"), refuses}, []says{live, live, live}, "", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			play(t, 3, map[string][]says{"take": c.take, "renew": c.renew, "release": {isNotMe, isNotMe, isNotMe}, "look": {nothing, nothing, nothing}}, func(s *scriptedServers) {
				ans, err := s.Ask(context.Background(), waiting(ticketFor("one", time.Minute, "a", "b")), func(*lockcore.Grant) {})
				got := ""
				if ans.Grant != nil {
					got = strings.Join(ans.Grant.Keys(), " ")
				}
				if err != nil || got != c.want {
					t.Errorf("got %q, %v, want %q", got, err, c.want)
				}
				if renewed := s.asked("renew") != nil; renewed != c.renewed {
					t.Errorf("it was renewed: %v, want %v", renewed, c.renewed)
				}
			})
		})
	}
}
