package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// Requests that always say that they take a second, and take half a minute, are let
// past somebody for as long as that has patience, and not for ever. It would have
// been served after ten seconds, bears with a minute of it, and then waits for the
// last of them.
func TestLiars(t *testing.T) {
	inBubble(t, func(b bubble) {
		const honest, patience, lie = 10 * time.Second, time.Minute, 30 * time.Second
		s := b.open(redisstore.Options{})
		first := ticket("first", time.Hour, of(1, "a"))
		first.Expect = honest
		g := ask(b, s, first).Grant
		big, start := ticket("big", time.Hour, of(2, "a", "b")), time.Now()
		ask(b, s, big)
		type liar struct {
			grant *lockcore.Grant
			since time.Duration
		}
		var liars []liar
		passed, late := 0, 0
		for at := time.Duration(0); ; at = time.Since(start) {
			if at >= honest && g != nil {
				giveBack(b, s, g)
				g = nil
			}
			for len(liars) > 0 && at-liars[0].since >= lie {
				giveBack(b, s, liars[0].grant)
				liars = liars[1:]
			}
			if ask(b, s, big).Grant != nil {
				if at > honest+patience+lie+time.Second {
					b.Errorf("it was served after %s", at)
				}
				break
			}
			if at > 5*time.Minute {
				b.Fatal("it is starved")
			}
			tk := ticket(fmt.Sprint("liar at ", at), time.Hour, of(1, "a", "b"))
			tk.Expect, tk.Wait = time.Second, false
			if l := ask(b, s, tk).Grant; l != nil {
				if !l.Backfilled {
					b.Errorf("after %s somebody got a board without being let past", at)
				}
				passed++
				if at > honest {
					late++
				}
				liars = append(liars, liar{l, at})
			}
			time.Sleep(time.Second)
		}
		if passed < 3 || late == 0 {
			b.Errorf("%d were let past, %d of them while it waited for nobody else: that is no test of its patience", passed, late)
		}
	})
}

func giveBack(t testing.TB, s lockcore.Store, g *lockcore.Grant) {
	t.Helper()
	if err := s.Release(t.Context(), g, 0); err != nil {
		t.Fatal(err)
	}
}

// hold has a test hold a key of its own for a while.
func hold(t testing.TB, s lockcore.Store, test string, n int, d time.Duration) {
	t.Helper()
	tk := ticket(fmt.Sprintf("%s %d", test, n), time.Hour, of(1, "key of "+test))
	tk.Owner = lockcore.Owner{Test: test, Package: "example.com/p"}
	g := ask(t, s, tk).Grant
	if g == nil {
		t.Fatalf("%s got nothing", test)
	}
	time.Sleep(d)
	giveBack(t, s, g)
}

func history(t testing.TB, s *redisstore.Store) map[string]lockcore.Usage {
	t.Helper()
	known, err := s.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]lockcore.Usage)
	for _, u := range known {
		out[u.Test] = u
	}
	return out
}

// Of each test the last 20 holds count, and none that did not end by a release;
// the median of what was known at the grant is what is expected of a lease.
func TestWhatIsLearned(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		for i := range 30 {
			d := time.Duration(i) * time.Second
			if i < 20 {
				d = 5 * time.Minute
			}
			hold(b, s, "TestX", i, d)
		}
		u := history(b, s)["TestX"]
		if u.Package != "example.com/p" || u.Holds != 20 || u.Median != 5*time.Minute || u.Shortest != 20*time.Second || u.Longest != 5*time.Minute {
			b.Errorf("10 holds of 5 minutes, and 10 shorter ones after that: %+v", u)
		}
		hold(b, s, "TestX", 30, time.Second)
		if u := history(b, s)["TestX"]; u.Median != 29*time.Second {
			b.Errorf("most are shorter now: %+v", u)
		}
		tk := ticket("expects", time.Hour, of(1, "k"))
		tk.Owner = lockcore.Owner{Test: "TestX", Package: "example.com/p"}
		expects := ask(b, s, tk).Grant
		hold(b, s, "TestX", 31, time.Second)
		snap, err := s.Snapshot(b.Context())
		if err != nil || len(snap.Holders) != 1 || snap.Holders[0].Expect != 29*time.Second {
			b.Errorf("at its grant 29 s were expected: %+v, %v", snap.Holders, err)
		}
		// So it is of a waiter, and of the lease that it becomes.
		waits := ticket("waits", time.Hour, of(1, "k"))
		waits.Owner = tk.Owner
		ask(b, s, waits)
		if snap, err = s.Snapshot(b.Context()); err != nil || len(snap.Waiters) != 1 || snap.Waiters[0].Expect != history(b, s)["TestX"].Median {
			b.Errorf("the waiter is expected to take what its test took: %+v, %v", snap.Waiters, err)
		}
		giveBack(b, s, expects)
		if snap, err = s.Snapshot(b.Context()); err != nil || len(snap.Holders) != 1 || snap.Holders[0].ID != "waits" || snap.Holders[0].Expect != history(b, s)["TestX"].Median {
			b.Errorf("as a lease, it is expected to take what its test took: %+v, %v", snap.Holders, err)
		}

		for name, end := range map[string]func(*lockcore.Ticket, *lockcore.Grant) error{
			"TestWithdrawn": func(tk *lockcore.Ticket, _ *lockcore.Grant) error { return s.Withdraw(b.Context(), tk.ID) },
			"TestExpired":   func(*lockcore.Ticket, *lockcore.Grant) error { time.Sleep(2 * time.Hour); return nil },
			"TestFreed": func(_ *lockcore.Ticket, g *lockcore.Grant) error {
				_, err := s.Free(b.Context(), g.Keys()[0], "for the test")
				return err
			},
		} {
			tk := ticket(name, time.Hour, of(1, name))
			if err := end(tk, ask(b, s, tk).Grant); err != nil {
				b.Fatal(err)
			}
			if u, ok := history(b, s)[name]; ok {
				b.Errorf("%s: that is no length of a test: %+v", name, u)
			}
		}
		kept := ticket("TestKept", time.Hour, of(1, "kept"))
		g := ask(b, s, kept).Grant
		time.Sleep(time.Minute)
		if err := s.Release(b.Context(), g, time.Hour); err != nil {
			b.Fatal(err)
		}
		if u := history(b, s)["TestKept"]; u.Median != time.Minute {
			b.Errorf("it ended after a minute, however long its resource is kept: %+v", u)
		}
	})
}

// The usual time follows what tests take, by parts of itself and a microsecond at least;
// one that takes just that long does not move it.
func TestWhatIsUsual(t *testing.T) {
	const up, down = time.Second * sched.UsualUp / sched.UsualParts, time.Second * sched.UsualDown / sched.UsualParts
	for _, steps := range [][]struct{ took, usual time.Duration }{
		{{0, time.Microsecond}, {0, time.Microsecond}, {5 * time.Microsecond, 2 * time.Microsecond}, {2 * time.Microsecond, 2 * time.Microsecond}},
		{{time.Second, time.Second}, {time.Second, time.Second}, {time.Minute, time.Second + up}},
		{{time.Second, time.Second}, {time.Millisecond, time.Second - down}},
	} {
		inBubble(t, func(b bubble) {
			s := b.open(redisstore.Options{})
			for i, step := range steps {
				hold(b, s, fmt.Sprint("Test", i), i, step.took)
				if snap, err := s.Snapshot(b.Context()); err != nil || snap.Usual != step.usual {
					b.Errorf("after one of %s, as the last of %v, the usual time is %s; %v", step.took, steps[:i+1], snap.Usual, err)
				}
			}
		})
	}
}

// A program of before, which knew of no usual time, has left what tests took.
func TestWhatIsUsualBeginsLate(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		time.Sleep(time.Microsecond) // a release at a whole second goes the long way
		hold(b, s, "Test", 0, time.Second)
		b.server.HDel("{rtest:default}:all", "#usual")
		hold(b, s, "Test", 1, time.Minute)
		if snap, err := s.Snapshot(b.Context()); err != nil || snap.Usual != time.Minute {
			b.Errorf("after the first one that is counted, of a minute, the usual time is %s; %v", snap.Usual, err)
		}
	})
}

// What is older than 90 days says nothing, and is swept.
func TestOldHistory(t *testing.T) {
	inBubble(t, func(b bubble) {
		s := b.open(redisstore.Options{})
		hold(b, s, "TestOld", 0, time.Second)
		time.Sleep(89 * 24 * time.Hour)
		hold(b, s, "TestNew", 0, time.Second)
		if known := history(b, s); len(known) != 2 {
			b.Errorf("it is not 90 days ago: %v", known)
		}
		time.Sleep(48 * time.Hour)
		if known := history(b, s); len(known) != 1 || known["TestNew"].Holds != 1 {
			b.Errorf("one is 91 days ago: %v", known)
		}
		tk := ticket("expects nothing", time.Minute, of(1, "k"))
		tk.Owner = lockcore.Owner{Test: "TestOld", Package: "example.com/p"}
		g := ask(b, s, tk).Grant
		snap, err := s.Snapshot(b.Context())
		if err != nil || snap.Holders[0].Expect != 0 {
			b.Errorf("what was 91 days ago says nothing: %+v, %v", snap.Holders, err)
		}
		if err := s.Withdraw(b.Context(), g.Ticket.ID); err != nil {
			b.Fatal(err)
		}
		for i := range 128 { // one operation in 64 sweeps
			time.Sleep(time.Microsecond)
			if err := s.Withdraw(b.Context(), fmt.Sprint("nobody ", i)); err != nil {
				b.Fatal(err)
			}
		}
		if old := b.server.HGet("{rtest:default}:all", "#example.com/p TestOld "); old != "" {
			b.Errorf("it was not swept: %s", old)
		}
		if n := b.server.HGet("{rtest:default}:all", "#tests"); n != "1" {
			b.Errorf("%s tests are counted, one is left", n)
		}
	})
}

// Ten thousand tests are remembered; for another one, one of those that have not
// run for long is forgotten.
func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	const bound, more = 10_000, 100
	server := redistest.Start(t)
	s := open(t, server.Addr, redisstore.Options{})
	hold(t, s, "Test0", 0, 0)
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	fields := []any{"#tests", bound}
	hourAgo := time.Now().Add(-time.Hour).UnixMicro()
	for i := 1; i < bound; i++ {
		fields = append(fields, fmt.Sprintf("#example.com/p Test%d ", i), fmt.Sprintf("%d 1 1000000", hourAgo-int64(bound-i)))
	}
	if err := c.HSet(t.Context(), "{rtest:default}:all", fields...).Err(); err != nil {
		t.Fatal(err)
	}
	for i := bound; i < bound+more; i++ {
		hold(t, s, fmt.Sprint("Test", i), 0, 0)
	}
	known := history(t, s)
	if len(known) != bound {
		t.Errorf("%d tests are remembered", len(known))
	}
	for i := bound; i < bound+more; i++ {
		if known[fmt.Sprint("Test", i)].Holds != 1 {
			t.Errorf("Test%d was forgotten, as one of the last", i)
		}
	}
}
