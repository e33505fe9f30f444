package filestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/internal/sched"
)

// inMidStep locks the state as a process does that makes a step, until the function
// that it returns is called.
func inMidStep(t *testing.T, s *Store) (done func()) {
	t.Helper()
	f, err := openFile(s.loc.state(), forChange, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !lockSoon(&f, watchdog) {
		t.Fatal("the state is locked all the time")
	}
	return sync.OnceFunc(func() { f.unlock(); f.close() })
}

// inQueue waits until those are in the queue who should be, and no others.
func inQueue(t *testing.T, s *Store, want ...string) {
	t.Helper()
	reader := &Store{loc: s.loc}
	defer reader.forgetQueue()
	var l waitingLine
	for end := time.Now().Add(watchdog); time.Now().Before(end); time.Sleep(time.Millisecond) {
		reader.changeQueue(func(line *waitingLine) bool { l = *line; return false })
		if slices.Equal(l.procs, want) {
			return
		}
	}
	t.Fatalf("in the queue are %v, want %v", l.procs, want)
}

// stepLater makes a step aside, and notes its name when it is in it.
func stepLater(t *testing.T, s *Store, name string, notes chan<- string) {
	go func() {
		if err := s.step(t.Context(), func(*sched.State, int64) { notes <- name }); err != nil {
			notes <- err.Error()
		}
	}()
}

func hear(t *testing.T, notes <-chan string) string {
	t.Helper()
	select {
	case n := <-notes:
		return n
	case <-time.After(watchdog):
		t.Fatal("nobody makes a step")
		return ""
	}
}

func TestStepsAreMadeInTheOrderOfArrival(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b, c := open(t, dir), open(t, dir), open(t, dir)
	notes := make(chan string, 10)
	done := inMidStep(t, a)
	defer done()
	stepLater(t, a, "a", notes)
	inQueue(t, a, a.id)
	stepLater(t, b, "b", notes)
	inQueue(t, a, a.id, b.id)
	stepLater(t, c, "c", notes)
	inQueue(t, a, a.id, b.id, c.id)
	done()
	for _, want := range []string{"a", "b", "c"} {
		if got := hear(t, notes); got != want {
			t.Errorf("%s makes a step, want %s", got, want)
		}
	}
	inQueue(t, a)
}

// The next one could do nothing but look again and again whether the step is over.
func TestTheNextIsWokenWhenTheStepIsOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b, c := open(t, dir), open(t, dir), open(t, dir)
	done := inMidStep(t, c)
	defer done()
	inIt, end, ended := make(chan bool), make(chan bool), make(chan error, 1)
	finish := sync.OnceFunc(func() { close(end) })
	defer finish()
	go func() {
		ended <- a.step(t.Context(), func(*sched.State, int64) { inIt <- true; <-end })
	}()
	inQueue(t, c, a.id)
	notes := make(chan string, 10)
	stepLater(t, b, "b", notes)
	inQueue(t, c, a.id, b.id)
	done()
	<-inIt
	inQueue(t, c, a.id, b.id)
	finish()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := hear(t, notes); got != "b" {
		t.Error(got)
	}
	inQueue(t, c)
}

// The way to a process is kept open, and found again when it has another pipe.
func TestAProcessIsWokenThroughItsPresentPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	for range 3 {
		b.turn <- struct{}{}
		b.listen()
		<-b.turn
		for range 2 {
			a.callTurn(b.id)
			select {
			case <-b.queue.turn:
			case <-time.After(watchdog):
				t.Fatal("b was not woken")
			}
		}
		b.turn <- struct{}{}
		b.stopReceiving()
		<-b.turn
	}
}

// A process that is in the queue every now and then keeps its pipe.
func TestThePipeStaysWhileTheQueueIsUsed(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	s.turn <- struct{}{}
	s.listen()
	first := s.receiver
	s.queue.used.Store(time.Now().Add(time.Hour).UnixNano())
	s.watch()
	<-s.turn
	pipe := func() receiver {
		s.turn <- struct{}{}
		defer func() { <-s.turn }()
		return s.receiver
	}
	time.Sleep(3 * watchEvery) // what does not happen has no event
	if pipe() != first {
		t.Error("the pipe was closed")
	}
	s.queue.used.Store(0)
	for end := time.Now().Add(watchdog); pipe() != nil; time.Sleep(watchEvery) {
		if time.Now().After(end) {
			t.Fatal("the pipe stays open for good")
		}
	}
}

// Whoever finds the state unlocked while others are in the queue, because the first
// has not woken up yet, stands behind them.
func TestNobodyGoesPastTheQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	// A process that is there, and does not come.
	if !a.changeQueue(func(l *waitingLine) bool { l.procs = []string{a.id}; return true }) {
		t.Fatal("the queue cannot be changed")
	}
	notes := make(chan string, 10)
	stepLater(t, b, "b", notes)
	inQueue(t, a, a.id, b.id)
	a.leaveQueue()
	if got := hear(t, notes); got != "b" {
		t.Error(got)
	}
	inQueue(t, a)
}

// A turn covers one more step, so that what is taken for a moment is given back at
// once.
func TestATurnCoversOneMoreStep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if !b.changeQueue(func(l *waitingLine) bool { l.procs = []string{b.id}; return true }) {
		t.Fatal("the queue cannot be changed")
	}
	a.queue.more = time.Now().Add(time.Hour)
	if err := a.view(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	inQueue(t, a, b.id)
	notes := make(chan string, 10)
	stepLater(t, a, "a", notes)
	inQueue(t, b, b.id, a.id)
	b.leaveQueue()
	if got := hear(t, notes); got != "a" {
		t.Error(got)
	}
}

func TestOneWhoGivesUpLeavesTheQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b, c := open(t, dir), open(t, dir), open(t, dir)
	done := inMidStep(t, a)
	defer done()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for _, s := range []*Store{a, b} {
		go func() { ended <- s.view(ctx, nil) }()
		if s == a {
			inQueue(t, a, a.id)
		}
	}
	inQueue(t, a, a.id, b.id)
	notes := make(chan string, 10)
	stepLater(t, c, "c", notes)
	inQueue(t, a, a.id, b.id, c.id)
	cancel()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a step that was given up ends with %v", err)
		}
	}
	inQueue(t, a, c.id)
	done()
	if got := hear(t, notes); got != "c" {
		t.Error(got)
	}
}

func TestADeadProcessLeavesTheQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	child := startChild(t, dir)
	done := inMidStep(t, s)
	defer done()
	child.send(order{Do: "acquire", Name: "x", Keys: []string{"k"}})
	var id string
	for _, r := range s.loc.registered() {
		if r != s.id {
			id = r
		}
	}
	inQueue(t, s, id)
	notes := make(chan string, 10)
	stepLater(t, s, "s", notes)
	inQueue(t, s, id, s.id)
	child.kill()
	done()
	if got := hear(t, notes); got != "s" {
		t.Error(got)
	}
	inQueue(t, s)
}

// A wake-up may be lost, and so may the file.
func TestALostTurnIsFound(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"the pipe", "the queue", "nonsense"} {
		dir := t.TempDir()
		a, b := open(t, dir), open(t, dir)
		done := inMidStep(t, a)
		notes := make(chan string, 10)
		stepLater(t, a, "a", notes)
		inQueue(t, a, a.id)
		stepLater(t, b, "b", notes)
		inQueue(t, a, a.id, b.id)
		path := filepath.Join(a.loc.space, queueName)
		switch what {
		case "the pipe":
			removeAll(t, filepath.Join(a.loc.space, procsName, b.id+fifoSuffix))
		case "the queue":
			removeAll(t, path)
		case "nonsense":
			if err := os.WriteFile(path, []byte(strings.Repeat("nonsense", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		done()
		got := []string{hear(t, notes), hear(t, notes)}
		slices.Sort(got)
		if !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%s was lost: %v", what, got)
		}
		for range 3 {
			if err := b.view(t.Context(), nil); err != nil {
				t.Error(err)
			}
		}
	}
}

// Somebody who locks the file of the queue for good costs order, and nothing else.
func TestALockedQueueIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.view(t.Context(), nil); err != nil { // makes the file
		t.Fatal(err)
	}
	f, err := openFile(filepath.Join(s.loc.space, queueName), forChange, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if !lockSoon(&f, watchdog) {
		t.Fatal("the queue is locked")
	}
	done := inMidStep(t, s)
	notes := make(chan string, 10)
	stepLater(t, s, "s", notes)
	time.AfterFunc(10*time.Millisecond, done)
	if got := hear(t, notes); got != "s" {
		t.Error(got)
	}
}
