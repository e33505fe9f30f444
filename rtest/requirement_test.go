package rtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/resourcelocker/resourcelocker/rtest"
)

type board struct {
	Name string
	Port int
}

type keyedBoard struct{ board }

func (b keyedBoard) ResourceKey() string { return "key-" + b.Name }
func (b keyedBoard) String() string      { return "string-" + b.Name }

type pointerKeyed struct{ name string }

func (b *pointerKeyed) ResourceKey() string { return b.name }

type stringerBoard struct{ board }

func (b stringerBoard) String() string { return "string-" + b.Name }

type boardName string

func TestKeysOfItems(t *testing.T) {
	locker := newLocker(t)
	for _, c := range []struct {
		name string
		req  rtest.Arg
		want string // the key, or a part of the failure
	}{
		{"a string is its own key", rtest.R("b 1/é\n\"x\""), "b 1/é\n\"x\""},
		{"ResourceKey comes before String", rtest.R(keyedBoard{board{"a", 1}}), "key-a"},
		{"ResourceKey of the pointer counts", rtest.R(pointerKeyed{"p"}), "p"},
		{"ResourceKey of a pointer item", rtest.R(&pointerKeyed{"p"}), "p"},
		{"String is the last resort", rtest.R(stringerBoard{board{"a", 1}}), "string-a"},
		{"Key wins over a string", rtest.R("a").Key(func(s string) string { return s + s }), "aa"},
		{"Key wins over ResourceKey", rtest.R(keyedBoard{board{"a", 1}}).Key(func(b keyedBoard) string { return b.Name }), "a"},
		{"a string type is its own key", rtest.R(boardName("n")), "n"},
		{"an item in an interface", rtest.R[any](keyedBoard{board{"a", 1}}), "key-a"},
		{"no key", rtest.R(board{"a", 1}), "item 1: a rtest_test.board has no key: give it a method ResourceKey() string, or use .Key(func(x rtest_test.board) string { ... })"},
		{"no key, named", rtest.R(board{"a", 1}).Named("lab"), `requirement "lab": item 1:`},
		{"a nil pointer", rtest.R(&pointerKeyed{"p"}, nil), "requirement of 2 items of type *rtest_test.pointerKeyed: item 2 is nil"},
		{"a nil pointer that Where would follow", rtest.R((*pointerKeyed)(nil)).Where(func(p *pointerKeyed) bool { return p.name != "" }).Named("lab"), `requirement "lab": item 1 is nil`},
		{"Where(nil)", rtest.R("a").Where(nil).Named("lab"), `requirement "lab": Where was given no function: it is nil`},
		{"Key(nil)", rtest.R("a").Key(nil).Where(nil), "requirement of items of type string: Key was given no function: it is nil"},
		{"Tags(nil)", rtest.R("a").Tags(nil).Need(2), "Tags was given no function"},
		{"Where(nil) of a discovery", rtest.Discover(func(context.Context) ([]string, error) { t.Error("asked"); return nil, nil }).Where(nil), "Where was given no function"},
		{"need more than the one seat", rtest.R("a").Seats(1).Need(2), "(1 seat each): need is 2, but there is only 1 seat"},
		{"an empty key", rtest.R("a", ""), "item 2: its key is empty"},
		{"a key that is not text", rtest.R("a\xff"), "not valid UTF-8"},
		{"the same key twice", rtest.R("a", "b", "a").Named("lab"), `requirement "lab": items 1 and 3 have the same key "a"`},
		{"need 0", rtest.R("a", "b").Named("lab").Need(0), `requirement "lab": need is 0; it must be at least 1`},
		{"need -1", rtest.R("a", "b").Need(-1), "requirement of 2 items of type string: need is -1"},
		{"need -1 of one", rtest.R("a").Need(-1), "requirement of 1 item of type string: need is -1"},
		{"need too high", rtest.R("a", "b").Named("lab").Need(3), "3 of lab [a, b]: need is 3, but there are only 2 items"},
		{"need more than seats", rtest.R("a", "b").Seats(2).Need(5), "need is 5, but there are only 4 seats"},
		{"no seats", rtest.R("a").Seats(0), "seats is 0"},
		{"seats and shared", rtest.R("a").Seats(2).Shared(), "Shared and Seats exclude each other"},
		{"no items", rtest.R[string]().Named("lab"), `requirement "lab": it has no items: R was given none, or an empty list`},
		{"an empty list of items", rtest.R([]board{}...), "requirement of 0 items of type rtest_test.board: it has no items: R was given none, or an empty list"},
		{"a list for an item", rtest.R([]string{"a", "b"}), "a []string has no key; if its elements are meant to be the items, write R(list...)"},
		{"a nil item", rtest.R[any](nil), "item 1 is nil"},
		{"none left", rtest.R("a").Where(func(string) bool { return false }), "Where refuses every item"},
		{"a requirement out of nothing", rtest.Requirement[string]{}, "need is 0"},
		{"discovery fails", rtest.Discover(func(context.Context) ([]string, error) { return nil, errors.New("inventory is down") }), "its discovery failed: inventory is down"},
		{"discovers too few", rtest.Discover(func(context.Context) ([]string, error) { return []string{"a"}, nil }).Need(2), "need is 2, but there is only 1 item"},
		{"discovers nothing", rtest.Discover(func(context.Context) ([]string, error) { return nil, nil }), "it has no items: the function given to Discover found none"},
		{"no discovery", rtest.Discover[string](nil), "Discover was given no function"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var keys []string
			f := fake("TestKeys", func(t *fakeTB) { keys = rtest.Acquire(t, c.req, rtest.Using(locker)).Keys() })
			if f.fatal == "" {
				if !slices.Equal(keys, []string{c.want}) {
					t.Errorf("keys are %q, want %q", keys, c.want)
				}
				return
			}
			mustContain(t, f.fatal, "rtest: ", c.want)
		})
	}
}

func TestWherePicksAndTagsDescribe(t *testing.T) {
	locker := newLocker(t)
	lab := rtest.R(board{"a", 1}, board{"b", 2}, board{"c", 3}).Key(func(b board) string { return b.Name })
	high := lab.Where(func(b board) bool { return b.Port > 1 })
	one := high.Where(func(b board) bool { return b.Port < 3 })
	fake("TestWhere", func(f *fakeTB) {
		if got := one.One(rtest.Acquire(f, one, rtest.Using(locker))); got.Name != "b" {
			t.Errorf("both conditions must hold, got %v", got)
		}
		if got := rtest.Get(f, lab.Need(2), rtest.Using(locker)); len(got) != 2 || slices.ContainsFunc(got, func(b board) bool { return b.Name == "b" }) {
			t.Errorf("the pool itself must not be narrowed by Where: got %v", got)
		}
	})
}

func TestFrom(t *testing.T) {
	locker := newLocker(t)
	use := rtest.Using(locker)
	boards := rtest.R("b1", "b2", "b3").Named("boards")
	pair := boards.Need(2)
	chamber := rtest.R("chamber")
	fake("TestFrom", func(f *fakeTB) {
		l := rtest.Acquire(f, pair, chamber, use)
		for _, r := range []rtest.Requirement[string]{pair, boards, boards.Need(3), pair.Named("x")} {
			if got := r.From(l); len(got) != 2 {
				t.Errorf("one of the kin of the acquired value found %q", got)
			}
		}
		if got := chamber.One(l); got != "chamber" {
			t.Errorf("got %q", got)
		}
		got := boards.From(l)
		got[0] = "spoilt"
		if again := boards.From(l); again[0] == "spoilt" {
			t.Error("From must return a copy")
		}
	})
	left, right := boards.Named("left"), boards.Named("right")
	for _, c := range []struct {
		name string
		body func(f *fakeTB)
		want []string
	}{
		{"the very value", func(f *fakeTB) {
			l := rtest.Acquire(f, left, right, use)
			if a, b := left.One(l), right.One(l); a == b {
				t.Errorf("left and right are both %q", a)
			}
		}, nil},
		{"kin of two", func(f *fakeTB) { boards.From(rtest.Acquire(f, left, right, use)) },
			[]string{"2 requirements of the lease acquired at requirement_test.go:", "are made of this one", "in variables"}},
		{"the same value twice", func(f *fakeTB) { left.From(rtest.Acquire(f, left, left, use)) }, []string{"acquired twice in one Acquire"}},
		{"not part of it", func(f *fakeTB) { rtest.R("x").Named("other").From(rtest.Acquire(f, chamber, use)) },
			[]string{`requirement "other" is not part of the lease`, "which holds chamber"}},
		{"of nothing", func(f *fakeTB) { rtest.Requirement[string]{}.From(rtest.Acquire(f, chamber, use)) }, []string{"the requirement is empty: make one with R"}},
		{"one of several", func(f *fakeTB) { pair.One(rtest.Acquire(f, pair, use)) }, []string{"the lease holds 2 items", "use From"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fake("TestFrom", c.body)
			if len(c.want) == 0 && f.fatal != "" {
				t.Error(f.fatal)
			}
			mustContain(t, f.fatal, c.want...)
		})
	}
}

func TestFromWithoutALeaseNamesMain(t *testing.T) {
	defer func() { mustContain(t, fmt.Sprint(recover()), "the lease is nil, and there is none of rtest.Main") }()
	rtest.R("a").From(nil)
}

// Without rtest.Main, a nil lease has nothing to tell, and says so instead of crashing.
func TestNilLease(t *testing.T) {
	var none *rtest.Lease
	none.Release()
	for name, use := range map[string]func(){
		"Context": func() { none.Context() },
		"Keys":    func() { none.Keys() },
		"Token":   func() { none.Token() },
		"Waited":  func() { none.Waited() },
		"Environ": func() { none.Environ() },
	} {
		func() {
			defer func() {
				mustContain(t, fmt.Sprint(recover()), "rtest: Lease."+name+": the lease is nil, and there is none of rtest.Main: use the one that rtest.Acquire returns")
			}()
			use()
		}()
	}
}

// A pool in a package variable, used in different ways by parallel tests: run
// with -race.
var pool = rtest.R("p1", "p2", "p3", "p4", "p5").Tags(func(string) map[string]string { return map[string]string{"kind": "p"} })

func TestPackageVariable(t *testing.T) {
	locker := newLocker(t)
	t.Run("group", func(t *testing.T) {
		for i := range 20 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				n := i%3 + 1
				r := pool.Need(n).Named(fmt.Sprint("need ", n))
				if got := r.From(rtest.Acquire(t, r, rtest.Using(locker))); len(got) != n {
					t.Errorf("got %q, want %d", got, n)
				}
			})
		}
	})
	if left := holders(t, locker); len(left) > 0 {
		t.Errorf("still held: %q", left)
	}
}

func TestKeysAreWorkedOutOnce(t *testing.T) {
	locker := newLocker(t)
	var calls atomic.Int64
	items := make([]board, 1000)
	for i := range items {
		items[i].Name = fmt.Sprint("board-", i)
	}
	big := rtest.R(items...).Key(func(b board) string { calls.Add(1); return b.Name })
	for i := range 5 {
		fake("TestOnce", func(f *fakeTB) {
			if got := rtest.Get(f, big.Need(i+1), rtest.Using(locker)); len(got) != i+1 || !strings.HasPrefix(got[0].Name, "board-") {
				t.Errorf("got %v", got)
			}
		})
	}
	if n := calls.Load(); n != int64(len(items)) {
		t.Errorf("Key was called %d times for %d items", n, len(items))
	}
}

func TestItemsAreCopied(t *testing.T) {
	locker := newLocker(t)
	names := []string{"a"}
	r := rtest.R(names...)
	names[0] = "changed"
	fake("TestCopied", func(f *fakeTB) {
		if got := rtest.Get(f, r, rtest.Using(locker)); got[0] != "a" {
			t.Errorf("got %q", got)
		}
	})
}

// BenchmarkAcquire shows that a pool of 10,000 costs about what one of 10 costs,
// on the second use and later.
func BenchmarkAcquire(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			locker := benchLocker(b)
			items := make([]string, n)
			for i := range items {
				items[i] = fmt.Sprint("board-", i)
			}
			r := rtest.R(items...)
			rtest.Acquire(b, r, rtest.Using(locker)).Release()
			for b.Loop() {
				rtest.Acquire(b, r.Need(2), rtest.Using(locker)).Release()
			}
		})
	}
}

// What cannot fail a test in words, because there is none, panics in words.
func TestWithoutATest(t *testing.T) {
	var none *testing.T
	for name, call := range map[string]func(){
		"t is nil":     func() { rtest.Acquire(nil, rtest.R("a")) },
		" t is nil":    func() { rtest.Acquire(none, rtest.R("a")) },
		"but t is nil": func() { rtest.Get(nil, rtest.R("a")) },
		"m is nil":     func() { rtest.Main(nil, rtest.R("a")) },
	} {
		func() {
			defer func() { mustContain(t, fmt.Sprint(recover()), "rtest: ", strings.TrimSpace(name)) }()
			call()
		}()
	}
}
