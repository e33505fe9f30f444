package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/campaign"
	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/lockcore/redisstore"
)

// rounds is how often a test of a fail-over goes through it: a few times, or as
// often as REDISSTORE_ROUNDS says.
func rounds(t *testing.T) int {
	t.Helper()
	return int(campaign.Knob(t, "REDISSTORE_ROUNDS", 2))
}

func waiting(t *testing.T, l *lockcore.Locker, ttl time.Duration) <-chan *lockcore.Lease {
	next := make(chan *lockcore.Lease, 1)
	go func() {
		le, err := l.Acquire(t.Context(), request(ttl, of(1, "k")))
		if err != nil {
			t.Errorf("the waiter: %v", err)
		}
		next <- le
	}()
	return next
}

// A replica that has everything takes over: the holder keeps its lease, and the
// waiter its place.
func TestSentinelFailsOver(t *testing.T) {
	t.Parallel()
	g := redistest.StartSentinel(t, 1)
	l := locker(t, openURL(t, g.URL(), redisstore.Options{}))
	st := openURL(t, g.URL(), redisstore.Options{})
	le := acquire(t, l, request(time.Minute, of(1, "k")))
	next := waiting(t, locker(t, openURL(t, g.URL(), redisstore.Options{})), time.Minute)
	waiters(t, st, 1)
	g.Master.Do("WAIT", 1, 0)
	await(t, "the replica has it", func() bool {
		return g.Replicas[0].Info("replication", "slave_repl_offset") == g.Master.Info("replication", "master_repl_offset")
	})
	g.Master.Kill()
	g.Failed()
	handOver(t, st, le)
	release(t, arrives(t, "the waiter gets the key", next))
}

// Somebody has the Sentinels put the replica in the place of a master that is well, and
// goes on as a replica of it.
func TestSentinelIsToldToFailOver(t *testing.T) {
	t.Parallel()
	g := redistest.StartSentinel(t, 1)
	l := locker(t, openURL(t, g.URL(), redisstore.Options{}))
	st := openURL(t, g.URL(), redisstore.Options{})
	le := acquire(t, l, request(time.Minute, of(1, "k")))
	next := waiting(t, locker(t, openURL(t, g.URL(), redisstore.Options{})), time.Minute)
	waiters(t, st, 1)
	g.Sentinels[0].Do("SENTINEL", "FAILOVER", g.Name)
	g.Failed()
	handOver(t, st, le)
	release(t, arrives(t, "the waiter gets the key", next))
}

// A replica that lags behind takes over, and does not know of the grant. The
// holder is told at its next renewal, and by whom it was superseded.
func TestLostGrantIsReported(t *testing.T) {
	t.Parallel()
	g := redistest.StartLinkedSentinel(t)
	loser := openURL(t, g.URL(), redisstore.Options{})
	l := locker(t, loser)
	release(t, acquire(t, l, request(time.Minute, of(1, "other")))) // connected, and the replica knows the namespace
	g.Link.Blackhole(redistest.ToClient)
	// So long that it cannot run out by itself; the locker renews at a third of it.
	le := acquire(t, l, request(time.Hour, of(1, "k")))
	g.Master.Kill()
	g.Failed()
	rival := lockcore.New(openURL(t, g.URL(), redisstore.Options{}), &lockcore.Options{Owner: lockcore.Owner{Test: "rival"}})
	defer rival.Close()
	second := acquire(t, rival, request(time.Minute, of(1, "k")))
	var told error
	await(t, "a renewal gets through to the new master", func() bool {
		errs, err := loser.Renew(t.Context(), []*lockcore.Grant{le.Grant()})
		if err == nil {
			told = errs[0]
		}
		return err == nil
	})
	wantLost(t, told, `"k" is held by rival`)
	if second.Token() <= le.Token() {
		t.Errorf("token %d after token %d: whoever checks tokens takes the first for the later", second.Token(), le.Token())
	}
	release(t, second)
}

// With min_replicas, nothing that the replica does not have counts: whenever the
// link breaks, whoever gets the key after the fail-over is its only holder.
func TestNoDoubleHolderWithMinReplicas(t *testing.T) {
	t.Parallel()
	for round := range rounds(t) {
		noDoubleHolder(t, round)
	}
}

// replicated acquires as often as it takes until the replica has it in time: on a
// machine that is busy, its answer may take longer than the server waits for it.
func replicated(t *testing.T, l *lockcore.Locker, req lockcore.Request) (le *lockcore.Lease) {
	t.Helper()
	await(t, "a grant that the replica has", func() (ok bool) {
		var err error
		le, err = l.Acquire(t.Context(), req)
		if err != nil && !strings.Contains(err.Error(), "0 of min_replicas=1") {
			t.Fatal(err)
		}
		return err == nil
	})
	return le
}

func noDoubleHolder(t *testing.T, round int) {
	g := redistest.StartLinkedSentinel(t)
	opts := redisstore.Options{MinReplicas: 1}
	l := locker(t, openURL(t, g.URL(), opts))
	const ttl = 3 * time.Second
	var le *lockcore.Lease
	if round%2 == 0 {
		// The link breaks before the grant: there is none.
		release(t, replicated(t, l, request(ttl, of(1, "other"))))
		g.Link.Blackhole(redistest.ToClient)
		var err error
		if le, err = l.Acquire(t.Context(), request(ttl, of(1, "k"))); err == nil {
			t.Fatal("a grant that no replica has was taken for one")
		}
	} else {
		// It breaks after the grant: the lease ends before the replica's idea of it.
		le = replicated(t, l, request(ttl, of(1, "k")))
		g.Link.Blackhole(redistest.ToClient)
	}
	g.Master.Kill()
	g.Failed()
	// The new master has no replica any more.
	second := acquire(t, locker(t, openURL(t, g.URL(), redisstore.Options{})), request(ttl, of(1, "k")))
	if le != nil && le.Context().Err() == nil {
		t.Fatalf("round %d: two hold the key", round)
	}
	release(t, second)
	g.Replicas[0].Kill()
	g.Sentinels[0].Kill()
}

// The master that has the namespace dies, and its replica takes over.
func TestClusterFailsOver(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, true)
	l := locker(t, openURL(t, c.URL(), redisstore.Options{}))
	st := openURL(t, c.URL(), redisstore.Options{})
	le := acquire(t, l, request(time.Minute, of(1, "k")))
	next := waiting(t, locker(t, openURL(t, c.URL(), redisstore.Options{})), time.Minute)
	waiters(t, st, 1)
	i := c.OwnerOf("{rtest:default}:all")
	if c.Masters[i].Do("EXISTS", "{rtest:default}:all") != int64(1) {
		t.Fatal("the namespace is not where its hash tag says")
	}
	await(t, "the replica has it", func() bool {
		return c.Replicas[i].Info("replication", "slave_repl_offset") == c.Masters[i].Info("replication", "master_repl_offset")
	})
	c.Masters[i].Kill()
	handOver(t, st, le)
	release(t, arrives(t, "the waiter gets the key", next))
}

// handOver releases a lease, as often as it takes until there is a master again.
func handOver(t *testing.T, st lockcore.Store, le *lockcore.Lease) {
	t.Helper()
	await(t, "a release gets through to the new master", func() bool {
		err := st.Release(t.Context(), le.Grant(), 0)
		if errors.Is(err, lockcore.ErrNotHeld) {
			t.Fatalf("the lease did not outlive the fail-over: %v", err)
		}
		return err == nil
	})
	release(t, le) // once more, which is nothing
}
