package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/resourcelocker/resourcelocker/lockcore/environ"
)

// A Sink is where a [Writer] puts its lines.
type Sink interface {
	// Append stores lines, each with its newline, in their order, and returns how
	// many of them it stored; the rest is lost, which the error explains. It must
	// not keep the slices. It is never called twice at the same time.
	Append(lines [][]byte) (int, error)
	// Close is called once, after the last Append.
	Close() error
}

// A Writer records events. It is safe for concurrent use; a nil Writer
// discards everything, so that callers need not ask whether events are on.
type Writer struct {
	sink  Sink
	run   RunInfo
	host  string
	pid   int
	start time.Time

	mu       sync.Mutex // guards the queue and is held for moments only
	queue    []Event
	seq      uint64
	dropped  uint64 // since the last line that said so
	total    uint64 // of all dropped
	stored   bool   // the sink took a line
	whyLost  error  // of the last that were dropped
	draining bool
	closed   bool
	lastErr  error

	out   sync.Mutex // held while lines go to the sink; keeps their order
	pools map[string]bool
}

const (
	queueMax     = 4096        // events in memory, at most; beyond it they are dropped
	batchMax     = 256         // events encoded before they go out
	closeTimeout = time.Second // how long Close waits for a sink that hangs
	errorMax     = 4096        // bytes of Event.Error that are kept
)

// Open starts a log in directory target, which is made if it is missing, in a
// new file whose name no other process on any host uses. A redis URL as target
// is the business of package redisstream, which opens both.
func Open(target string) (*Writer, error) {
	if strings.Contains(target, "://") {
		scheme, _, _ := strings.Cut(target, "://")
		return nil, fmt.Errorf("eventlog: cannot write events to a %s:// address; give a directory, or a redis:// address to package redisstream", scheme)
	}
	if target == "" {
		return nil, errors.New("eventlog: no directory given for events")
	}
	s, err := newFileSink(target)
	if err != nil {
		return nil, err
	}
	return NewWriter(s, Identity(environ.Getenv)), nil
}

// NewWriter starts a log in a sink, with an event that says whose it is.
func NewWriter(s Sink, run RunInfo) *Writer {
	if v := reflect.ValueOf(s); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		panic("eventlog: NewWriter was given no sink: a nil *Writer is one that discards everything")
	}
	host, _ := os.Hostname() // unknown is fine: the field is left out
	w := &Writer{sink: s, run: run, host: host, pid: os.Getpid(), start: time.Now(), pools: map[string]bool{}}
	w.Write(Event{Ev: Run})
	return w
}

// Write takes an event and returns at once; the event is written soon after by
// another goroutine. What it refers to must not change any more. It never
// fails: an event that finds 4096 others waiting, or a sink that refuses it, is
// dropped and counted in the next line.
func (w *Writer) Write(e Event) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// The lock comes first, so that moments are in the order of the numbers: a goroutine
	// may be stopped between the two for as long as a busy machine likes, and a reader
	// takes a process whose clocks go back for two.
	now := time.Now()
	if now.Year() < firstYear {
		return
	}
	if w.closed || len(w.queue) >= queueMax {
		if !w.closed {
			w.whyLost = fmt.Errorf("eventlog: %d others waited to be written", queueMax)
		}
		w.dropped++
		w.total++
		w.seq++ // the gap shows where
		return
	}
	w.seq++
	e.V, e.Seq, e.TS, e.MonoMS = Version, w.seq, now.UTC(), MS(now.Sub(w.start))
	e.Run, e.Host, e.PID = w.run, w.host, w.pid
	w.queue = append(w.queue, e)
	if !w.draining {
		// A goroutine for each burst instead of one for ever: a test inside a
		// testing/synctest bubble may be the first that writes, and a bubble does
		// not end before the goroutines that were started in it.
		w.draining = true
		go w.drainAll()
	}
}

// firstYear tells the world's clock from the one inside a testing/synctest
// bubble, which begins in 2000: events from there would stretch the window of a
// report over decades.
const firstYear = 2020

// Flush returns when everything written before is in the sink, or ctx is done.
// It does the work itself if nobody else is at it, which makes it fit for a
// signal handler.
func (w *Writer) Flush(ctx context.Context) error {
	if w == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.drain()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lastErr
}

// Close flushes for up to a second and ends the log; events written later are
// dropped. The error is the last one of the sink; there is nothing a caller
// must do about it.
func (w *Writer) Close() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := w.Flush(ctx); ctx.Err() != nil {
		return fmt.Errorf("eventlog: the end of the log could not be written: %w", err)
	}
	w.out.Lock()
	defer w.out.Unlock()
	w.confess()
	w.mu.Lock()
	err := w.lastErr
	w.mu.Unlock()
	if e := w.sink.Close(); err == nil {
		err = e
	}
	return err
}

// Dropped is how many events were lost so far.
func (w *Writer) Dropped() uint64 {
	if w == nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total
}

// Loss says how many events were lost so far and why, for whoever ends; it is nil if
// none was. What a log itself says of it does not arrive where nothing can be written.
func (w *Writer) Loss() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.total == 0 {
		return nil
	}
	why := w.whyLost
	if why == nil {
		why = errors.New("they came after the end of the log")
	}
	words := "events are lost"
	if !w.stored {
		words = "no events are written"
	}
	return fmt.Errorf("%s: %w (%d lost so far)", words, why, w.total)
}

// drainAll empties the queue until it stays empty.
func (w *Writer) drainAll() {
	for {
		w.drain()
		w.mu.Lock()
		if len(w.queue) == 0 {
			w.draining = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
	}
}

// drain writes what is queued when it is called.
func (w *Writer) drain() {
	w.out.Lock()
	defer w.out.Unlock()
	w.mu.Lock()
	batch := w.queue
	w.queue = nil
	w.mu.Unlock()
	for len(batch) > 0 {
		n := min(len(batch), batchMax)
		w.put(batch[:n])
		batch = batch[n:]
	}
}

// put encodes events and hands them to the sink. Only one goroutine is in here.
func (w *Writer) put(events []Event) {
	lines := make([][]byte, 0, len(events)+1)
	carried := w.takeDropped()
	for i := range events {
		e := &events[i]
		if i == 0 {
			e.Dropped = carried
		}
		known := w.shorten(e)
		if known.Ev != "" {
			lines = append(lines, encode(&known))
		}
		lines = append(lines, encode(e))
	}
	stored, err := w.sink.Append(lines)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastErr = err
	w.stored = w.stored || stored > 0
	if stored < len(lines) {
		lost := uint64(len(lines) - stored)
		w.whyLost = err
		w.total += lost
		w.dropped += lost
		if stored == 0 {
			w.dropped += carried // the line that told of them is lost too
		}
	}
}

// confess writes a last line when drops are still untold.
func (w *Writer) confess() {
	n := w.takeDropped()
	if n == 0 {
		return
	}
	w.mu.Lock()
	w.seq++
	now := time.Now()
	e := Event{V: Version, Ev: Run, Seq: w.seq, TS: now.UTC(), MonoMS: MS(now.Sub(w.start)), Run: w.run, Host: w.host, PID: w.pid, Dropped: n}
	w.mu.Unlock()
	w.sink.Append([][]byte{encode(&e)}) // nobody is left to tell of a failure
}

func (w *Writer) takeDropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.dropped
	w.dropped = 0
	return n
}

// encode makes a line. An event has no value that JSON cannot hold; should that
// change, an empty line, which readers skip, beats a panic in somebody's test.
func encode(e *Event) []byte {
	e.Error = clip(e.Error, errorMax)
	b, err := json.Marshal(e)
	if err != nil {
		return []byte("\n")
	}
	return append(b, '\n')
}

// clip shortens s to n bytes, at a rune boundary.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
