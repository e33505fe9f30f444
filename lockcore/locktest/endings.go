package locktest

import (
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

func endings(e *env) {
	s, l := e.open(), e.locker("l")
	told := func(what string, want lockcore.Ending) {
		e.Helper()
		le := e.acquire(l, request(of(1, "k")))
		if got := le.Last("k"); got != want {
			e.Errorf("%s: the next holder is told %q, want %q", what, got, want)
		}
		snap, err := l.Snapshot(e.ctx)
		if err != nil || snap.Endings["k"] != want {
			e.Errorf("%s: the snapshot tells %q, want %q (%v)", what, snap.Endings["k"], want, err)
		}
		e.release(le)
	}
	told("a key that was never used", lockcore.Released)
	told("given back", lockcore.Released)

	le := e.acquire(l, request(of(2, "k", "other")))
	le.SetEnding(lockcore.TestFailed)
	e.release(le)
	if snap, err := l.Snapshot(e.ctx); err != nil || snap.Endings["other"] != lockcore.TestFailed {
		e.Errorf("both keys of a lease were given back by a test that failed, and the snapshot tells %v (%v)", snap.Endings, err)
	}
	told("given back by a test that failed", lockcore.TestFailed)
	told("and in order after that", lockcore.Released)

	e.granted(s, ticket("dies", shortTTL, of(1, "k")))
	told("its holder expired", lockcore.Died)

	e.granted(s, ticket("freed", time.Minute, of(1, "k")))
	if _, err := s.Free(e.ctx, "k", "for the test"); err != nil {
		e.Fatal(err)
	}
	g := e.granted(s, ticket("unused", time.Minute, of(1, "k")))
	if g.Last["k"] != lockcore.Unknown {
		e.Errorf("freed by hand: the next holder is told %q", g.Last["k"])
	}
	if err := s.Withdraw(e.ctx, "unused"); err != nil {
		e.Fatal(err)
	}
	told("a withdrawn grant changes nothing", lockcore.Unknown)

	g = e.granted(s, ticket("back", shortTTL, of(1, "k")))
	e.until(l, "the lease has expired", func(snap lockcore.Snapshot) bool { return len(snap.Holders) == 0 })
	if err := e.renew(s, g); err != nil {
		e.Fatalf("nobody had the key since, and the renewal gave %v", err)
	}
	if err := s.Release(e.ctx, g, 0); err != nil {
		e.Fatal(err)
	}
	told("a lease that expired, came back and was given back", lockcore.Released)

	g = e.granted(s, ticket("keeps", time.Minute, of(1, "k")))
	g.Ending = lockcore.TestFailed
	if err := s.Release(e.ctx, g, shortTTL); err != nil {
		e.Fatal(err)
	}
	told("kept for a while after a test that failed", lockcore.TestFailed)
}
