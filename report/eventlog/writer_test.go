package eventlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// memorySink collects lines; opened, if set, is received from before each Append.
type memorySink struct {
	mu     sync.Mutex
	lines  []string
	calls  int
	fail   func(call int) (int, error)
	opened chan struct{}
}

func (s *memorySink) Append(lines [][]byte) (int, error) {
	if s.opened != nil {
		<-s.opened
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	n, err := len(lines), error(nil)
	if s.fail != nil {
		if m, e := s.fail(s.calls); e != nil {
			n, err = min(m, n), e
		}
	}
	for _, l := range lines[:n] {
		s.lines = append(s.lines, string(l))
	}
	return n, err
}

func (s *memorySink) Close() error { return nil }

func (s *memorySink) events(t *testing.T) []Event {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	return decodeAll(t, strings.Join(s.lines, ""))
}

func decodeAll(t *testing.T, text string) []Event {
	t.Helper()
	var r Reader
	var all []Event
	for e, err := range r.Decode("test", strings.NewReader(text)) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if r.Stats.Torn+r.Stats.Garbage+r.Stats.Newer > 0 {
		t.Fatalf("unreadable: %s in\n%s", r.Stats.Warning(), text)
	}
	return all
}

func TestWriterFillsWhoAndWhen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b c")
	t.Setenv("RTEST_RUN", "run-7")
	w, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	w.Write(Event{Ev: Request, Req: "r1", Test: TestInfo{Name: "TestA"}})
	if err := w.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"+Suffix))
	if len(files) != 1 {
		t.Fatalf("files %q; want one", files)
	}
	text, _ := os.ReadFile(files[0])
	all := decodeAll(t, string(text)) // before Close: Flush alone must do
	if len(all) != 2 || all[0].Ev != Run || all[1].Ev != Request {
		t.Fatalf("got %+v", all)
	}
	host, _ := os.Hostname()
	for i, e := range all {
		if e.V != Version || e.Seq != uint64(i+1) || e.Host != host || e.PID != os.Getpid() || e.Run.ID != "run-7" {
			t.Errorf("event %d is %+v", i, e)
		}
	}
	if e := all[1]; e.TS.Before(before.Add(-time.Second)) || e.TS.After(time.Now()) || e.Req != "r1" || e.Test.Name != "TestA" {
		t.Errorf("event is %+v", e)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	w.Write(Event{Ev: Grant}) // must not panic
	if got := w.Dropped(); got != 1 {
		t.Errorf("%d dropped after Close; want 1", got)
	}
}

func TestNilWriterDiscards(t *testing.T) {
	var w *Writer
	w.Write(Event{Ev: Grant})
	if err := errors.Join(w.Flush(context.Background()), w.Close()); err != nil || w.Dropped() != 0 {
		t.Error(err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	for target, want := range map[string]string{
		"redis://user:secret@h/0": "redis:// address",
		"":                        "no directory",
		file:                      file,
	} {
		_, err := Open(target)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v; want words with %q", target, err, want)
		}
	}
}

func TestWriteNeverWaitsAndCountsWhatItDrops(t *testing.T) {
	sink := &memorySink{opened: make(chan struct{})}
	w := NewWriter(sink, RunInfo{})
	const n = 3 * queueMax
	for range n {
		w.Write(Event{Ev: Grant}) // would hang here if it waited for the sink
	}
	if w.Dropped() == 0 {
		t.Fatal("nothing was dropped though nothing could be written")
	}
	close(sink.opened)
	if err := w.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.Write(Event{Ev: Release})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var told uint64
	all := sink.events(t)
	for _, e := range all {
		told += e.Dropped
	}
	if told != w.Dropped() || uint64(len(all))+told != n+2 {
		t.Errorf("%d lines and %d told as dropped, %d counted; want %d in all", len(all), told, w.Dropped(), n+2)
	}
	if last := all[len(all)-1]; last.Seq != n+2 {
		t.Errorf("the last number is %d; want %d: numbers of dropped events must be missing", last.Seq, n+2)
	}
}

func TestDropsAtTheEndAreTold(t *testing.T) {
	full := errors.New("disk full")
	sink := &memorySink{fail: func(call int) (int, error) {
		if call == 2 {
			return 1, full
		}
		return 0, nil
	}, opened: make(chan struct{}, 10)}
	sink.opened <- struct{}{} // let the run event out, so that the next calls have known contents
	w := NewWriter(sink, RunInfo{})
	w.Flush(context.Background())
	for range 3 {
		w.Write(Event{Ev: Grant})
	}
	for range 9 {
		sink.opened <- struct{}{}
	}
	// The three may go out in one call or in more; whatever call 2 loses is told.
	if err := w.Close(); err != nil && !errors.Is(err, full) {
		t.Fatal(err)
	}
	all := sink.events(t)
	var told uint64
	for _, e := range all {
		told += e.Dropped
	}
	if told != w.Dropped() {
		t.Errorf("%d told, %d dropped", told, w.Dropped())
	}
}

// What no line can tell, because none is stored, the writer tells.
func TestLossIsTold(t *testing.T) {
	full := errors.New("disk full")
	room := 0
	sink := &memorySink{fail: func(int) (int, error) { return room, full }}
	w := NewWriter(sink, RunInfo{})
	if err := w.Flush(t.Context()); !errors.Is(err, full) {
		t.Fatal(err)
	}
	loss := func(want string) {
		t.Helper()
		if err := w.Loss(); !errors.Is(err, full) || err.Error() != want {
			t.Errorf("%v; want %s", err, want)
		}
	}
	loss("no events are written: disk full (1 lost so far)")
	room = 1
	w.Write(Event{Ev: Grant})
	w.Flush(t.Context())
	sink.fail = nil
	w.Write(Event{Ev: Release})
	if err := w.Close(); err != nil {
		t.Fatal(err) // of the last lines, which were stored
	}
	loss("events are lost: disk full (1 lost so far)")
	var none *Writer
	if err := none.Loss(); err != nil {
		t.Error(err)
	}
}

func TestFlushIsBoundedByItsContext(t *testing.T) {
	sink := &memorySink{opened: make(chan struct{})}
	w := NewWriter(sink, RunInfo{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(sink.opened)
}

// TestMomentsAreInTheOrderOfNumbers stops a goroutine in the middle of a Write, as a busy
// machine does, and lets the clock go on.
func TestMomentsAreInTheOrderOfNumbers(t *testing.T) {
	sink := &memorySink{}
	w := NewWriter(sink, RunInfo{})
	w.mu.Lock()
	var g sync.WaitGroup
	g.Go(func() { w.Write(Event{Ev: Request}) })
	inWrite := regexp.MustCompile(`\[sync\.Mutex\.Lock[^]]*\]:\n(.+\n)*.*\(\*Writer\)\.Write\(`)
	for stacks := make([]byte, 1<<20); !inWrite.Match(stacks[:runtime.Stack(stacks, true)]); {
		runtime.Gosched()
	}
	stopped := time.Now()
	for !time.Now().Truncate(time.Millisecond).After(stopped) { // of what is written, a millisecond tells
		runtime.Gosched()
	}
	w.mu.Unlock()
	g.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if events := sink.events(t); len(events) != 2 || !events[1].TS.After(stopped) {
		t.Errorf("%+v: want the moment at which the request got its number, after %s", events, stopped)
	}
}

func TestConcurrentWritesKeepLinesWholeAndInOrder(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	for i := range 8 {
		g.Go(func() {
			for j := range 300 {
				w.Write(Event{Ev: Request, Req: fmt.Sprint(i, "-", j), Error: strings.Repeat("x", 500)})
				if j%50 == 0 {
					w.Flush(context.Background())
				}
			}
		})
	}
	g.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var last uint64
	var r Reader
	for e, err := range r.Events(dir) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Seq <= last {
			t.Fatalf("number %d after %d", e.Seq, last)
		}
		last = e.Seq
		seen[e.Req] = true
	}
	if len(seen) != 8*300+1 || r.Stats.Partial() {
		t.Errorf("%d requests; want %d; %s", len(seen), 8*300+1, r.Stats.Warning())
	}
}

func TestLongListsAreWrittenOnce(t *testing.T) {
	var keys []string
	for i := range 10_000 {
		keys = append(keys, fmt.Sprint("board-", i))
	}
	sink := &memorySink{}
	w := NewWriter(sink, RunInfo{})
	reqs := []Requirement{{Name: "few", Candidates: keys[:3]}, {Name: "many", Candidates: keys}}
	for range 5 {
		w.Write(Event{Ev: Request, Reqs: reqs})
	}
	w.Close()
	if len(reqs[1].Candidates) != 10_000 {
		t.Error("the caller's list was changed")
	}
	pools := 0
	for _, e := range sink.events(t) {
		switch e.Ev {
		case Pool:
			pools++
			if len(e.Reqs) != 1 || len(e.Reqs[0].Candidates) != 10_000 || e.Reqs[0].Hash != CandidateHash(keys) {
				t.Errorf("pool event %.200v", e)
			}
		case Request:
			if pools != 1 || len(e.Reqs[0].Candidates) != 3 || e.Reqs[1].Candidates != nil || e.Reqs[1].Count != 10_000 || e.Reqs[1].Hash != CandidateHash(keys) {
				t.Errorf("request %+v after %d pool events", e, pools)
			}
		}
	}
	if pools != 1 {
		t.Errorf("%d pool events; want 1", pools)
	}
	if CandidateHash([]string{"a", "b"}) != CandidateHash([]string{"b", "a"}) || CandidateHash([]string{"a", "bc"}) == CandidateHash([]string{"ab", "c"}) {
		t.Error("the hash must depend on the keys and not on their order")
	}
}

func TestEventsOfABubbleAreLeftOut(t *testing.T) {
	sink := &memorySink{}
	w := NewWriter(sink, RunInfo{})
	synctest.Test(t, func(*testing.T) {
		w.Write(Event{Ev: Request})
		time.Sleep(time.Hour)
		w.Flush(context.Background())
	})
	w.Write(Event{Ev: Grant})
	w.Close()
	if all := sink.events(t); len(all) != 2 || all[1].Ev != Grant {
		t.Errorf("got %+v", all)
	}
}
