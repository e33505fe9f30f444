//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resourcelocker/resourcelocker/lockcore/locktest/redistest"
	"github.com/resourcelocker/resourcelocker/report"
)

// linelab is the compiled suite of testdata/linelab.
func linelab(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "linelab.test")
	out, err := exec.Command("go", "test", "-c", "-o", bin, "./testdata/linelab").CombinedOutput()
	require.NoError(t, err, string(out))
	return bin
}

// stores are those over which processes of one machine share boards, by name.
var stores = map[string]func(*testing.T) string{
	"file":  func(t *testing.T) string { return "file://" + filepath.ToSlash(t.TempDir()) },
	"redis": func(t *testing.T) string { return "redis://" + redistest.Start(t).Addr },
}

// A fiveBoards is a laboratory in which tests, locks and people share five boards.
type fiveBoards struct {
	t                                 *testing.T
	first                             *exec.Cmd // a command in it
	judge, events, suite              string
	seed                              uint64
	actors                            uint64 // that were started
	over                              atomic.Bool
	lockKills, testKills, pytestKills atomic.Int64
	all                               sync.WaitGroup
}

// whole is a run of go test that nobody kills.
const whole = -1

func newFiveBoards(t *testing.T, url, suite string) *fiveBoards {
	l := &fiveBoards{t: t, suite: suite, seed: rand.Uint64()}
	if s := os.Getenv("RTEST_LINE_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err, "RTEST_LINE_SEED")
		l.seed = seed
	}
	l.first, l.judge = oneLab(t)
	inventory := filepath.Join(l.first.Dir, "five.yml")
	text := "pools:\n  boards:\n    items:\n"
	for i := range 5 {
		text += fmt.Sprintf("      - {key: board-%d}\n", i+1)
	}
	require.NoError(t, os.WriteFile(inventory, []byte(text), 0o600))
	l.events = filepath.Join(l.first.Dir, "events")
	// A short TTL: on Redis nothing else gives the boards of who was killed to others.
	l.first.Env = append(l.first.Env, "RTEST_URL="+url, "RTEST_POOLS="+inventory, "RTEST_EVENTS="+l.events, "RTEST_TTL=5s", "LINELAB_ROUNDS=40")
	return l
}

// command runs the program, which must succeed.
func (l *fiveBoards) command(args ...string) bool {
	out, err := again(l.first, args...).CombinedOutput()
	return assert.NoError(l.t, err, "%s\n%s", strings.Join(args, " "), out)
}

// process runs a process, and kills it after a time, unless that is whole.
func (l *fiveBoards) process(c *exec.Cmd, after time.Duration, killed *atomic.Int64) bool {
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if !assert.NoError(l.t, c.Start()) {
		return false
	}
	if after >= 0 {
		time.Sleep(after) // anywhere in its life
		_ = c.Process.Kill()
		if err := c.Wait(); err != nil && c.ProcessState.ExitCode() < 0 {
			killed.Add(1)
			return true // else it had ended
		}
	} else {
		_ = c.Wait()
	}
	return assert.True(l.t, c.ProcessState.Success(), "%s\n%s", c, out.String())
}

func (l *fiveBoards) lock(after time.Duration) bool {
	use := `exec flash-tool "$RTEST_KEYS" lock`
	if after != whole {
		use += " killed"
	}
	return l.process(again(l.first, "lock", "--pool", "boards", "--name", "flash", "--", "sh", "-c", use), after, &l.lockKills)
}

// pytest is a run of pytest below lock.
func (l *fiveBoards) pytest(python string, after time.Duration) bool {
	use := "pytest"
	if after != whole {
		use += " killed"
	}
	file, err := filepath.Abs("testdata/linelab/test_boards.py")
	if !assert.NoError(l.t, err) {
		return false
	}
	c := again(l.first, "lock", "--pool", "boards", "--name", "pytest", "--", python, "-m", "pytest", "-q", "-p", "no:cacheprovider", file)
	c.Env = append(slices.Clip(c.Env), "LINELAB_USE="+use)
	return l.process(c, after, &l.pytestKills)
}

func (l *fiveBoards) goTest(after time.Duration) bool {
	return l.process(inLab(l.t, l.first, l.first.Dir, l.suite, "-test.run=^TestBoards$", "-test.parallel=4"), after, &l.testKills)
}

// person reserves a board from the front of the line, uses it and gives it back.
func (l *fiveBoards) person() bool {
	out, err := inLab(l.t, l.first, l.first.Dir, "sh", "-c", `set -e
		key=$(rtest-report reserve --pool boards --for 1h --next --as bob@desk --format json | sed -n 's/^    "\(.*\)"$/\1/p')
		flash-tool "$key" person
		rtest-report release "$key" --as bob@desk`).CombinedOutput()
	return assert.NoError(l.t, err, string(out))
}

// outage takes a board out of service for a moment.
func (l *fiveBoards) outage(rnd *rand.Rand) bool {
	key := fmt.Sprint("board-", 1+rnd.IntN(5))
	return l.command("disable", key, "--reason", "new firmware", "--as", "eve@rack") && l.command("enable", key, "--as", "eve@rack")
}

// repeat does something until enough was done. What is random in it follows from the
// seed; what the processes make of it does not.
func (l *fiveBoards) repeat(do func(rnd *rand.Rand) bool) {
	l.actors++
	rnd := rand.New(rand.NewPCG(l.seed, l.actors))
	l.all.Go(func() {
		for !l.over.Load() && do(rnd) {
		}
	})
}

// until ends what is repeated when there were so many grants, and some commands were
// killed: not of each kind, for on Redis each keeps a board for the rest of its TTL.
func (l *fiveBoards) until(grants int) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := -1; !l.t.Failed(); <-tick.C {
		uses := l.uses()
		if uses[""] >= grants && uses["lock"] > 0 && uses["pytest"] > 0 && uses["person"] > 0 && uses["test"] > 0 &&
			l.lockKills.Load()+l.testKills.Load()+l.pytestKills.Load() > 2 {
			break
		}
		if n != uses[""]/10_000 {
			n = uses[""] / 10_000
			l.t.Log(uses[""], "grants")
		}
	}
	l.over.Store(true)
}

// uses counts the grants, by who had them.
func (l *fiveBoards) uses() map[string]int {
	b, err := os.ReadFile(filepath.Join(l.judge, "uses"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		assert.NoError(l.t, err)
	}
	n := make(map[string]int)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 {
			n[""]++
			n[f[1]]++
		}
	}
	return n
}

// sometimes is a moment of up to d, once in n times, else whole.
func sometimes(rnd *rand.Rand, n int, d time.Duration) time.Duration {
	if rnd.IntN(n) > 0 {
		return whole
	}
	return time.Duration(rnd.Int64N(int64(d)))
}

// blocked starts a test and a lock while a person has reserved four boards and the
// fifth is out of service, until the record of both says so.
func (l *fiveBoards) blocked() {
	t := l.t
	require.True(t, l.command("disable", "board-5", "--reason", "smells of smoke", "--as", "cleo@rack"))
	require.True(t, l.command("reserve", "--pool", "boards*4", "--for", "1h", "--as", "ann@bench", "--reason", "radio"))
	l.all.Go(func() { l.lock(whole) })
	l.all.Go(func() { l.goTest(whole) })
	for _, who := range []string{`"name":"flash"`, `"name":"TestBoards/`} {
		eventually(func() bool {
			files, _ := filepath.Glob(filepath.Join(l.events, "*"))
			for _, f := range files {
				b, err := os.ReadFile(f)
				require.NoError(t, err)
				for line := range strings.Lines(string(b)) {
					if strings.Contains(line, who) && strings.Contains(line, `"ev":"queue"`) {
						assert.Contains(t, line, `"user":"ann@bench"`)
						assert.Contains(t, line, `"user":"cleo@rack"`)
						return true
					}
				}
			}
			return false
		})
	}
	require.True(t, l.command("release", "board-1", "board-2", "board-3", "board-4", "--as", "ann@bench"))
	l.all.Wait()
	require.True(t, l.command("enable", "board-5", "--as", "cleo@rack"))
}

// blames holds the report of the run to what blocked has arranged.
func (l *fiveBoards) blames() {
	out, err := again(l.first, "summary", "--format", "json", "--events", l.events).Output()
	require.NoError(l.t, err)
	var r report.Report
	require.NoError(l.t, json.Unmarshal(out, &r))
	for who, cause := range map[string]report.Cause{"ann@bench": report.Reserved, "board-5, disabled by cleo@rack": report.OutOfService} {
		found := false
		for _, h := range r.Holders {
			for _, b := range h.Blame {
				found = found || h.Test == who && b.Cause == cause && b.Time > 0
			}
		}
		assert.True(l.t, found, "%s is not blamed for %q: %+v", who, cause, r.Holders)
	}
}

// Runs of go test, locks and runs of pytest below lock, of which some are killed,
// people who put themselves in front of the line, and outages share five boards;
// nobody ever has one that another has, and the report names the people.
func TestFiveBoards(t *testing.T) {
	suite := linelab(t)
	python := pytestPython(t)
	grants := 200
	if s := os.Getenv("RTEST_LINE_GRANTS"); s != "" {
		n, err := strconv.Atoi(s)
		require.NoError(t, err, "RTEST_LINE_GRANTS")
		grants = n
	}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			l := newFiveBoards(t, store(t), suite)
			t.Logf("RTEST_LINE_SEED=%d", l.seed)
			l.blocked()
			for range 2 {
				l.repeat(func(rnd *rand.Rand) bool { return l.lock(sometimes(rnd, 4, 80*time.Millisecond)) })
			}
			l.repeat(func(rnd *rand.Rand) bool { return l.goTest(sometimes(rnd, 2, 200*time.Millisecond)) })
			l.repeat(func(rnd *rand.Rand) bool { return l.pytest(python, sometimes(rnd, 2, 2*time.Second)) })
			l.repeat(func(*rand.Rand) bool { return l.person() })
			l.repeat(l.outage)
			l.until(grants)
			l.all.Wait()
			// Nothing is left behind that would keep the boards from others, or use them.
			assert.True(t, l.command("lock", "--pool", "boards*5", "--", "sh", "-ec", `for key in $RTEST_KEYS; do flash-tool "$key" last; done`))
			uses, overlaps := l.uses(), told(t, l.judge, "overlaps", "")
			t.Logf("%d grants: %d to tests, %d to locks, %d to pytest, %d to people; killed %d runs of go test, %d locks and %d locks of pytest; %d overlaps",
				uses[""], uses["test"], uses["lock"], uses["pytest"], uses["person"], l.testKills.Load(), l.lockKills.Load(), l.pytestKills.Load(), overlaps)
			assert.Zero(t, overlaps)
			l.blames()
		})
	}
}

// A run of go test below lock gets what that holds.
func TestGoTestBelowLock(t *testing.T) {
	suite := linelab(t)
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			l := newFiveBoards(t, store(t), suite)
			below := []string{"lock", "board-3", "--", suite, "-test.run=^TestBelow$", "-test.v"}
			out, err := again(l.first, below...).CombinedOutput()
			require.NoError(t, err, string(out))
			assert.Contains(t, string(out), "below: board-3\n")
			// Outside of it, it gets another one.
			c := again(l.first, "lock", "board-3", "--", "env", "-u", "RTEST_HELD", suite, "-test.run=^TestBelow$", "-test.v")
			out, err = c.CombinedOutput()
			require.NoError(t, err, string(out))
			assert.Regexp(t, `below: board-[1245]\n`, string(out))
			out, err = again(l.first, "ls").CombinedOutput()
			require.NoError(t, err, string(out))
			assert.Contains(t, string(out), ": 0 held, 5 free, 0 waiting")
		})
	}
}
