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
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/resourcelocker/resourcelocker/rtest"
)

var (
	boards = rtest.Pool("boards")
	dir    = os.Getenv("JUDGE")
	uses   *os.File // a line for each
)

// A judged board is one of which the kernel knows whether another process uses it.
type judged struct {
	inUse sync.Mutex // by a test of this process
	file  *os.File
}

// all have record locks, which the kernel ends before all others when it kills a
// process: a store must not find it dead while another process still sees its lock.
var all = map[string]*judged{}

func TestMain(m *testing.M) {
	if dir != "" {
		uses = open("uses")
		for i := range 5 {
			key := fmt.Sprint("board-", i+1)
			all[key] = &judged{file: open("board " + key)}
		}
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
	b := all[key]
	overlap := func(with string) {
		fmt.Fprintln(open("overlaps"), key, t.Name(), with)
		t.Errorf("%s is in use by %s", key, with)
	}
	if !b.inUse.TryLock() {
		overlap("another test")
		return
	}
	defer b.inUse.Unlock()
	err := unix.FcntlFlock(b.file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		overlap("another process")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Millisecond) // the use of it
	fmt.Fprintln(uses, key, "test")
	if err := unix.FcntlFlock(b.file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_UNLCK}); err != nil {
		t.Fatal(err)
	}
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
