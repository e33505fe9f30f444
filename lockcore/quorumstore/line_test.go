package quorumstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
)

// onWake asks until the ticket is granted, and after the first time only when it
// is woken, or at once after a collision: never because a poll is due. What was
// asked in vain is told, to whoever wants to know.
func onWake(ctx context.Context, s *Store, ticket *lockcore.Ticket, vain ...chan<- struct{}) (*lockcore.Grant, error) {
	woken := make(chan struct{}, 1)
	for {
		ans, err := retry(ctx, func() (lockcore.Answer, error) {
			return s.Ask(ctx, ticket, func(*lockcore.Grant) {
				select {
				case woken <- struct{}{}:
				default:
				}
			})
		})
		if err != nil || ans.Grant != nil {
			return ans.Grant, err
		}
		for _, c := range vain {
			c <- struct{}{}
		}
		var collided <-chan time.Time
		if ans.Poll < time.Second {
			collided = time.After(ans.Poll)
		}
		select {
		case <-woken:
		case <-collided:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// listening waits until a store is subscribed to these servers.
func listening(t *testing.T, s *Store, servers ...int) {
	t.Helper()
	until(t, fmt.Sprintf("servers %v are listened to", servers), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !slices.ContainsFunc(servers, func(i int) bool { return !s.nodes[i].subscribed })
	})
}

// inLine waits until somebody waits in a store.
func inLine(t *testing.T, s *Store) {
	t.Helper()
	until(t, "the waiter is in line", func() bool {
		snap, err := s.Snapshot(watched(t))
		return err == nil && len(snap.Waiters) == 1
	})
}

// handOver lets one store give a key, which it has on some of the servers, to
// another store, which has to be woken and is subscribed to some.
func handOver(t *testing.T, servers []*redistest.Server, on, subscribed []int) {
	t.Helper()
	ctx := watched(t)
	from, to := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	// On a busy machine, one attempt does not always reach a majority in time.
	g, err := await(ctx, from, waiting(ticketFor("holder", time.Minute, "k")))
	if err != nil {
		t.Fatal(err)
	}
	spread(t, servers, "holder", on...) // else one may have nothing to tell of
	type result struct {
		g   *lockcore.Grant
		err error
	}
	got := make(chan result)
	go func() {
		g, err := onWake(ctx, to, waiting(ticketFor("waiter", time.Minute, "k")))
		got <- result{g, err}
	}()
	listening(t, to, subscribed...)
	inLine(t, to)
	if err := from.Release(ctx, g, 0); err != nil {
		t.Fatal(err)
	}
	r := <-got
	if r.err != nil {
		t.Fatalf("the waiter was not woken: %v", r.err)
	}
	if err := to.Release(ctx, r.g, 0); err != nil {
		t.Fatal(err)
	}
}

// onlyOnePublishes starts three servers, of which only one takes subscriptions.
func onlyOnePublishes(t *testing.T, speaker int) (servers []*redistest.Server) {
	for i := range 3 {
		var args []string
		if i != speaker {
			args = []string{"--rename-command", "SUBSCRIBE", "unavailable"}
		}
		servers = append(servers, redistest.Start(t, args...))
	}
	return servers
}

// TestWokenByAnyServer: one server that tells of a release is enough, whichever
// it is.
func TestWokenByAnyServer(t *testing.T) {
	for speaker := range 3 {
		t.Run(fmt.Sprint(speaker), func(t *testing.T) {
			handOver(t, onlyOnePublishes(t, speaker), []int{0, 1, 2}, []int{speaker})
		})
	}
}

// TestWokenTooEarly: a waiter may be subscribed to one server only, which publishes a
// release that has not reached the others yet. It comes back until it has the key.
func TestWokenTooEarly(t *testing.T) {
	servers := onlyOnePublishes(t, 2)
	from, to := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	teach(t, from)
	g := take(t, from, ticketFor("holder", time.Hour, "k"))
	spread(t, servers, "holder", 0, 1, 2)
	ctx, asked := watched(t), make(chan struct{}, 100)
	got := make(chan error)
	go func() {
		_, err := onWake(ctx, to, waiting(ticketFor("waiter", time.Hour, "k")), asked)
		got <- err
	}()
	listening(t, to, 2)
	inLine(t, to)
	one, two := holdQuestion(t, from.nodes[0], releaseScript()), holdQuestion(t, from.nodes[1], releaseScript())
	released := make(chan error)
	go func() { released <- from.Release(ctx, g, 0) }()
	<-one.stuck
	<-two.stuck
	until(t, "one server has published the end of the lease", func() bool { to.mu.Lock(); defer to.mu.Unlock(); return len(to.unconfirmed) > 0 })
	for len(asked) > 0 {
		<-asked
	}
	for range 3 { // one may be older, and one is what everybody gets
		select {
		case <-asked:
		case <-ctx.Done():
			t.Fatal("the waiter was not woken again")
		}
	}
	one.lift()
	two.lift()
	if err := <-released; err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the waiter was not woken again: %v", err)
	}
}

// TestWokenWhileAsking: a waiter that is waiting for older answers does not miss what
// a server other than the lead server publishes.
func TestWokenWhileAsking(t *testing.T) {
	servers := onlyOnePublishes(t, 2)
	from, to := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	teach(t, to)
	g := take(t, from, ticketFor("holder", time.Hour, "k"))
	spread(t, servers, "holder", 0, 1, 2)
	waiter := waiting(ticketFor("waiter", time.Hour, "k"))
	if take(t, to, waiter) != nil {
		t.Fatal("a key that is held was given out")
	}
	state := func(f func() bool) func() bool {
		return func() bool { to.mu.Lock(); defer to.mu.Unlock(); return f() }
	}
	until(t, "the subscription is there and dealt with", state(func() bool { return to.nodes[2].subscribed && !to.lookAtAll }))

	one, two := holdAnswer(t, to.nodes[0], lookScript()), holdAnswer(t, to.nodes[1], lookScript())
	answers := make(chan lockcore.Answer)
	go func() {
		ans, err := to.Ask(watched(t), waiter, func(*lockcore.Grant) {})
		if err != nil {
			t.Error(err)
		}
		answers <- ans
	}()
	<-one.stuck
	<-two.stuck
	release(t, from, g)
	spread(t, servers, "holder")
	until(t, "the waiter is told", state(func() bool { return to.tickets["waiter"].recheck }))
	one.lift()
	two.lift()
	if ans := <-answers; ans.Grant != nil || ans.Poll > time.Second {
		t.Errorf("most servers answered before the release, and one has told of it: want to be asked again at once, got %+v", ans)
	}
	if take(t, to, waiter) == nil {
		t.Error("a free key was refused")
	}
}

// TestWokenByReturn: messages may have been missed while no subscription worked, so a
// waiter looks anew as soon as one works again.
func TestWokenByReturn(t *testing.T) {
	servers := redistest.StartN(t, 3)
	proxies, url := proxied(t, servers)
	from, to := openStore(t, urlOf(servers)), openStore(t, url)
	ctx := watched(t)
	g := take(t, from, ticketFor("holder", time.Minute, "k"))
	got := make(chan error)
	go func() {
		_, err := onWake(ctx, to, waiting(ticketFor("waiter", time.Minute, "k")))
		got <- err
	}()
	listening(t, to, 0, 1, 2)
	inLine(t, to)
	for _, p := range proxies {
		p.Refuse(true)
		p.Cut()
	}
	until(t, "no subscription works", func() bool {
		to.mu.Lock()
		defer to.mu.Unlock()
		return !slices.ContainsFunc(to.nodes, func(n *node) bool { return n.subscribed })
	})
	release(t, from, g)
	for _, p := range proxies {
		p.Refuse(false)
	}
	if err := <-got; err != nil {
		t.Fatalf("the waiter was not woken: %v", err)
	}
}

// leaveStaleHolder leaves a lease on one server, as a client does that dies in the
// midst of a vote.
func leaveStaleHolder(t *testing.T, server *redistest.Server) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	dead := Config{Namespace: "test", NodeTimeout: watchdog}.New(c)
	defer dead.Close()
	if take(t, dead, ticketFor("stale", time.Hour, "k")) == nil {
		t.Fatal("a free key was refused")
	}
}

// TestStaleHolder: a lease that a client left on one server, when it died in the midst
// of a vote, keeps nobody from the key and no waiter asleep.
func TestStaleHolder(t *testing.T) {
	servers := redistest.StartN(t, 3)
	leaveStaleHolder(t, servers[0])
	handOver(t, servers, []int{1, 2}, []int{0, 1, 2})
}

// TestStaleHolderAndSlowServer: nor does it when another server
// takes long to say what it has.
func TestStaleHolderAndSlowServer(t *testing.T) {
	servers := redistest.StartN(t, 3)
	leaveStaleHolder(t, servers[0])
	s := openStore(t, urlOf(servers))
	teach(t, s)
	warm(t, s)
	slow := holdAnswer(t, s.nodes[2], lookScript())
	ticket := ticketFor("one", time.Hour, "k")
	ticket.Requirements[0].Choice = lockcore.LeastRecentlyUsed // which begins with a look
	if _, err := await(watched(t), s, waiting(ticket)); err != nil {
		t.Errorf("two of three servers have the key: %v", err)
	}
	<-slow.stuck
}

// TestStaleHolderAndFarServer: nor when that server is far away, so that its votes come
// long after the others.
func TestStaleHolderAndFarServer(t *testing.T) {
	servers := redistest.StartN(t, 3)
	leaveStaleHolder(t, servers[0])
	proxies, url := proxied(t, servers)
	proxies[2].Delay(50 * time.Millisecond)
	s := openStore(t, url)
	warm(t, s)
	if _, err := await(watched(t), s, waiting(ticketFor("one", time.Hour, "k"))); err != nil {
		t.Fatal(err)
	}
}

// TestWokenByExpiry: nobody tells that a lease has run out, and yet nobody waits
// for a poll.
func TestWokenByExpiry(t *testing.T) {
	servers := redistest.StartN(t, 3)
	one, two := openStore(t, urlOf(servers)), openStore(t, urlOf(servers))
	// Should it take too long to get such a short lease, it is asked for again.
	if _, err := retry(watched(t), func() (lockcore.Answer, error) {
		return one.Ask(watched(t), ticketFor("dies", 400*time.Millisecond, "k"), nil)
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := onWake(watched(t), two, waiting(ticketFor("next", time.Minute, "k"))); err != nil {
		t.Fatal(err)
	}
}

// TestWakeServable: of the waiters of a process, those are woken that can be served at
// the same time, by priority, then by arrival.
func TestWakeServable(t *testing.T) {
	s := Config{}.build(make([]string, 3), make([]redis.UniversalClient, 3))
	now := time.Now()
	var woken []string
	enter := func(id string, priority, need int, waited time.Duration) *ticket {
		k := &ticket{id: id, turn: make(chan struct{}, 1), lastAsked: now, t: waiting(ticketFor(id, time.Minute, "a", "b"))}
		k.t.Requirements[0].Need, k.t.Priority, k.t.Waited = need, priority, waited
		s.tickets[id] = k
		s.addToLine(k, func(*lockcore.Grant) { woken = append(woken, id) })
		return k
	}
	both := enter("both", 0, 2, 3*time.Second)
	enter("one", 0, 1, 2*time.Second)
	enter("late", 0, 1, 0)
	urgent := enter("urgent", 1, 1, time.Second)
	wake := func(free ...string) string {
		woken = nil
		s.wakeServable(now, freeAtLeader, func(_ *lockcore.Requirement, key string) int {
			if slices.Contains(free, key) {
				return 1
			}
			return 0
		})
		return fmt.Sprint(woken)
	}
	upgraded := func() {
		s.wakeServable(now, freeElsewhere, func(*lockcore.Requirement, string) int { return 0 })
		if urgent.hint != freeElsewhere {
			t.Error("a waiter that is to look at the lead server only missed that something came free elsewhere")
		}
	}
	for _, c := range []struct {
		what string
		do   func()
		free []string
		want string
	}{
		{what: "nothing is free", want: "[]"},
		{what: "one is free: the most urgent can have it", free: []string{"a"}, want: "[urgent]"},
		{what: "that one is at it; another came free", do: upgraded, free: []string{"a", "b"}, want: "[one]"},
		{what: "both are at it", free: []string{"a", "b"}, want: "[]"},
		{what: "it does not come, and others may", do: func() { now = now.Add(2 * wokenFor) }, free: []string{"a"}, want: "[urgent]"},
		{what: "it gave up", do: func() { s.forget(urgent) }, free: []string{"a"}, want: "[one]"},
		{what: "all gave up who are at it, and both is the first", do: func() { now = now.Add(2 * wokenFor) }, free: []string{"a", "b"}, want: "[both]"},
		{what: "it collided, and stays away for a moment", do: func() { now = now.Add(2 * wokenFor); both.after = now.Add(time.Second) }, free: []string{"a", "b"}, want: "[one late]"},
		{what: "nobody was heard of for long", do: func() { now = now.Add(time.Minute) }, free: []string{"a", "b"}, want: "[]"},
	} {
		if c.do != nil {
			c.do()
		}
		if got := wake(c.free...); got != c.want {
			t.Errorf("%s: woken were %s, want %s", c.what, got, c.want)
		}
	}
	if len(s.line) != 0 || len(s.tickets) != 0 {
		t.Errorf("waiters that were not heard of are still there: %d in line, %d tickets", len(s.line), len(s.tickets))
	}
}

// TestCircle: within a process, a circle of nested acquisitions is recognised.
func TestCircle(t *testing.T) {
	l := lockcore.New(openStore(t, urlOf(redistest.StartN(t, 3))), nil)
	ctx := watched(t)
	acquire := func(ctx context.Context, key string) (*lockcore.Lease, error) {
		return l.Acquire(ctx, lockcore.Request{Requirements: ticketFor("", 0, key).Requirements})
	}
	x, err1 := acquire(ctx, "x")
	y, err2 := acquire(ctx, "y")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	got := make(chan error)
	go func() {
		nested, err := acquire(x.Context(), "y")
		if err == nil {
			err = nested.Release(ctx)
		}
		got <- err
	}()
	until(t, "somebody waits", func() bool {
		snap, err := l.Snapshot(ctx)
		return err == nil && len(snap.Waiters) == 1
	})
	if _, err := acquire(y.Context(), "x"); !errors.Is(err, lockcore.ErrDeadlock) {
		t.Errorf("want ErrDeadlock, got %v", err)
	}
	if err := y.Release(ctx); err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the first to wait should be served: %v", err)
	}
}
