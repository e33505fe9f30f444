//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	uses "github.com/resourcelocker/resourcelocker/lockcore/locktest/judge"
)

func init() { programs["flash-tool"] = flashTool }

// flashTool uses a board for a moment, and is the judge: the kernel's lock on a file
// of the board's name ends with the process, however that ends. Two at once are
// written down.
func flashTool() {
	dir := os.Getenv("JUDGE")
	_, err := uses.Take(filepath.Join(dir, "board "+os.Args[1]), false)
	if errors.Is(err, uses.ErrInUse) {
		tell(dir, "overlaps", strings.Join(os.Args[1:], " "))
		os.Exit(9)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(8)
	}
	tell(dir, "uses", strings.Join(os.Args[1:], " "))
	if os.Args[len(os.Args)-1] == "killed" {
		time.Sleep(10 * time.Second) // longer than the lease of a lock that is killed lives: it must be killed as well
	}
	time.Sleep(20 * time.Millisecond)
}

func tell(dir, file, line string) {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(8)
	}
	fmt.Fprintln(f, line)
	f.Close()
}

// told counts the lines of a file of the judge that contain words.
func told(t *testing.T, dir, file, words string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, file))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	require.NoError(t, err)
	n := 0
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, words) {
			n++
		}
	}
	return n
}

// oneLab is a command in a laboratory of two boards, with its own store, inventory and
// judge.
func oneLab(t *testing.T) (first *exec.Cmd, judge string) {
	t.Helper()
	first = program(t)
	judge = t.TempDir()
	inventory, err := filepath.Abs("../../examples/lock/lab.yml")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(first.Path, filepath.Join(first.Dir, "flash-tool")))
	first.Env = append(first.Env, "RTEST_POOLS="+inventory, "JUDGE="+judge, "PYTHONDONTWRITEBYTECODE=1")
	return first, judge
}

// inLab is another program in it.
func inLab(t *testing.T, first *exec.Cmd, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(lookPath(t, name), args...)
	c.Env, c.Dir = first.Env, dir
	return c
}

// pytestPython is the Python that has pytest: Debian's own, else the one in PATH.
func pytestPython(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import pytest").Run() == nil {
			return python
		}
	}
	t.Skip("needs pytest: apt-get install python3-pytest")
	return ""
}

// The recipes of examples/lock, each for itself.
func TestLockRecipes(t *testing.T) {
	recipes, err := filepath.Abs("../../examples/lock")
	require.NoError(t, err)
	run := func(t *testing.T, c *exec.Cmd, judge, words string, uses int) {
		out, err := c.CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Equal(t, uses, told(t, judge, "uses", words), string(out))
		assert.Zero(t, told(t, judge, "overlaps", ""))
	}
	t.Run("bash", func(t *testing.T) {
		needs(t, "bash")
		first, judge := oneLab(t)
		c := inLab(t, first, first.Dir, "bash", filepath.Join(recipes, "flash.sh"), "image.bin")
		c.Path = filepath.Join(recipes, "flash.sh")
		c.Args = []string{c.Path, "image.bin"}
		run(t, c, judge, "image.bin", 1)
	})
	t.Run("make", func(t *testing.T) {
		first, judge := oneLab(t)
		run(t, inLab(t, first, first.Dir, "make", "-j4", "-f", filepath.Join(recipes, "Makefile")), judge, "board-", 4)
	})
	t.Run("pytest", func(t *testing.T) {
		python := pytestPython(t)
		first, judge := oneLab(t)
		run(t, inLab(t, first, first.Dir, python, "-m", "pytest", "-q", "-p", "no:cacheprovider", filepath.Join(recipes, "pytest")), judge, "channel-", 4)
	})
}

// rounds is how many uses of a board the histories have; RTEST_KILLS asks for more.
func rounds() int {
	if n, err := strconv.Atoi(os.Getenv("RTEST_KILLS")); err == nil && n > 0 {
		return n
	}
	return 40
}

// Locks of which some are killed, make, and people who put themselves in front of the
// line, share two boards; nobody ever has one that another has.
func TestEverybodyStandsInOneLine(t *testing.T) {
	first, judge := oneLab(t)
	recipes, err := filepath.Abs("../../examples/lock")
	require.NoError(t, err)
	var all sync.WaitGroup
	var left, killed atomic.Int64
	left.Store(int64(rounds()))
	for range 4 {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				c := again(first, "lock", "--pool", "boards", "--", "sh", "-c", `exec flash-tool "$RTEST_KEYS" lock`)
				var out bytes.Buffer
				c.Stdout, c.Stderr = &out, &out
				if !assert.NoError(t, c.Start()) {
					return
				}
				if rand.IntN(4) == 0 {
					time.Sleep(rand.N(60 * time.Millisecond)) // anywhere in its life
					_ = c.Process.Kill()
					killed.Add(1)
					_ = c.Wait()
					continue
				}
				assert.NoError(t, c.Wait(), out.String())
			}
		})
	}
	all.Go(func() {
		for left.Load() > 0 {
			out, err := inLab(t, first, first.Dir, "sh", "-c", `set -e
				key=$(rtest-report reserve --pool boards --for 1h --next --as ann@bench --format json | sed -n 's/^    "\(.*\)"$/\1/p')
				flash-tool "$key" person
				rtest-report release "$key" --as ann@bench`).CombinedOutput()
			if !assert.NoError(t, err, string(out)) {
				return
			}
		}
	})
	all.Go(func() {
		for left.Load() > 0 {
			out, err := inLab(t, first, first.Dir, "make", "-j3", "-f", filepath.Join(recipes, "Makefile")).CombinedOutput()
			if !assert.NoError(t, err, string(out)) {
				return
			}
		}
	})
	all.Wait()
	overlaps := told(t, judge, "overlaps", "")
	t.Logf("%d uses by locks, %d by people, %d by make, %d locks killed, %d overlaps", told(t, judge, "uses", " lock"),
		told(t, judge, "uses", " person"), told(t, judge, "uses", "")-told(t, judge, "uses", " lock")-told(t, judge, "uses", " person"), killed.Load(), overlaps)
	assert.Zero(t, overlaps)
	assert.NotZero(t, told(t, judge, "uses", " person"))
	assert.NotZero(t, told(t, judge, "uses", " lock"))
}
