package locktest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
)

// OddKeys are keys that a store has to keep apart and return unharmed. Each breaks one way
// to write keys down: separators of lists, names of files and their longest length, patterns
// and hash tags of Redis, numbers and null of JSON and Lua, text that is not UTF-8, two
// spellings that Unicode calls the same, and two keys that differ in their last byte alone.
var OddKeys = []string{
	" ", "a b", "a/b", `a\b`, `a"b`, "a'b", "a\nb", "a\tb", "a\x00b", "*", "a*", "{a}", "a}{b", "[a]", "%s", "%41", "..", ".", "-", "Ä", "A\u0308", "板-1", "🤖",
	"\xff\xfe", "lock:a", "a,b", "a;b", "a|b", "a=b", "null", "0", "1e3", "true", strings.Repeat("k", 10_000), strings.Repeat("k", 9_999) + "x",
}

// oddKeys: a key is any text, and stays what it is. A store that fails most probably joins
// keys with a separator, or has them in the names of files or of server keys without an
// encoding that can be undone.
func oddKeys(e *env) {
	l := e.locker(`Test "quotes" / slashes ` + "\n☃")
	le := e.acquire(l, request(of(len(OddKeys), OddKeys...)))
	got := le.Keys()
	slices.Sort(got)
	want := slices.Sorted(slices.Values(OddKeys))
	if !slices.Equal(got, want) {
		e.Fatalf("the keys came back changed: got %q", got)
	}
	snap, err := l.Snapshot(e.ctx)
	if err != nil || len(snap.Holders) != 1 || snap.Holders[0].Owner.Test != `Test "quotes" / slashes `+"\n☃" || len(snap.Holders[0].Keys()) != len(OddKeys) {
		e.Fatalf("the snapshot has %d holders (%v)", len(snap.Holders), err)
	}
	for _, k := range OddKeys {
		if e.try(l, request(of(1, k))) != nil {
			e.Fatalf("%.40q is held and was given out", k)
		}
	}
	e.release(le)
	for _, k := range OddKeys {
		le := e.try(l, request(of(1, k)))
		if le == nil {
			e.Fatalf("%.40q is free and was refused", k)
		}
		e.release(le)
	}
}

// manyCandidates: a pool of a whole lab fits into one request. A store that fails most
// probably meets a limit on the arguments of one call, or takes a time that grows with the
// square of the candidates: then the release runs out of its five seconds.
func manyCandidates(e *env) {
	n := cmp.Or(e.h.Many, 10_000)
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint("board-", i)
	}
	l := e.locker("l")
	most := e.acquire(l, request(of(n-2, keys...)))
	pair := e.try(l, request(of(2, keys...)))
	if pair == nil {
		e.Fatal("two of all are free and were refused")
	}
	for _, k := range pair.Keys() {
		if slices.Contains(most.Keys(), k) {
			e.Fatalf("%s was given out twice", k)
		}
	}
	if e.try(l, request(of(1, keys...))) != nil {
		e.Fatal("all are held and one was given out")
	}
	p := e.start(e.ctx, l, "waiter", request(of(3, keys...)))
	e.release(pair)
	p.stillWaits("it needs three")
	e.release(most)
	e.release(p.lease())
	e.empty(l)
}

// namespaces: two labs may share a server. A store that fails leaves the namespace out of
// some name, or has names that begin alike: one of these two namespaces begins with the
// other.
func namespaces(e *env) {
	a := e.locker("a")
	other := *e
	other.ns += "-other"
	b := other.locker("b")
	e.acquire(a, request(of(1, "k")))
	if e.try(b, request(of(1, "k"))) == nil {
		e.Fatal("a key is busy because of another namespace")
	}
	s, err := b.Snapshot(e.ctx)
	if err != nil || len(s.Holders) != 1 {
		e.Fatalf("another namespace shows: %+v, %v", s, err)
	}
}

// seed returns the random choices of a test, and says how to have them again if it fails.
// Goroutines still run as they happen to.
func seed(e *env) *rand.Rand {
	n := rand.Uint64()
	if v := os.Getenv("LOCKTEST_SEED"); v != "" {
		var err error
		if n, err = strconv.ParseUint(v, 10, 64); err != nil {
			e.Fatalf("LOCKTEST_SEED=%q is not a number", v)
		}
	}
	e.Cleanup(func() {
		if e.Failed() {
			e.Logf("to have the same random choices again: LOCKTEST_SEED=%d", n)
		}
	})
	return rand.New(rand.NewPCG(n, 0))
}

// ledger notes who uses what, independently of the store.
type ledger struct {
	mu    sync.Mutex
	users map[string]int // -1: one exclusive user, else the number of readers
	token map[string]uint64
}

func (d *ledger) enter(e *env, le *lockcore.Lease, readers bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range le.Keys() {
		switch n := d.users[k]; {
		case readers && n >= 0:
			d.users[k]++
		case !readers && n == 0:
			d.users[k] = -1
		default:
			e.Errorf("%s is used by %d (-1: exclusively) and was given out again", k, n)
		}
		if !e.h.Unfenced && !readers {
			// Readers may come to this line in another order than that of their grants: they
			// use the key at the same time. Of those who have it alone, each has left before
			// the next one is granted.
			if le.Token() <= d.token[k] {
				e.Errorf("%s: token %d after token %d", k, le.Token(), d.token[k])
			}
			d.token[k] = le.Token()
		}
	}
}

func (d *ledger) leave(le *lockcore.Lease, readers bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range le.Keys() {
		if readers {
			d.users[k]--
		} else {
			d.users[k] = 0
		}
	}
}

// manyAtOnce lets eight goroutines on three clients take random sets of six
// keys, waiting or not. It is the promise that all others are for: no key has two users. A
// store that fails here alone most probably looks and takes in two steps, between which
// another client takes the same.
func manyAtOnce(e *env) {
	rnd := seed(e)
	d := &ledger{users: make(map[string]int), token: make(map[string]uint64)}
	lockers := []*lockcore.Locker{e.locker("a"), e.locker("b"), e.locker("c")}
	var wg sync.WaitGroup
	for i := range 8 {
		own := rand.New(rand.NewPCG(rnd.Uint64(), uint64(i)))
		wg.Go(func() {
			for range 40 {
				req, readers := randomRequest(own)
				l := lockers[own.IntN(len(lockers))]
				take := l.Acquire
				if own.IntN(4) == 0 {
					take = l.TryAcquire
				}
				le, err := take(e.ctx, req)
				if isBusy(err) && e.ctx.Err() == nil { // else Acquire says busy because the store hangs
					continue
				}
				if err != nil {
					e.Errorf("%v", err)
					return
				}
				d.enter(e, le, readers)
				for range own.IntN(3) {
					time.Sleep(time.Duration(own.IntN(500)) * time.Microsecond) // somebody has to hold for others to wait
				}
				d.leave(le, readers) // before the release, which may serve the next one at once
				if err := le.Release(e.ctx); err != nil {
					e.Errorf("Release: %v", err)
				}
			}
		})
	}
	wg.Wait()
	e.empty(lockers[0])
}

func randomRequest(rnd *rand.Rand) (req lockcore.Request, readers bool) {
	keys := []string{"a", "b", "c", "d", "e", "f"}
	rnd.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	readers = rnd.IntN(4) == 0
	n := 1 + rnd.IntN(4)
	req.Requirements = append(req.Requirements, of(1+rnd.IntN(n), keys[:n]...))
	if rnd.IntN(2) == 0 {
		req.Requirements = append(req.Requirements, of(1, keys[n:]...))
	}
	for i := range req.Requirements {
		req.Requirements[i].Shared = readers
	}
	req.Priority = rnd.IntN(3)
	return req, readers
}
