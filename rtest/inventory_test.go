package rtest_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore"
	"github.com/resourcelocker/resourcelocker/rtest"
)

// inventoryFile makes RTEST_POOLS name a file, and returns what writes it anew.
func inventoryFile(t *testing.T, text string) (rewrite func(string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab.yml")
	t.Setenv("RTEST_POOLS", path)
	rewrite = func(text string) {
		t.Helper()
		part := path + ".part"
		if err := os.WriteFile(part, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(part, path); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(text)
	return rewrite
}

const labFile = `pools:
  boards:
    items:
      - {key: board-1, tags: {fw: "4"}}
      - {key: board-2, tags: {fw: "5"}}
  licences: {seats: 2, items: [simulator]}
`

func TestPool(t *testing.T) {
	inventoryFile(t, labFile)
	locker := newLocker(t)
	boards := rtest.Pool("boards").Where(func(i rtest.Item) bool { return i.Tags["fw"] == "5" })
	l := rtest.Acquire(t, boards, rtest.Pool("licences").Need(2), rtest.Using(locker))
	if got := boards.One(l); got.Key != "board-2" || got.Tags["fw"] != "5" || got.ResourceKey() != "board-2" {
		t.Errorf("got %+v", got)
	}
	// Another value of the same name is the same pool.
	if got := rtest.Pool("licences").From(l); len(got) != 2 || got[0].Key != "simulator" {
		t.Errorf("got %+v", got)
	}
	f := fake("TestOther", func(f *fakeTB) {
		rtest.Acquire(f, rtest.Pool("licences"), rtest.Using(locker), rtest.Wait(0))
	})
	if !f.Failed() || !strings.Contains(f.fatal, "simulator") {
		t.Errorf("the third seat of two: %s", f.fatal)
	}
}

// The words of whoever has no inventory, or another one.
func TestPoolMistakes(t *testing.T) {
	says := func(pool, words string) {
		t.Helper()
		f := fake("TestAny", func(f *fakeTB) { rtest.Acquire(f, rtest.Pool(pool), rtest.Using(newLocker(t))) })
		if !f.Failed() || !strings.Contains(f.fatal, words) {
			t.Errorf("want %q, got %s", words, f.fatal)
		}
	}
	says("boards", "there is no inventory: the environment variable RTEST_POOLS names it")
	rewrite := inventoryFile(t, labFile)
	says("bords", `lab.yml has no pool "bords"; it has "boards", "licences"`)
	rewrite("pools:\n  boards:\n    items: []\n")
	says("boards", `requirement "boards": it has no items`)
	inventoryFile(t, "pools:\n  boards:\n    itmes: []\n")
	says("boards", `lab.yml:3: unknown field "itmes" of pool "boards"; known are items and seats`)
}

// A board that comes into the inventory reaches who waits, and what happens to the
// file meanwhile costs nobody his place.
func TestPoolIsReadAgainWhileWaiting(t *testing.T) {
	rewrite := inventoryFile(t, "pools: {boards: {items: [board-1]}}")
	synctest.Test(t, func(t *testing.T) {
		locker := newLocker(t)
		l, err := locker.Acquire(t.Context(), lockcore.Request{Requirements: []lockcore.Requirement{{Candidates: []lockcore.Candidate{{Key: "board-1"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Release(context.Background())
		go func() {
			time.Sleep(6 * time.Second)
			rewrite("") // somebody writes it anew, not in one step
			time.Sleep(10 * time.Second)
			rewrite("pools: {boards: {items: []}}")
			time.Sleep(10 * time.Second)
			rewrite("pools: {boards: {items: [board-1, board-2]}}")
		}()
		start := time.Now()
		got := rtest.Get(t, rtest.Pool("boards"), rtest.Using(locker), rtest.Wait(time.Minute))
		if got[0].Key != "board-2" {
			t.Errorf("got %v", got)
		}
		if took := time.Since(start); took < 26*time.Second || took > 32*time.Second {
			t.Errorf("after %s", took)
		}
	})
}
