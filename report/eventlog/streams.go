package eventlog

import (
	"bufio"
	"bytes"
	"container/heap"
	"io"
	"os"
	"slices"
	"time"
)

const (
	streamBuffer = 64 << 10
	// A step back in time that is longer begins a new stream within a file. Lines
	// of several processes that write into one stream may lie this close.
	disorder = 2 * time.Second
	// More streams in one file mean that it is in no order at all.
	streamsMax = 10_000
	// Events held back to put those of several processes into order.
	heldMax = 10_000
)

// A stream is a part of a file in which every process goes forward in time.
type stream struct {
	path, name string
	rank       int
	from, to   int64
	shared     *os.File // where its spans are, if it has some
	spans      []span   // its lines, instead of those between from and to
	ready      bool     // event is set; before, it carries only the time of the first line
	event      Event

	file    *os.File
	lines   *lines
	clocks  map[Process]*clock
	first   *clock  // of its first line
	held    []Event // read, and perhaps not in order: several processes wrote it
	ended   bool    // of the file
	several bool    // processes wrote it
	pull    func() (Event, error, bool)
}

// advance makes event the next one, or returns false at the end.
func (s *stream) advance(r *Reader) (bool, error) {
	if s.pull != nil {
		e, err, ok := s.pull()
		s.event, s.ready = e, ok && err == nil
		return s.ready, err
	}
	if s.lines == nil && s.shared != nil {
		s.lines = s.source(nil)
	}
	if s.lines == nil {
		f, err := os.Open(s.path)
		if err == nil {
			_, err = f.Seek(s.from, io.SeekStart)
		}
		if err != nil {
			return false, unreadable(s.name, err)
		}
		s.file = f
		s.lines = s.source(f)
	}
	if !s.several { // one process has one order
		ok, err := s.read(r)
		if !ok {
			s.close()
		}
		return ok, err
	}
	for !s.ended && (len(s.held) == 0 || len(s.held) < heldMax && s.held[len(s.held)-1].At.Sub(s.held[0].At) <= disorder) {
		ok, err := s.read(r)
		if err != nil {
			return false, err
		}
		if s.ended = !ok; ok {
			i, _ := slices.BinarySearchFunc(s.held, s.event.At, func(e Event, at time.Time) int {
				if e.At.After(at) {
					return 1
				}
				return -1 // equal ones keep the order of the lines
			})
			s.held = slices.Insert(s.held, i, s.event)
		}
	}
	if len(s.held) == 0 {
		s.close()
		return false, nil
	}
	s.event, s.held = s.held[0], s.held[1:]
	return true, nil
}

// read takes lines until one is an event.
func (s *stream) read(r *Reader) (bool, error) {
	for {
		at := s.lines.offset
		line, torn, long, err := s.lines.next()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, unreadable(s.name, err)
		}
		if long {
			r.Stats.unusable(&r.Stats.Garbage, s.name, at, bufio.ErrTooLong)
			continue
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		switch err := r.decoder.decode(line, &s.event); {
		case err == nil:
			s.clock(&s.event).set(&s.event)
			if r.KeepLines {
				s.event.Line = bytes.Clone(line)
			}
			s.ready = true
			return true, nil
		case err == errNewer:
			r.Stats.unusable(&r.Stats.Newer, s.name, at, err)
		case torn && bytes.HasPrefix(bytes.TrimSpace(line), []byte("{")):
			// What begins like no event is not the rest of one: a compressed file, a page.
			r.Stats.unusable(&r.Stats.Torn, s.name, at, errTorn)
		default:
			r.Stats.unusable(&r.Stats.Garbage, s.name, at, err)
		}
	}
}

// source yields the lines of the stream; file is at its beginning.
func (s *stream) source(file io.Reader) *lines {
	if s.shared != nil {
		return newSpans(s.shared, s.spans)
	}
	return newLines(file, s.from, s.to)
}

func (s *stream) close() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// merger is a heap of streams, the earliest event first.
type merger struct {
	streams []*stream
	temp    []string
	files   []*os.File // of which several streams read
	stops   []func()
	rank    int
	clocks  []*clock
}

func (m *merger) Len() int { return len(m.streams) }
func (m *merger) Less(i, j int) bool {
	a, b := m.streams[i], m.streams[j]
	if !a.event.At.Equal(b.event.At) {
		return a.event.At.Before(b.event.At)
	}
	return a.rank < b.rank
}
func (m *merger) Swap(i, j int) { m.streams[i], m.streams[j] = m.streams[j], m.streams[i] }
func (m *merger) Push(x any)    { m.streams = append(m.streams, x.(*stream)) }
func (m *merger) Pop() any {
	last := len(m.streams) - 1
	s := m.streams[last]
	m.streams = m.streams[:last]
	return s
}

func (m *merger) close() {
	for _, s := range m.streams {
		s.close()
	}
	for _, stop := range m.stops {
		stop()
	}
	for _, f := range m.files {
		f.Close()
	}
	for _, t := range m.temp {
		os.Remove(t)
	}
}

var _ heap.Interface = (*merger)(nil)

// scan splits a file into streams and collects what its lines tell of the clocks.
// It looks only at the head of each line, which costs a fifth of reading it.
//
// A new stream begins where a process goes back in time, or where a new process
// begins long before what was read last: there, another log was appended. That
// two processes are far apart is no reason: their clocks may differ.
//
// Processes whose numbers go back are put into order, where that is possible.
func (m *merger) scan(r *Reader, path, name string, file *os.File) error {
	l := newLines(file, 0, -1)
	f := newScanned(m, path, name)
	if err := f.all(l); err != nil {
		return err
	}
	if len(f.behind) == 0 {
		return nil
	}
	return m.reorder(r, f, file, l.offset)
}

func newScanned(m *merger, path, name string) *scanned {
	f := &scanned{m: m, path: path, name: name, clocks: map[Process]*clock{}, heads: map[string]Process{}, behind: map[Process]bool{}}
	f.before.streams, f.before.clocks, f.before.rank = len(m.streams), len(m.clocks), m.rank
	return f
}

// all scans all lines.
func (f *scanned) all(l *lines) error {
	for {
		at := l.offset
		line, _, _, err := l.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unreadable(f.name, err)
		}
		if f.line(at, line); f.file != nil && f.taken {
			f.current.spans = append(f.current.spans, span{at, l.offset - at})
		}
	}
}

// scanned is a file while it is scanned.
type scanned struct {
	m          *merger
	path, name string
	clocks     map[Process]*clock
	heads      map[string]Process // by the part of a line that tells it
	current    *stream
	latest     time.Time // of the current stream
	streams    int
	decoder    decoder
	behind     map[Process]bool // their numbers go back
	before     struct {         // of the merger, when the scan began
		streams, clocks, rank int
	}

	// Of a file in which some processes have been put into order:
	file  *os.File
	skip  map[Process][]numbered // those processes
	taken bool                   // the line is not one of theirs
}

func (f *scanned) line(at int64, line []byte) {
	f.taken = true
	ts := stamp(line, `"ts":"`)
	if ts.IsZero() {
		if f.current == nil { // the first stream takes what precedes the first time
			f.begin(at)
		}
		return
	}
	mono, hasMono := millis(line, `"mono_ms":`)
	p := f.process(line)
	if f.skip[p] != nil {
		f.taken = false
		return
	}
	c := f.clocks[p]
	seq := sequence(line)
	if c != nil && seq > 0 && seq < c.seq {
		f.behind[p] = true
	}
	if c == nil || c.goesBack(ts, mono, hasMono) && f.streams < streamsMax {
		again := c != nil
		c = f.m.newClock(p, ts, mono)
		f.clocks[p] = c
		if f.current != nil && f.current.first != nil && f.streams < streamsMax && (again || ts.Before(f.latest.Add(-disorder))) {
			f.current.to = at
			f.current = nil
		}
	}
	if f.current == nil {
		f.begin(at)
	}
	s := f.current
	if s.first == nil {
		s.first, s.event.At = c, c.guess(ts, mono)
	}
	s.clocks[p] = c
	if seq > 0 {
		c.seq = seq
	}
	c.saw(ts, mono, hasMono, stamp(line, `"srv":"`))
	if t := c.guess(ts, mono); t.After(f.latest) {
		f.latest = t
	}
}

func (f *scanned) begin(at int64) {
	s := &stream{path: f.path, name: f.name, rank: f.m.rank, from: at, to: -1, shared: f.file, clocks: map[Process]*clock{}}
	f.m.rank++
	f.m.streams = append(f.m.streams, s)
	f.current, f.latest = s, time.Time{}
	f.streams++
}

// process is the process of a line. The part of it that tells is the same in all
// lines of a process, so that only the first of them is decoded.
func (f *scanned) process(line []byte) Process {
	head := line[:min(len(line), 2048)]
	from, to := bytes.Index(head, []byte(`"run":`)), bytes.Index(head, []byte(`"pid":`))
	if h := bytes.Index(head, []byte(`"host":"`)); from < 0 || h >= 0 && h < from {
		from = h
	}
	if to < 0 {
		to = len(head)
	} else {
		to += len(`"pid":`)
		for to < len(head) && head[to] >= '0' && head[to] <= '9' {
			to++
		}
	}
	if from < 0 || from > to {
		from = max(0, bytes.Index(head, []byte(`"pid":`)))
	}
	if p, ok := f.heads[string(head[from:to])]; ok {
		return p
	}
	var e Event
	if f.decoder.decode(line, &e) != nil {
		return Process{}
	}
	if len(f.heads) < streamsMax {
		f.heads[string(head[from:to])] = e.Process()
	}
	return e.Process()
}

// stamp finds a time in the head of a line, where the writer puts it, or
// returns the zero time.
func stamp(line []byte, field string) time.Time {
	head := line[:min(len(line), 256)]
	i := bytes.Index(head, []byte(field))
	if i < 0 {
		return time.Time{}
	}
	rest := line[i+len(field):]
	j := bytes.IndexByte(rest[:min(len(rest), 64)], '"')
	if j < 0 {
		return time.Time{}
	}
	var t time.Time
	if t.UnmarshalText(rest[:j]) != nil {
		return time.Time{}
	}
	return t
}

// millis finds a number in the head of a line, as milliseconds.
func millis(line []byte, field string) (MS, bool) {
	head := line[:min(len(line), 256)]
	i := bytes.Index(head, []byte(field))
	if i < 0 {
		return 0, false
	}
	rest := head[i+len(field):]
	n := 0
	for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '.' || rest[n] == '-' || rest[n] == 'e' || rest[n] == '+') {
		n++
	}
	var m MS
	ok := n > 0 && m.UnmarshalJSON(rest[:n]) == nil
	return m, ok
}
