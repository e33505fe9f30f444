package eventlog

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"
)

// numberedLine is the line of that number of process pid, ms after t0. Its clock is
// late by some.
func numberedLine(pid, seq, ms int) string {
	at := time.Duration(ms) * time.Millisecond
	srv := ""
	if seq%3 == 0 && ms > 0 {
		srv = fmt.Sprintf(`"srv":%q,`, t0.Add(at+time.Duration(40*pid+seq%7)*time.Millisecond).Format(time.RFC3339Nano))
	}
	return fmt.Sprintf(`{"v":1,"ev":"grant","seq":%d,"ts":%q,%s"mono_ms":%d,"host":"ci","pid":%d,"req":"%d.%d"}`+"\n",
		seq, t0.Add(at).Format(time.RFC3339Nano), srv, ms, pid, pid, seq)
}

// log is a log of n lines that are so many ms apart.
func log(pid, n, apart int) []string {
	var l []string
	for i := range n {
		l = append(l, numberedLine(pid, i+1, i*apart))
	}
	return l
}

// readAll is what a reader says of a file, and what it met.
func readAll(t *testing.T, lines ...string) (string, Stats) {
	t.Helper()
	r := Reader{KeepLines: true}
	var all strings.Builder
	for e, err := range r.Events(write(t, t.TempDir(), "a.jsonl", lines...)) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&all, e.At.Format(time.RFC3339Nano), string(e.Line))
	}
	return all.String(), r.Stats
}

// TestLinesOfAProcessAreReadInTheOrderOfTheirNumbers puts the lines of logs into any
// order: it makes no difference.
func TestLinesOfAProcessAreReadInTheOrderOfTheirNumbers(t *testing.T) {
	for _, apart := range []int{0, 1, 30, 500, 5000} { // also less than clocks may differ, and more
		one := log(1, 60, apart)
		pool := strings.Replace(one[20], `"grant"`, `"pool"`, 1) // it has the number of the line after it
		one = slices.Insert(one, 20, pool)
		for _, logs := range [][]string{one, slices.Concat(one, log(2, 40, apart), log(3, 3, apart))} {
			logs = append(logs, "no event\n")
			want, stats := readAll(t, logs...)
			if stats.Garbage != 1 || stats.Disordered != 0 {
				t.Fatalf("in order: %+v", stats)
			}
			reversed := slices.Clone(logs)
			slices.Reverse(reversed)
			random := slices.Clone(logs)
			rand.New(rand.NewSource(int64(apart))).Shuffle(len(random), func(i, j int) { random[i], random[j] = random[j], random[i] })
			for name, lines := range map[string][]string{"reversed": reversed, "mixed": random} {
				got, stats := readAll(t, lines...)
				if sortedLines(got) != sortedLines(want) || stats.Garbage != 1 || stats.Disordered != 0 {
					t.Errorf("%s, %d ms apart: got\n%swant\n%s%+v", name, apart, got, want, stats)
				}
				for _, pid := range []string{"1", "2", "3"} {
					if g, w := ofProcess(got, pid), ofProcess(want, pid); g != w {
						t.Errorf("%s, %d ms apart, process %s: got\n%swant\n%s", name, apart, pid, g, w)
					}
				}
			}
		}
	}
}

// TestLinesThatCannotBePutInOrderAreCounted reads logs of which the numbers alone do
// not tell who wrote what when.
func TestLinesThatCannotBePutInOrderAreCounted(t *testing.T) {
	one := log(1, 20, 10)
	other := log(1, 20, 7) // of another process of the same number
	for i := range other {
		other[i] = strings.ReplaceAll(other[i], "T12:", "T13:")
	}
	reversed := slices.Concat(one, other)
	slices.Reverse(reversed)
	backwards := log(1, 20, 10) // by its numbers, but not by its clocks
	for i := range backwards {
		backwards[i] = strings.Replace(backwards[i], fmt.Sprintf(`"seq":%d,`, i+1), fmt.Sprintf(`"seq":%d,`, 20-i), 1)
	}
	var mixed []string
	for i := range one {
		mixed = append(mixed, one[i], other[i])
	}
	for _, c := range []struct {
		name  string
		lines []string
		want  int
	}{
		{"two logs, reversed", reversed, 38},
		{"numbers against the clock", backwards, 19},
		{"one log after another", slices.Concat(one, other), 0},
		{"one log before an earlier one", slices.Concat(other, one), 0},
		{"the same log twice", slices.Concat(one, one), 0},
		{"the beginning of a later log after the end of one", slices.Concat(one[10:], other[:10]), 0},
		{"two logs mixed", mixed, 0},
	} {
		got, stats := readAll(t, c.lines...)
		if n := strings.Count(got, "\n"); n != len(c.lines) || stats.Disordered != c.want {
			t.Errorf("%s: %d events of %d, want %d disordered, got %+v", c.name, n, len(c.lines), c.want, stats)
		}
		if stats.Partial() != (c.want > 0) || strings.Contains(stats.Warning(), fmt.Sprint(c.want, " events out of the order in which they were written; first: ")) != (c.want > 0) {
			t.Errorf("%s: partial %v, warning %q", c.name, stats.Partial(), stats.Warning())
		}
	}
}

// TestStreamIsPutInOrder reads a log that comes newest first from no file.
func TestStreamIsPutInOrder(t *testing.T) {
	lines := log(1, 4, 10)
	slices.Reverse(lines)
	var r Reader
	if got := reqs(t, r.Ordered("x", strings.NewReader(strings.Join(lines, "")))); got != "1.1 1.2 1.3 1.4" {
		t.Errorf("got %s", got)
	}
}

func sortedLines(text string) string {
	l := strings.SplitAfter(text, "\n")
	slices.Sort(l)
	return strings.Join(l, "")
}

func ofProcess(text, pid string) string {
	l := strings.SplitAfter(text, "\n")
	return strings.Join(slices.DeleteFunc(l, func(s string) bool { return !strings.Contains(s, `"pid":`+pid+`,`) }), "")
}
