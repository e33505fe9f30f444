package redisstore

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A mutant is the scripts with one change: a number that is another one, a comparison
// that is another one, an "and" that is an "or". Whatever the tests do not notice may
// as well be wrong.
type mutant struct {
	file string // or "constants"
	at   int    // where in the file
	line int
	old  string // or the name of the constant
	new  string
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d:%d:%s:%s", m.file, m.at, m.line, m.old, m.new)
}

// In a process of its own, that is one mutant: REDISSTORE_MUTANT says which.
func init() {
	f := strings.SplitN(os.Getenv("REDISSTORE_MUTANT"), ":", 5)
	if len(f) < 5 {
		return
	}
	at, _ := strconv.Atoi(f[1])
	if f[0] == "constants" {
		constants[f[3]] = f[4]
	}
	mutated = func(name, text string) string {
		if name != f[0] {
			return text
		}
		return text[:at] + f[4] + text[at+len(f[3]):]
	}
}

// phases are the tests that a mutant has to pass, the quickest first. One that takes
// more of the processor than the limit hangs: each takes a tenth of it otherwise.
var phases = []struct {
	tests string
	limit time.Duration
}{
	{"^(TestStories|TestScriptsKnow.*)$", 15 * time.Second},
	{"^TestTraces$", 2 * time.Minute},
	{"^(TestKeyOf.*|TestUnconfirmed.*|TestPoll|TestLatestToken|TestDeadWaiter.*|TestLockDelay|TestTombstones|TestDataLoss|TestRenewalOf.*|TestLine.*|TestOlder.*|TestTooFew.*|TestLiars|TestWhatIsLearned|TestOldHistory|TestPolicy.*|TestNamespace.*)$", time.Minute},
	{"^(TestConformanceOnMiniredis|TestDataLostTwice|TestLocksOf.*|TestLongList.*|TestLastFree.*|TestLeastRecently.*|TestKeysOf.*|TestWaitersKeys.*|TestPython.*|TestReaders.*|TestRenewalKeepsTheLock.*|TestLostGrant.*|TestNothingIsLeft.*|TestRandomChoice.*|TestServerIsFull|TestHistoryIsBounded|TestProxySwallowsAnswers|TestWithoutInterop|TestServerRestarts.*)$", 3 * time.Minute},
	{"^TestConformance(WithInterop|OnRedis)$", 4 * time.Minute},
}

// TestMutants tries every mutant of the scripts, and fails for each that the tests do
// not notice, unless "no difference:" stands in a comment on the line or on the one
// above it, and says why there is none. It takes an hour or two, so it is run by hand:
//
//	REDISSTORE_MUTANTS=all nice go test -timeout 5h -v -run TestMutants ./lockcore/redisstore
//
// Instead of all it may name a part: rest/nested, op/, constants, rest/patience.lua:17;
// or @FILE, the output of an earlier run, for those that were not noticed then.
// REDISSTORE_MUTANT_PHASES=2 stops after the quicker tests; REDISSTORE_MUTANT_WORKERS
// is how many are tried side by side.
func TestMutants(t *testing.T) {
	which := os.Getenv("REDISSTORE_MUTANTS")
	if which == "" {
		t.Skip("it takes hours: REDISSTORE_MUTANTS=all, see there")
	}
	if which == "all" {
		which = ""
	}
	last := knobOr(t, "REDISSTORE_MUTANT_PHASES", len(phases))
	again := ""
	if file, ok := strings.CutPrefix(which, "@"); ok {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		which, again = "", string(data)
	}
	var todo []mutant
	for _, m := range append(mutantsOfConstants(), mutantsOfFiles(t)...) {
		if again != "" && !strings.Contains(again, "["+m.String()+"]") {
			continue
		}
		if strings.Contains(fmt.Sprintf("%s:%d:", m.file, m.line), which) || strings.HasPrefix(m.file+"."+m.old, which) {
			todo = append(todo, m)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var died [8]atomic.Int64
	var explained, survived atomic.Int64
	var next atomic.Int64
	var wg sync.WaitGroup
	for range knobOr(t, "REDISSTORE_MUTANT_WORKERS", 1) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(todo) {
					return
				}
				m := todo[i]
				phase := outlives(exe, m, last)
				switch why := explanation(m); {
				case phase < last:
					died[phase].Add(1)
				case why != "":
					explained.Add(1)
					t.Logf("%s:%d: %s for %s is not noticed: %s [%s]", m.file, m.line, m.new, m.old, why, m)
				default:
					survived.Add(1)
					t.Errorf("%s:%d: %s for %s is not noticed [%s]", m.file, m.line, m.new, m.old, m)
				}
				if i%50 == 49 {
					t.Logf("%d of %d tried", i+1, len(todo))
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d mutants: %d not noticed, %d of which nobody could notice", len(todo), survived.Load()+explained.Load(), explained.Load())
	for i := range last {
		t.Logf("%d died of %s", died[i].Load(), phases[i].tests)
	}
}

func knobOr(t *testing.T, name string, def int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("%s=%q is not a number", name, v)
	}
	return n
}

// outlives returns the phase of which a mutant died; last if it did not.
func outlives(exe string, m mutant, last int) int {
	for i := 0; i < last; {
		p := phases[i]
		ctx, cancel := context.WithTimeout(context.Background(), 4*p.limit)
		cmd := exec.CommandContext(ctx, exe, "-test.run="+p.tests, "-test.failfast", "-test.timeout=0")
		cmd.Env = append(os.Environ(), "REDISSTORE_MUTANT="+m.String(), "REDISSTORE_MUTANTS=", "LOCKTEST_TRACES=8", "LOCKTEST_SEED=1")
		cmd.WaitDelay = time.Second
		err := cmd.Run()
		late := ctx.Err() != nil
		cancel()
		switch took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); {
		case err == nil:
			i++
		case !late || took > p.limit:
			return i
		} // else the machine was too busy for a verdict
	}
	return last
}

// explanation is why nobody can notice a change on the line.
func explanation(m mutant) string {
	if m.file == "constants" {
		return unnoticed[m.old]
	}
	text, _ := sources.ReadFile(m.file)
	lines := strings.Split(string(text), "\n")
	for n := m.line - 1; n >= 0; n-- {
		if n < m.line-1 && !strings.HasPrefix(strings.TrimSpace(lines[n]), "--") {
			break // only the comment right above the line: what stands beside another line is about that one
		}
		if _, why, ok := strings.Cut(lines[n], "no difference: "); ok {
			return why
		}
	}
	return ""
}

// unnoticed are constants that may be a little more or less.
var unnoticed = map[string]string{
	"FEW_ARGUMENTS": "in one call or in several",
	"SWEEP_EVERY":   "sooner or later",
	"TESTS_KEPT":    "a few tests more or less",
	"TOKEN_KEPT":    "any time beyond the longest TTL",
	"LIST_KEPT_MS":  "an hour or so",
	"REPLY_KEPT_MS": "a minute or so",
	"LONG_LIST":     "a list of 64 candidates stays registered, or not",
}

// mutantsOfConstants have a number less, or half a percent.
func mutantsOfConstants() (out []mutant) {
	for _, name := range slices.Sorted(maps.Keys(constants)) {
		n, err := strconv.ParseInt(constants[name], 10, 64)
		if err != nil {
			continue // a letter: Go and Lua have it from one place
		}
		out = append(out, mutant{file: "constants", old: name, new: strconv.FormatInt(n-max(1, n/180), 10)})
	}
	return out
}

func mutantsOfFiles(t *testing.T) (out []mutant) {
	for _, name := range slices.Sorted(maps.Keys(files(t))) {
		text, err := sources.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, mutantsOf(name, string(text))...)
	}
	return out
}

var swapped = map[string]string{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "~=", "~=": "==", "and": "or", "or": "and"}

// mutantsOf reads Lua word by word.
func mutantsOf(name, text string) (out []mutant) {
	is := func(b byte, set string) bool { return strings.IndexByte(set, b) >= 0 }
	const digits, letters = "0123456789", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789"
	line := 1
	for i := 0; i < len(text); {
		j := i + 1
		switch b := text[i]; {
		case b == '\n':
			line++
		case strings.HasPrefix(text[i:], "--"):
			for j < len(text) && text[j] != '\n' {
				j++
			}
		case b == '\'':
			for text[j] != '\'' {
				if text[j] == '\\' {
					j++
				}
				j++
			}
			j++
		case is(b, letters):
			for j < len(text) && is(text[j], letters) {
				j++
			}
		case is(b, "<>=~"):
			if text[j] == '=' {
				j++
			}
		}
		word := text[i:j]
		with := swapped[word]
		if n, err := strconv.Atoi(word); err == nil && is(word[0], digits) {
			with = strconv.Itoa(n + 1)
		}
		if with != "" {
			out = append(out, mutant{name, i, line, word, with})
		}
		i = j
	}
	return out
}
