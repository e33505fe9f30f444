package rtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/lockcore/memstore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// The examples run tests that end in ways of their own, so t is a fake here; in
// your tests it is the t of go test, and there is no Using.

// Board is what the examples share.
type Board struct {
	Name  string
	Radio bool
}

func (b Board) ResourceKey() string { return b.Name }

var boards = rtest.R(
	Board{"board-1", true}, Board{"board-2", false}, Board{"board-3", true},
).Named("boards")

// exampleLab stands for the store that RTEST_URL names.
func exampleLab() rtest.Option { return rtest.Using(lockcore.New(memstore.New(nil), nil)) }

// Any two boards and the RF chamber, or wait for them.
func Example() {
	lab := exampleLab()
	fake("TestPair", func(t *fakeTB) {
		pair := boards.Need(2)
		l := rtest.Acquire(t, pair, rtest.R("rf-chamber"), lab)
		for _, b := range pair.From(l) {
			fmt.Println(strings.HasPrefix(b.Name, "board-"))
		}
		fmt.Println(len(l.Keys()), "resources, fencing token", l.Token(), "- waited:", l.Waited() > time.Second)
	}) // everything is given back here, however the test ends
	// Output:
	// true
	// true
	// 3 resources, fencing token 1 - waited: false
}

func ExampleGet() {
	lab := exampleLab()
	fake("TestRadio", func(t *fakeTB) {
		radios := boards.Where(func(b Board) bool { return b.Radio }).InOrder()
		for _, b := range rtest.Get(t, radios.Need(2), lab) {
			fmt.Println(b.Name)
		}
	})
	// Output:
	// board-1
	// board-3
}

// Who waits too long is told who is in the way.
func ExampleAcquire_busy() {
	lab := exampleLab()
	fake("TestFlash", func(t *fakeTB) {
		rtest.Acquire(t, rtest.R("board-1"), lab, rtest.Reason("bisecting"), rtest.Expect(time.Hour))

		other := fake("TestOther", func(t *fakeTB) {
			rtest.Acquire(t, rtest.R("board-1"), lab, rtest.Wait(0), rtest.OnBusy(rtest.Skip), rtest.OnError(rtest.Fail), rtest.Priority(1))
		})
		fmt.Println(strings.Contains(other.skipped, "board-1 is held by TestFlash"), strings.Contains(other.skipped, "bisecting"))
	})
	// Output: true true
}

// What no waiting mends is said at once, with the line of the first Acquire.
func ExampleAcquire_twice() {
	lab := exampleLab()
	t := fake("TestTwice", func(t *fakeTB) {
		rtest.Acquire(t, rtest.R("board-1"), lab)
		rtest.Acquire(t, rtest.R("board-1"), lab)
	})
	before, _, _ := strings.Cut(t.fatal, ", acquired at example_test.go:")
	fmt.Println(before)
	// Output: rtest: cannot get "board-1": this test already holds it
}

// The context of a lease says when to stop using the resources.
func ExampleLease_Context() {
	store := memstore.New(nil)
	lab := rtest.Using(lockcore.New(store, nil))
	t := fake("TestLong", func(t *fakeTB) {
		l := rtest.Acquire(t, rtest.R("board-1"), lab, rtest.TTL(300*time.Millisecond))
		store.Free(context.Background(), "board-1", "needed for a demo") // rtest-report free does this
		<-l.Context().Done()
		fmt.Println(errors.Is(context.Cause(l.Context()), lockcore.ErrLost))
	})
	fmt.Println(t.Failed())
	// Output:
	// true
	// true
}

func ExampleLease_Release() {
	lab := exampleLab()
	fake("TestLong", func(t *fakeTB) {
		l := rtest.Acquire(t, rtest.R("board-1"), lab)
		l.Release() // the rest of the test does not need it
		fmt.Println(rtest.Acquire(t, rtest.R("board-1"), lab).Keys())
	})
	// Output: [board-1]
}

// A pool that a file, a command or a service lists.
func ExampleDiscover() {
	lab := exampleLab()
	accounts := rtest.Discover(func(ctx context.Context) ([]map[string]string, error) {
		var list []map[string]string
		err := json.Unmarshal([]byte(`[{"id": "acct-1", "region": "eu"}]`), &list)
		return list, err
	}).
		Key(func(a map[string]string) string { return a["id"] }).
		Tags(func(a map[string]string) map[string]string { return map[string]string{"region": a["region"]} })
	fake("TestQuota", func(t *fakeTB) {
		fmt.Println(accounts.One(rtest.Acquire(t, accounts, lab))["region"])
	})
	// Output: eu
}

// The inventory is usually a file of the laboratory, and RTEST_POOLS set by whoever
// set up the machine.
func ExamplePool() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "lab.yml")
	_ = os.WriteFile(file, []byte(`pools: {gateways: {items: [{key: gateway-1, tags: {fw: "4"}}]}}`), 0o644)
	os.Setenv("RTEST_POOLS", file)
	defer os.Unsetenv("RTEST_POOLS")

	lab := exampleLab()
	gateways := rtest.Pool("gateways")
	fake("TestRoute", func(t *fakeTB) {
		var g rtest.Item = gateways.One(rtest.Acquire(t, gateways, lab))
		fmt.Println(g.Key, g.Tags["fw"])
	})
	// Output: gateway-1 4
}

// Requirements are values: each test derives what it needs from the same pool.
func ExampleRequirement() {
	lab := exampleLab()
	licence := rtest.R("simulator").Seats(2)
	staging := rtest.R("staging")
	reader := staging.Shared().Named("staging, to read")
	fake("TestA", func(t *fakeTB) {
		rtest.Acquire(t, licence, reader, lab)
		fake("TestB", func(t *fakeTB) { // at the same time
			l := rtest.Acquire(t, licence, reader, boards.LeastRecentlyUsed(), lab)
			fmt.Println(licence.One(l), reader.One(l), boards.One(l).Name != "")
			third := fake("TestC", func(t *fakeTB) { rtest.Acquire(t, licence, lab, rtest.Wait(0)) })
			fmt.Println(third.Failed())
		})
	})
	// Output:
	// simulator staging true
	// true
}

// A board on which a test failed stays as it is for half an hour.
func ExampleHoldOnFail() {
	locker := lockcore.New(memstore.New(nil), nil)
	fake("TestBoot", func(t *fakeTB) {
		rtest.Acquire(t, rtest.R("board-1"), rtest.HoldOnFail(30*time.Minute), rtest.Using(locker))
		t.Errorf("no prompt on the console")
	})
	s, _ := locker.Snapshot(context.Background())
	fmt.Println(s.Holders[0].State, s.Holders[0].Keys())
	// Output: kept [board-1]
}

// One lease for all tests of a package.
func ExampleMain() {
	chamber := rtest.R("rf-chamber")

	// In your test file this is:
	//	func TestMain(m *testing.M) { os.Exit(rtest.Main(m, chamber)) }
	testMain := func(m *testing.M) int { return rtest.Main(m, chamber) }

	// And in a test, a nil lease means the one of Main:
	test := func(t *testing.T) { t.Log(chamber.One(nil)) }

	fmt.Println(testMain != nil, test != nil)
	// Output: true true
}

// Helpers of your own take an rtest.TB, and pass options on.
func ExampleTB() {
	lab := exampleLab()
	flashed := func(t rtest.TB, image string, args ...rtest.Arg) *rtest.Lease {
		t.Helper()
		l := rtest.Acquire(t, append(args, boards)...)
		t.Logf("flashing %s on %v", image, l.Keys())
		return l
	}
	patient := []rtest.Option{rtest.Wait(time.Hour), lab}
	fake("TestImage", func(t *fakeTB) {
		var l *rtest.Lease = flashed(t, "v2.bin", patient[0], patient[1])
		fmt.Println(len(boards.From(l)))
	})
	// Output: 1
}

func ExamplePolicy() {
	for _, p := range []rtest.Policy{rtest.Fail, rtest.Skip} {
		fmt.Println(p)
	}
	// Output:
	// fail
	// skip
}

// A pool in a package variable serves parallel tests with different needs.
func ExampleRequirement_Need() {
	lab := exampleLab()
	var held atomic.Int64
	done := make(chan struct{})
	for n := range 3 {
		go func() {
			fake(fmt.Sprint("Test", n), func(t *fakeTB) {
				held.Add(int64(len(rtest.Get(t, boards.Need(n+1), lab))))
			})
			done <- struct{}{}
		}()
	}
	for range 3 {
		<-done
	}
	fmt.Println(held.Load())
	// Output: 6
}

func ExampleR() {
	lab := exampleLab()
	fake("TestAny", func(t *fakeTB) {
		var r rtest.Requirement[string] = rtest.R("a", "b")
		got := rtest.Get(t, r.Need(2), lab)
		slices.Sort(got)
		fmt.Println(got)
	})
	// Output: [a b]
}
