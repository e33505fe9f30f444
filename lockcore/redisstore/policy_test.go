package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// The policy is one for all: a client that differs is told so while anybody holds
// or waits, and makes its own the policy of all once nobody does.
func TestPolicyIsOneForAll(t *testing.T) {
	t.Parallel()
	addr := miniredis.RunT(t).Addr()
	a := open(t, addr, redisstore.Options{})
	b := openURL(t, "redis://"+addr+"/0?policy=fifo", redisstore.Options{})
	refused := func(s *redisstore.Store, id, words string) {
		t.Helper()
		_, err := s.Ask(t.Context(), ticket(id, time.Minute, of(1, "other")), nil)
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("want %q, got %v", words, err)
		}
	}
	g := ask(t, a, ticket("holder", time.Minute, of(1, "k"))).Grant
	refused(b, "early", "in use under policy=backfill, this client was opened for policy=fifo")
	if ask(t, a, ticket("waiter", time.Minute, of(1, "k"))).Grant != nil {
		t.Fatal("k is held")
	}
	if err := a.Release(t.Context(), g, 0); err != nil {
		t.Fatal(err)
	}
	refused(b, "early", "in use under policy=backfill") // by the waiter, who has it now
	if err := a.Withdraw(t.Context(), "waiter"); err != nil {
		t.Fatal(err)
	}
	ask(t, b, ticket("late", time.Minute, of(1, "k")))
	refused(a, "early", "in use under policy=fifo, this client was opened for policy=backfill")
	if snap, err := a.Snapshot(t.Context()); err != nil || len(snap.Holders) != 1 {
		t.Errorf("to look is allowed under any policy: %+v, %v", snap, err)
	}
}

// Resources out of service are nobody's, however many: the policy may become another one
// beside them. Among them one holder is found.
func TestPolicyIsOneBesideOutages(t *testing.T) {
	inBubble(t, func(b bubble) {
		a := b.open(redisstore.Options{})
		out := lockcore.Outage{Keys: numbered(100), Owner: lockcore.Owner{User: "ann"}, For: time.Hour}
		if _, err := a.Disable(b.Context(), out); err != nil {
			b.Fatal(err)
		}
		last := ask(b, a, ticket("the last to end", 2*time.Hour, of(1, "k"))).Grant
		other := b.open(redisstore.Options{Policy: lockcore.FIFO})
		next := ticket("next", time.Minute, of(1, "other"))
		if _, err := other.Ask(b.Context(), next, nil); err == nil || !strings.Contains(err.Error(), "in use under policy=backfill") {
			b.Errorf("one holds: %v", err)
		}
		giveBack(b, a, last)
		if ask(b, other, next).Grant == nil {
			b.Error("it is free")
		}
	})
}

// Versions that decide otherwise who is let past whom do not serve one line: what one
// of them began, the other one leaves alone, and says so, until nobody holds or waits.
func TestVersionsDoNotServeOneLine(t *testing.T) {
	t.Parallel()
	for noted, words := range map[string]string{"": "an older version", "b": "an older version", "B": "an older version", "Z": "a newer version", "f": "under policy=fifo"} {
		m := miniredis.RunT(t)
		a := open(t, m.Addr(), redisstore.Options{})
		g := ask(t, a, ticket("holder", time.Minute, of(1, "k"))).Grant
		if m.HGet("{rtest:default}:all", "#policy") == "" {
			t.Fatal("a version that knows of no policy would take this for its own namespace")
		}
		m.HDel("{rtest:default}:all", "#policy")
		if noted != "" {
			m.HSet("{rtest:default}:all", "#policy", noted)
		}
		for _, key := range []string{"k", "free"} {
			_, err := a.Ask(t.Context(), ticket("early", time.Minute, of(1, key)), nil)
			if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "wait until nobody holds or waits") {
				t.Errorf("the policy %q: want %q, got %v", noted, words, err)
			}
		}
		if err := a.Release(t.Context(), g, 0); err != nil {
			t.Fatal(err)
		}
		if ask(t, a, ticket("late", time.Minute, of(1, "k"))).Grant == nil {
			t.Errorf("the policy %q: nobody holds or waits, so it may be changed", noted)
		}
	}
}

// After all data are lost, the first to come may be a holder who states its case.
func TestPolicyAfterDataLoss(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	a := open(t, m.Addr(), redisstore.Options{})
	g := ask(t, a, ticket("holder", time.Minute, of(1, "k"))).Grant
	m.FlushAll()
	if errs, err := a.Renew(t.Context(), []*lockcore.Grant{g}); err != nil || errs[0] != nil {
		t.Fatal(errs, err)
	}
	if ask(t, a, ticket("other", time.Minute, of(1, "free"))).Grant == nil {
		t.Error("the holder has the policy of all, so the others are served")
	}
}

// A namespace may have any name.
func TestNamespaceWithSpaces(t *testing.T) {
	t.Parallel()
	addr := miniredis.RunT(t).Addr()
	s := open(t, addr, redisstore.Options{Namespace: "the lab, {2nd} | floor\n#1 100%"})
	l := locker(t, s)
	le := acquire(t, l, request(time.Minute, of(1, "k")))
	next := make(chan *lockcore.Lease)
	go func() { next <- acquire(t, l, request(time.Minute, of(1, "k"))) }()
	waiters(t, s, 1)
	release(t, le)
	release(t, arrives(t, "the waiter has it", next))
}
