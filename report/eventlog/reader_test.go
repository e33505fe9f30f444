package eventlog

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// line is a line of process pid, ms after t0.
func line(pid int, ms int, req string) string {
	return fmt.Sprintf(`{"v":1,"ev":"grant","ts":%q,"pid":%d,"req":%q}`+"\n", t0.Add(time.Duration(ms)*time.Millisecond).Format(time.RFC3339Nano), pid, req)
}

func write(t *testing.T, dir, name string, text ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(text, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func reqs(t *testing.T, seq iter.Seq2[Event, error]) string {
	t.Helper()
	var all []string
	for e, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Req)
	}
	return strings.Join(all, " ")
}

func TestFilesAreMergedByTime(t *testing.T) {
	dir := t.TempDir()
	a := write(t, dir, "a.jsonl", line(1, 0, "a0"), line(1, 20, "a20"), line(1, 40, "a40"))
	write(t, dir, "sub/b.jsonl", line(2, 10, "b10"), line(2, 30, "b30"))
	write(t, dir, "notes.txt", "no events")
	write(t, dir, "empty.jsonl")
	var r Reader
	if got := reqs(t, r.Events(dir)); got != "a0 b10 a20 b30 a40" {
		t.Errorf("got %s", got)
	}
	if r.Stats.Files != 3 || r.Stats.Events != 5 || r.Stats.Partial() || r.Stats.Warning() != "" {
		t.Errorf("stats %+v", r.Stats)
	}
	r = Reader{Stdin: strings.NewReader(line(3, 25, "in25"))}
	if got := reqs(t, r.Events("-", a)); got != "a0 a20 in25 a40" {
		t.Errorf("got %s", got)
	}
	for range r.Events(dir) {
		break // a consumer may stop
	}
}

func TestFilesGluedTogetherAreTakenApart(t *testing.T) {
	a := line(1, 0, "a0") + line(1, 20_000, "a20") + line(1, 40_000, "a40")
	b := line(2, 10_000, "b10") + line(2, 30_000, "b30")
	c := line(3, 5_000, "c5")
	var r Reader
	r.Stdin = strings.NewReader(a + b + c)
	if got := reqs(t, r.Events("-")); got != "a0 c5 b10 a20 b30 a40" {
		t.Errorf("got %s", got)
	}
}

func TestTemporaryFilesAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r := Reader{Stdin: strings.NewReader(line(1, 0, "a") + line(1, 1, "b"))}
	for range r.Events("-") {
		break
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTheStoresClockOrdersMachines(t *testing.T) {
	// Machine 2 is an hour fast; its second event tells the store's time, which
	// corrects all of them.
	stamp := func(host string, ts, srv time.Duration, req string) string {
		s := fmt.Sprintf(`{"v":1,"ev":"queue","ts":%q,"host":%q,"req":%q`, t0.Add(ts).Format(time.RFC3339Nano), host, req)
		if srv >= 0 {
			s += fmt.Sprintf(`,"srv":%q`, t0.Add(srv).Format(time.RFC3339Nano))
		}
		return s + "}\n"
	}
	dir := t.TempDir()
	write(t, dir, "1.jsonl", stamp("one", time.Second, -1, "a1"), stamp("one", 3*time.Second, -1, "a3"), stamp("one", 5*time.Second, -1, "a5"))
	write(t, dir, "2.jsonl", stamp("two", time.Hour, -1, "b0"), stamp("two", time.Hour+2*time.Second, 2*time.Second, "b2"), stamp("two", time.Hour+4*time.Second, -1, "b4"))
	var r Reader
	if got := reqs(t, r.Events(dir)); got != "b0 a1 b2 a3 b4 a5" {
		t.Errorf("got %s", got)
	}
	for e := range r.Events(dir) {
		if e.Host == "two" && e.At.After(t0.Add(time.Minute)) {
			t.Errorf("%s is at %v", e.Req, e.At)
		}
	}
}

func TestUnusableLinesAreCounted(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "a.jsonl",
		line(1, 0, "a"), "garbage\n", "\n", "  \r\n", "\x00\x00\x00\n",
		strings.TrimSuffix(line(1, 1, "crlf"), "\n")+"\r\n",
		`{"v":2,"ev":"grant","req":"new"}`+"\n",
		`{"v":1,"ev":"telepathy","req":"kind"}`+"\n",
		`{"v":1,"ev":"run","dropped":12}`+"\n",
		line(1, 2, "b"), line(1, 3, "torn")[:40])
	var r Reader
	if got := reqs(t, r.Events(path)); got != "a crlf kind  b" {
		t.Errorf("got %q", got)
	}
	s := r.Stats
	if s.Garbage != 2 || s.Newer != 1 || s.Torn != 1 || s.Dropped != 12 || !s.Partial() {
		t.Errorf("stats %+v", s)
	}
	for _, want := range []string{"1 last line torn", "2 lines that are no events", "1 line of a newer version", "12 events dropped", "a.jsonl: at byte"} {
		if !strings.Contains(s.Warning(), want) {
			t.Errorf("%q lacks %q", s.Warning(), want)
		}
	}
}

func TestALastLineWithoutNewlineIsTaken(t *testing.T) {
	r := Reader{Stdin: strings.NewReader(strings.TrimSuffix(line(1, 0, "a"), "\n"))}
	if got := reqs(t, r.Events("-")); got != "a" || r.Stats.Partial() {
		t.Errorf("got %q, %+v", got, r.Stats)
	}
}

func TestLongLines(t *testing.T) {
	var keys []string
	for i := range 20_000 {
		keys = append(keys, fmt.Sprintf("%q", fmt.Sprint("a board with a name ", i)))
	}
	long := `{"v":1,"ev":"pool","req":"long","reqs":[{"candidates":[` + strings.Join(keys, ",") + "]}]}\n"
	r := Reader{Stdin: strings.NewReader(line(1, 0, "a") + long + line(1, 1, "b") + strings.Repeat("x", lineMax+1) + "\n" + line(1, 2, "c"))}
	n := 0
	var got []string
	for e, err := range r.Events("-") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Req)
		if e.Req == "long" {
			n = len(e.Reqs[0].Candidates)
		}
	}
	if !slices.Equal(got, []string{"a", "long", "b", "c"}) || n != 20_000 || r.Stats.Garbage != 1 {
		t.Errorf("got %v with %d candidates, %+v", got, n, r.Stats)
	}
}

func TestManyFilesNeedFewOpenOnes(t *testing.T) {
	dir := t.TempDir()
	const n = 3000
	for i := range n {
		write(t, dir, fmt.Sprintf("%04d.jsonl", i), line(i, i*10, fmt.Sprint(i)), line(i, i*10+1, fmt.Sprint(i)))
	}
	var r Reader
	most := 0
	for _, err := range r.Events(dir) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Stats.Events%200 == 0 {
			if open, err := os.ReadDir("/proc/self/fd"); err == nil {
				most = max(most, len(open))
			}
		}
	}
	if r.Stats.Events != 2*n || most > 100 {
		t.Errorf("%d events; %d open files", r.Stats.Events, most)
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	var r Reader
	var got error
	for _, err := range r.Events(missing) {
		got = err
	}
	if got == nil || !strings.Contains(got.Error(), missing) {
		t.Errorf("got %v", got)
	}
}

// endless yields the same byte for ever.
type endless byte

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e)
	}
	return len(b), nil
}

func TestMemoryIsBounded(t *testing.T) {
	l := lines{r: bufio.NewReader(io.MultiReader(io.LimitReader(endless('x'), 5*lineMax), strings.NewReader("\nnext\n"))), max: -1}
	if _, _, long, err := l.next(); !long || err != nil {
		t.Errorf("long %t, %v", long, err)
	}
	if cap(l.buf) > 2*lineMax {
		t.Errorf("a line that is not read takes %d bytes", cap(l.buf))
	}
	if line, _, _, err := l.next(); string(line) != "next" || err != nil {
		t.Errorf("then %q, %v", line, err)
	}
	var d decoder
	var e Event
	for i := range namesMax + 10 {
		if err := d.decode(fmt.Appendf(nil, `{"ev":"grant","host":"%d","reqs":[{"name":"%d"}]}`, i, i), &e); err != nil {
			t.Fatal(err)
		}
		if len(d.names) > namesMax || len(d.lists) > listsMax {
			t.Fatalf("%d names and %d lists are remembered", len(d.names), len(d.lists))
		}
	}
}

func TestPipesAreRead(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	path := fmt.Sprintf("/dev/fd/%d", r.Fd()) // what <(...) of a shell is
	if _, err := os.Stat(path); err != nil {
		t.Skip("needs /dev/fd")
	}
	fmt.Fprint(w, line(1, 0, "a0"), line(1, 20_000, "a20"), line(2, 10_000, "b10"))
	w.Close()
	var reader Reader
	if got := reqs(t, reader.Events(path)); got != "a0 b10 a20" {
		t.Errorf("got %s", got)
	}
}

func TestEqualTimesKeepTheOrderOfTheTargets(t *testing.T) {
	dir := t.TempDir()
	var targets []string
	for i := range 20 {
		targets = append(targets, write(t, dir, fmt.Sprintf("%02d.jsonl", i), line(i, 0, fmt.Sprint(i))))
	}
	var r Reader
	if got := reqs(t, r.Events(targets...)); got != "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19" {
		t.Errorf("got %s", got)
	}
}

func TestMergeOfSequences(t *testing.T) {
	seq := func(ms ...int) iter.Seq2[Event, error] {
		return func(yield func(Event, error) bool) {
			for _, m := range ms {
				if !yield(Event{Req: fmt.Sprint(m), At: t0.Add(time.Duration(m))}, nil) {
					return
				}
			}
		}
	}
	if got := reqs(t, Merge(seq(1, 4), seq(), seq(2, 3, 5))); got != "1 2 3 4 5" {
		t.Errorf("got %s", got)
	}
	broken := func(yield func(Event, error) bool) { yield(Event{}, os.ErrClosed) }
	for _, err := range Merge(seq(1), broken) {
		if err != os.ErrClosed {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzReader(f *testing.F) {
	e := full()
	f.Add(append(encode(&e), encode(&e)...))
	f.Add([]byte(line(1, 5000, "a") + line(2, 0, "b") + "\n{\"v\":7}\ngarbage\n{\"ev\":"))
	f.Fuzz(func(t *testing.T, text []byte) {
		// Whatever the input: no panic, and every line is accounted for once.
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var r, flat Reader
		n := 0
		for _, err := range r.Events(path) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		used := 0
		for l := range strings.SplitSeq(string(text), "\n") {
			if strings.TrimSpace(l) != "" {
				used++
			}
		}
		s := r.Stats
		if n != s.Events || used != s.Events+s.Garbage+s.Newer+s.Torn {
			t.Fatalf("%d lines, %+v", used, s)
		}
		for range flat.Decode("x", strings.NewReader(string(text))) {
		}
		if flat.Stats.Events != n || flat.Stats.Garbage != s.Garbage {
			t.Fatalf("ordered %+v, flat %+v", s, flat.Stats)
		}
	})
}
