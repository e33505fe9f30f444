//go:build unix

// Package linelab is a suite whose tests use boards of an inventory that others use
// as well; and it judges, as they do, whether somebody else has the same board.
package linelab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
	"github.com/resourcelocker/resourcelocker/rtest"
)

var (
	boards = rtest.Pool("boards")
	dir    = os.Getenv("JUDGE")
	uses   *os.File // a line for each
)

func TestMain(m *testing.M) {
	if dir != "" {
		uses = open("uses")
	}
	os.Exit(m.Run())
}

func open(name string) *os.File {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		panic(err)
	}
	return f
}

// use uses a board for a moment.
func use(t *testing.T, key string) {
	done, err := judge.Take(filepath.Join(dir, "board "+key), false)
	if errors.Is(err, judge.ErrInUse) {
		fmt.Fprintln(open("overlaps"), key, t.Name(), err)
	}
	if err != nil {
		t.Error(err)
		return
	}
	defer done()
	time.Sleep(time.Millisecond) // the use of it
	fmt.Fprintln(uses, key, "test")
}

// TestBoards has LINELAB_ROUNDS uses in each of four parallel tests.
func TestBoards(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("LINELAB_ROUNDS"))
	for i := range 4 {
		t.Run(fmt.Sprint("line ", i), func(t *testing.T) {
			t.Parallel()
			for r := range rounds {
				t.Run(fmt.Sprint("use ", r), func(t *testing.T) { use(t, rtest.Acquire(t, boards).Keys()[0]) })
			}
		})
	}
}

// TestBelow says which board it has got, without a wait.
func TestBelow(t *testing.T) {
	fmt.Println("below:", rtest.Acquire(t, boards, rtest.Wait(0)).Keys()[0])
}
