package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// A lease that the server has lost comes back when nothing can have been granted on
// its keys since. What was lost twice proves nothing any more.
func TestDataLostTwice(t *testing.T) {
	t.Parallel()
	flush := func(s *redistest.Server) { s.Do("FLUSHALL") }
	forget := func(s *redistest.Server) { s.Do("UNLINK", "{rtest:default}:all", "{rtest:default}:due") }
	for name, c := range map[string]struct {
		once, twice func(*redistest.Server)
		comesBack   bool // after the first loss alone
	}{
		"flushed":                  {flush, flush, true},
		"one database of several":  {flush, func(s *redistest.Server) { s.Do("FLUSHDB") }, true},
		"restarted and flushed":    {func(s *redistest.Server) { s.Restart() }, flush, true},
		"flushed and restarted":    {flush, func(s *redistest.Server) { s.Restart(); flush(s) }, true},
		"deleted by hand":          {forget, forget, false},
		"swapped for an empty one": {func(s *redistest.Server) { s.Do("SWAPDB", 0, 1) }, func(s *redistest.Server) { s.Do("SWAPDB", 0, 2) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			first, second := open(t, s.Addr, redisstore.Options{}), open(t, s.Addr, redisstore.Options{})
			hold := func(key string) *lockcore.Grant {
				t.Helper()
				g := ask(t, first, ticket("holder of "+key, time.Minute, of(1, key))).Grant
				if g == nil {
					t.Fatalf("%s is free", key)
				}
				return g
			}
			renew := func(g *lockcore.Grant) error {
				t.Helper()
				errs, err := first.Renew(t.Context(), []*lockcore.Grant{g})
				if err != nil {
					t.Fatal(err)
				}
				return errs[0]
			}

			once := hold("once")
			c.once(s)
			if err := renew(once); (err == nil) != c.comesBack {
				t.Errorf("after the first loss alone, a renewal says %v", err)
			}

			g := hold("k")
			if err := renew(g); err != nil { // which tells the generation anew
				t.Errorf("while it stands, a renewal says %v", err)
			}
			c.once(s)
			for _, id := range []string{"second", "third"} {
				between := ask(t, second, ticket(id, time.Minute, of(1, "k"))).Grant
				if between == nil {
					t.Fatal("the server has lost its data, and k is not free")
				}
				giveBack(t, second, between)
			}
			c.twice(s)
			wantLost(t, renew(g), "lost its data more than once")
			if err := first.Release(t.Context(), g, 0); !errors.Is(err, lockcore.ErrNotHeld) {
				t.Errorf("Release of what was lost says %v", err)
			}
			if ask(t, second, ticket("next", time.Minute, of(1, "k"))).Grant == nil {
				t.Error("k was kept for the lease that is lost")
			}

			// A lease that was granted or renewed after all that is as good as ever.
			later := hold("later")
			c.once(s)
			if err := renew(later); (err == nil) != c.comesBack {
				t.Errorf("it was lost once since its grant, and a renewal says %v", err)
			}
		})
	}
}

// Of a lease that another process got nobody knows in which generation it was confirmed:
// as far as anybody can tell it was lost once, and comes back.
func TestDataLostBehindAnotherProcess(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	g := ask(t, open(t, s.Addr, redisstore.Options{}), ticket("holder", time.Minute, of(1, "k"))).Grant
	s.Do("FLUSHALL")
	errs, err := open(t, s.Addr, redisstore.Options{}).Renew(t.Context(), []*lockcore.Grant{g})
	if err != nil || errs[0] != nil {
		t.Errorf("a renewal by a process that has not asked says %v, %v", errs, err)
	}
}

// A lease that expires where no data were lost comes back: the very first of a namespace,
// which began with it, and one that has already come back from a loss, so that it is older
// than the data.
func TestDataLostBeforeALeaseExpires(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	st := open(t, s.Addr, redisstore.Options{})
	g := ask(t, st, ticket("holder", 50*time.Millisecond, of(1, "k"))).Grant
	expires := func() {
		t.Helper()
		await(t, "the lease expires", func() bool {
			snap, err := st.Snapshot(t.Context())
			return err == nil && len(snap.Holders) == 0
		})
	}
	renew := func(when string) {
		t.Helper()
		if errs, err := st.Renew(t.Context(), []*lockcore.Grant{g}); err != nil || errs[0] != nil {
			t.Errorf("%s, a renewal says %v, %v", when, errs, err)
		}
	}
	expires()
	renew("after the first lease of all has expired")
	s.Do("FLUSHALL")
	renew("after one loss")
	expires()
	renew("after it has expired once more")
}

// The lease itself, as a test has it.
func TestLeaseOfDataLostTwice(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	le := acquire(t, locker(t, open(t, s.Addr, redisstore.Options{})), request(3*time.Second, of(1, "k")))
	other := locker(t, open(t, s.Addr, redisstore.Options{}))
	for range 2 {
		s.Do("FLUSHALL")
		release(t, acquire(t, other, request(time.Minute, of(1, "k"))))
	}
	s.Do("FLUSHALL")
	arrives(t, "the first holder is told", le.Context().Done())
	if err := le.Release(t.Context()); !errors.Is(err, lockcore.ErrLost) {
		t.Errorf("Release says %v", err)
	}
}
