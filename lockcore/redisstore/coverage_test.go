package redisstore

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A mutant of a line needs only the tests that run the line, the quickest first. Which
// these are is found out once for all mutants: the tests are run with scripts that
// say of each line that it runs.
//
//	lua/rest/nested.lua:17 is run by TestStories/nested (0.04 s), TestStories/deadlock (0.06 s)

// A testCase is what can be run by itself: a test, or a subtest of one of tables.
type testCase struct {
	name string
	took time.Duration
}

// coverage tells of each line, "file:line", which tests run it, the quickest first.
type coverage map[string][]testCase

// tables are tests whose subtests are run one by one.
var tables = regexp.MustCompile(`^(TestStories\w*|TestConformance\w*|TestLongLists)/`)

// unit is the test case that a test or subtest is part of.
func unit(name string) string {
	if tables.MatchString(name) {
		return strings.Join(strings.SplitN(name, "/", 3)[:2], "/")
	}
	name, _, _ = strings.Cut(name, "/")
	return name
}

// In a process of its own, the scripts say which lines run: REDISSTORE_COVER is how,
// "print" on the output of the process, for the server that is part of it, or "log"
// in the log of a server.
func init() {
	switch how := os.Getenv("REDISSTORE_COVER"); how {
	case "print", "log":
		say := map[string]string{"print": "print('", "log": "redis.log(redis.LOG_WARNING, '"}[how]
		mutated = func(name, text string) string { return instrumented(name, text, say) }
	}
}

const ran = "this line runs: "

// instrumented has each line on which a statement begins, or a condition, say that it
// runs, once in a call of the script: KEYS remembers it.
func instrumented(name, text, say string) string {
	lines := strings.Split(text, "\n")
	for n, how := range points(lines) {
		at := fmt.Sprintf("'%s:%d'", name, n)
		said := fmt.Sprintf("%s%s' .. %s)", say, ran, at)
		switch how {
		case statement:
			lines[n-1] = fmt.Sprintf("if not KEYS[%s] then KEYS[%s] = true %s end %s", at, at, said, lines[n-1])
		case condition: // print, log and, here and there, rawset return nothing
			lines[n-1] = strings.Replace(lines[n-1], "elseif ", fmt.Sprintf("elseif (KEYS[%s] or rawset(KEYS, %s, not %s) or true) and ", at, at, said), 1)
		}
	}
	return strings.Join(lines, "\n")
}

const (
	statement = iota + 1
	condition
)

// points are the lines that can say that they run, by number. A line that begins in
// the middle of a statement is not among them: it runs with the one above it.
func points(lines []string) map[int]int {
	out := make(map[int]int)
	word := regexp.MustCompile(`'(?:[^'\\]|\\.)*'|--.*|[A-Za-z_][A-Za-z_0-9]*|\d+|[<>=~]=|\.\.|\S`)
	last, depth := "end", 0 // the word before, and how many brackets are open
	for n, line := range lines {
		for i, w := range word.FindAllString(line, -1) {
			if strings.HasPrefix(w, "--") {
				break
			}
			begins := depth == 0 || last == ")" || last == "end" || last == "then" || last == "do" || last == "else"
			if i == 0 && begins {
				switch w {
				case "elseif":
					out[n+1] = condition
				case "end", "else", "until", "and", "or", "not", "then", "do", "nil", "true", "false":
				default:
					if regexp.MustCompile(`^[A-Za-z_]`).MatchString(w) && whole(last) {
						out[n+1] = statement
					}
				}
			}
			switch w {
			case "(", "{", "[":
				depth++
			case ")", "}", "]":
				depth--
			}
			last = w
		}
	}
	return out
}

// whole reports whether a statement can end with the word, or begin after it.
func whole(last string) bool {
	switch last {
	case "end", "then", "do", "else", "repeat", "nil", "true", "false", ")", "}", "]":
		return true
	case "and", "or", "not", "return", "in", "if", "elseif", "while", "until", "local", "function":
		return false
	}
	return regexp.MustCompile(`^['\w]`).MatchString(last)
}

// pointOf is the line that says whether another one runs.
func pointOf(file string, line int) string {
	text, _ := sources.ReadFile(file)
	all := points(strings.Split(string(text), "\n"))
	for line > 1 && all[line] == 0 {
		line--
	}
	return fmt.Sprint(file, ":", line)
}

// of returns the tests that a mutant has to pass: those that run its line, or a line
// with its constant.
func (c coverage) of(m mutant) []testCase {
	if m.file != "constants" {
		return c[pointOf(m.file, m.line)]
	}
	tests := make(map[string]testCase)
	name := regexp.MustCompile(`\b` + m.old + `\b`)
	for _, file := range sourceNames() {
		text, _ := sources.ReadFile(file)
		for i, line := range strings.Split(string(text), "\n") {
			if name.MatchString(line) {
				for _, tc := range c[pointOf(file, i+1)] {
					tests[tc.name] = tc
				}
			}
		}
	}
	return slices.SortedFunc(maps.Values(tests), quickest)
}

func quickest(a, b testCase) int {
	return cmp.Or(cmp.Compare(a.took, b.took), strings.Compare(a.name, b.name))
}

var (
	begun   = regexp.MustCompile(`^=== (?:RUN|CONT|NAME) +(\S+)`)
	passed  = regexp.MustCompile(`^ *--- PASS: (\S+) \(([0-9.]+)s\)`)
	covered = regexp.MustCompile(regexp.QuoteMeta(ran) + `(\S+)`)
)

// cover runs the tests of a phase and adds to the coverage which lines they run.
func (r *mutantRun) cover(t *testing.T, p phase) {
	t.Helper()
	lines := make(map[string]map[string]bool) // test -> lines
	took := make(map[string]time.Duration)
	hear := func(test, output string) {
		for line := range strings.Lines(output) {
			if m := begun.FindStringSubmatch(line); m != nil {
				test = unit(m[1])
			} else if m := passed.FindStringSubmatch(line); m != nil {
				if m[1] == unit(m[1]) {
					s, _ := strconv.ParseFloat(m[2], 64)
					took[m[1]] = time.Duration(s * float64(time.Second))
				}
			} else if m := covered.FindStringSubmatch(line); m != nil {
				if lines[test] == nil {
					lines[test] = make(map[string]bool)
				}
				lines[test][strings.TrimRight(m[1], "'")] = true
			}
		}
	}
	if !p.clock {
		hear("", coverRun(t, r, p, "print", p.tests))
	} else {
		dir := t.TempDir()
		log := filepath.Join(dir, "log")
		for _, name := range r.list(t, p) {
			// The server's log is a file that all servers of the test write.
			os.Remove(log)
			out := coverRun(t, r, p, "log", only(name), "PATH="+withLog(t, dir, log)+":"+os.Getenv("PATH"))
			hear(name, out)
			said, _ := os.ReadFile(log)
			hear(name, string(said))
		}
	}
	for test, run := range lines {
		if test == "" {
			continue
		}
		for line := range run {
			r.coverage[line] = append(r.coverage[line], testCase{test, took[test]})
		}
	}
	for _, tests := range r.coverage {
		slices.SortFunc(tests, quickest)
	}
	t.Logf("%s: %d tests run scripts", p.name, len(lines))
}

// list returns the tests of a phase.
func (r *mutantRun) list(t *testing.T, p phase) []string {
	out, err := exec.Command(r.exe, "-test.list="+p.tests).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func coverRun(t *testing.T, r *mutantRun, p phase, how, tests string, env ...string) string {
	t.Helper()
	cmd := exec.Command(r.exe, "-test.v", "-test.run="+tests)
	cmd.Env = append(append(r.environ("", p.clock), "REDISSTORE_COVER="+how), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s, with scripts that say which lines run (%q): %v\n%s", tests, how, err, tail(out))
	}
	return string(out)
}

func tail(out []byte) []byte { return out[max(0, len(out)-4000):] }

// withLog is a directory with a redis-server that writes its log to a file.
func withLog(t *testing.T, dir, log string) string {
	t.Helper()
	exe, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\" --logfile %s\n", exe, log)
	if err := os.WriteFile(filepath.Join(dir, "redis-server"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Every line that says that it runs leaves the scripts what they are: they parse, and
// do the same.
func TestCoverage(t *testing.T) {
	text := strings.Split("local a = f(\n  b,\n  function(x)\n    return x\n  end)\nif a then\n  b = 1\nelseif c\n  and d then\n  e = g .. -- why\n    h\nend\nreturn {\n  a = 1,\n}", "\n")
	got := slices.Sorted(maps.Keys(points(text)))
	if want := []int{1, 4, 6, 7, 8, 10, 13}; !slices.Equal(got, want) {
		t.Errorf("the lines %v say that they run, want %v", got, want)
	}
}
