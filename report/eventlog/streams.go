package eventlog

import (
	"bufio"
	"bytes"
	"container/heap"
	"io"
	"os"
	"time"
)

const (
	streamBuffer = 64 << 10
	// A step back in time that is longer begins a new stream within a file. Lines
	// of several processes that write into one stream may lie this close.
	disorder = 2 * time.Second
	// More streams in one file mean that it is in no order at all.
	streamsMax = 10_000
)

// A stream is a part of a file whose lines are in the order of time.
type stream struct {
	path, name string
	rank       int
	from, to   int64
	ready      bool // event is set; before, it carries only the time of the first line
	event      Event

	file   *os.File
	lines  *lines
	clocks clocks
	pull   func() (Event, error, bool)
}

// advance makes event the next one, or returns false at the end.
func (s *stream) advance(r *Reader) (bool, error) {
	if s.pull != nil {
		e, err, ok := s.pull()
		s.event, s.ready = e, ok && err == nil
		return s.ready, err
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
		s.lines = &lines{r: bufio.NewReaderSize(f, streamBuffer), offset: s.from, max: s.to}
	}
	ok, err := s.read(r)
	if !ok {
		s.close()
	}
	return ok, err
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
			s.clocks.set(&s.event)
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
	stops   []func()
	rank    int
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
	for _, t := range m.temp {
		os.Remove(t)
	}
}

var _ heap.Interface = (*merger)(nil)

// scan splits a file into streams. It looks only for the time of each line,
// which costs a tenth of reading it: the wall clock, because where the clocks
// differ and only some lines have the store's, every change between the two
// would look like a step back.
func (m *merger) scan(path, name string, in io.Reader) error {
	add := func(from int64, at time.Time) *stream {
		s := &stream{path: path, name: name, rank: m.rank, from: from, to: -1}
		s.event.At = at
		m.rank++
		m.streams = append(m.streams, s)
		return s
	}
	l := &lines{r: bufio.NewReaderSize(in, streamBuffer), max: -1}
	var current *stream
	var latest time.Time
	count := 0
	for {
		at := l.offset
		line, _, _, err := l.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return unreadable(name, err)
		}
		t := stamp(line, `"ts":"`)
		switch {
		case current == nil:
			// The first stream takes what precedes the first time.
			current = add(at, t)
			count = 1
		case t.IsZero():
		case latest.IsZero():
			current.event.At = t
		case t.Before(latest.Add(-disorder)) && count < streamsMax:
			current.to = at
			current = add(at, t)
			count++
			latest = t
		}
		if t.After(latest) {
			latest = t
		}
		if current.clocks == nil {
			current.learn(line)
		}
	}
	return nil
}

// learn takes the difference of the clocks from the first line that shows both,
// so that what the process wrote before takes its right place too.
func (s *stream) learn(line []byte) {
	if stamp(line, `"srv":"`).IsZero() {
		return
	}
	var d decoder
	var e Event
	if d.decode(line, &e) != nil || e.TS.IsZero() {
		return
	}
	s.clocks.set(&e)
	s.event.At = s.event.At.Add(e.Srv.Sub(e.TS))
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
