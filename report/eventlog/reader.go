package eventlog

import (
	"container/heap"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Reader reads event logs. Its zero value is ready to use. It is not safe for
// concurrent use.
type Reader struct {
	Stdin io.Reader // what "-" stands for; nil means os.Stdin
	Stats Stats     // what was met so far
	// KeepLines makes Event.Line the line that an event was read from.
	KeepLines bool

	decoder decoder
}

// Stats counts what a [Reader] met. Lines that it could not use are no error:
// the rest of a log is still worth a report, as long as the reader of that
// report is told.
type Stats struct {
	Files   int
	Events  int
	Torn    int    // last lines that stop in the middle: their writer was killed, or still writes
	Garbage int    // lines that are no events
	Newer   int    // lines of a newer version of the format
	Empty   int    // files without a single byte: their writer died before its first event, or had no room
	Dropped uint64 // events that their writers say they lost
	// Disordered counts events that come after one which their process wrote later,
	// where they could not be put into order: what is told of them may be wrong.
	Disordered int
	Samples    []string
}

// samplesMax bounds Stats.Samples, the places and reasons of the first
// unusable lines.
const samplesMax = 5

// Partial reports whether something of the input could not be used.
func (s *Stats) Partial() bool { return s.Torn+s.Garbage+s.Newer+s.Disordered > 0 || s.Dropped > 0 }

// Warning says in one line what could not be used, or is empty.
func (s *Stats) Warning() string {
	var parts []string
	add := func(n uint64, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, fmt.Sprint(n, " ", many))
		}
	}
	add(uint64(s.Torn), "last line torn", "last lines torn")
	add(uint64(s.Garbage), "line that is no event", "lines that are no events")
	add(uint64(s.Newer), "line of a newer version of the format, which a newer rtest-report reads", "lines of a newer version of the format, which a newer rtest-report reads")
	add(s.Dropped, "event dropped by its writer", "events dropped by their writers")
	add(uint64(s.Disordered), "event out of the order in which it was written", "events out of the order in which they were written")
	if len(parts) == 0 {
		return ""
	}
	w := "input is partial: " + strings.Join(parts, ", ")
	if len(s.Samples) > 0 {
		w += "; first: " + strings.Join(s.Samples, "; ")
	}
	return w
}

func (s *Stats) unusable(n *int, where string, line int64, err error) {
	*n++
	if len(s.Samples) < samplesMax {
		s.Samples = append(s.Samples, fmt.Sprintf("%s: at byte %d: %v", where, line, err))
	}
}

// Events yields the events of all targets in the order of time: files,
// directories, of which all files below that end in [Suffix] are read, and "-".
// An error ends the sequence and means that a target cannot be read at all.
//
// Files are read as streams, and opened only when their time has come, so that
// a log of thousands of processes needs few open files. A file that holds
// several logs one after the other, as cat makes it, is read as several; to
// that end all files are scanned first, and "-" is copied to a temporary file
// unless it is one. Events share memory and must not be changed.
//
// The events of one process are in the order of their numbers, in whichever order
// they stand in a file, if these and its clocks agree; Stats.Disordered counts those
// of which that cannot be said. Events without numbers are in the order of the
// monotonic clock of their process, those of several processes in that of the store's
// clock, where any line tells it; Event.Unplaced marks those of which none does.
func (r *Reader) Events(targets ...string) iter.Seq2[Event, error] {
	return r.ordered(func(m *merger) error {
		for _, t := range targets {
			if err := r.add(m, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// Ordered yields the events of one stream in the order of time, as Events does. It
// keeps a copy of the stream in a temporary file meanwhile. name is what Stats
// calls it.
func (r *Reader) Ordered(name string, in io.Reader) iter.Seq2[Event, error] {
	return r.ordered(func(m *merger) error {
		r.Stats.Files++
		return r.spool(m, name, in)
	})
}

func (r *Reader) ordered(add func(*merger) error) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		m := merger{}
		defer m.close()
		if err := add(&m); err != nil {
			yield(Event{}, err)
			return
		}
		if err := m.setClocks(); err != nil {
			yield(Event{}, err)
			return
		}
		heap.Init(&m)
		for len(m.streams) > 0 {
			s := m.streams[0]
			if s.ready {
				if !yield(s.event, nil) {
					return
				}
				r.Stats.Events++
				r.Stats.Dropped += s.event.Dropped
			}
			if err := m.next(r); err != nil {
				yield(Event{}, err)
				return
			}
		}
	}
}

// add finds the streams behind a target.
func (r *Reader) add(m *merger, target string) error {
	if target == "-" {
		return r.addStdin(m)
	}
	info, err := os.Stat(target)
	if err != nil {
		return unreadable(target, err)
	}
	if !info.IsDir() {
		return r.addFile(m, target)
	}
	var files []string
	err = filepath.WalkDir(target, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, Suffix) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return unreadable(target, err)
	}
	slices.Sort(files)
	for _, f := range files {
		if err := r.addFile(m, f); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) addFile(m *merger, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return unreadable(path, err)
	}
	defer f.Close()
	r.Stats.Files++
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		r.Stats.Empty++
	}
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return r.spool(m, path, f) // a pipe, say from a shell's <(...)
	}
	return m.scan(r, path, path, f)
}

func (r *Reader) addStdin(m *merger) error {
	in := r.Stdin
	if in == nil {
		in = os.Stdin
	}
	r.Stats.Files++
	return r.spool(m, "standard input", in)
}

// spool copies what cannot be read twice.
func (r *Reader) spool(m *merger, name string, in io.Reader) error {
	f, err := os.CreateTemp("", "rtest-events-*"+Suffix)
	if err != nil {
		return fmt.Errorf("eventlog: no room to keep %s while it is read: %w", name, err)
	}
	defer f.Close()
	m.temp = append(m.temp, f.Name())
	if _, err := io.Copy(f, in); err != nil {
		return unreadable(name, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return unreadable(name, err)
	}
	return m.scan(r, f.Name(), name, f)
}

func unreadable(target string, err error) error {
	return fmt.Errorf("eventlog: cannot read events from %s: %w", target, err)
}

// Decode yields the events of one stream as they come, without ordering them. A line
// that tells of the clocks counts only for the lines after it; see Ordered. name is what
// Stats calls it.
func (r *Reader) Decode(name string, in io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s := stream{name: name, lines: newLines(in, 0, -1), clocks: map[Process]*clock{}}
		r.Stats.Files++
		for {
			ok, err := s.advance(r)
			if err != nil {
				yield(Event{}, err)
			}
			if !ok || err != nil {
				return
			}
			r.Stats.Events++
			r.Stats.Dropped += s.event.Dropped
			if !yield(s.event, nil) {
				return
			}
		}
	}
}

// next puts the next event of the first stream in its place among the others. A
// stream that has none leaves.
func (m *merger) next(r *Reader) error {
	ok, err := m.streams[0].advance(r)
	if err != nil {
		return err
	}
	if ok {
		heap.Fix(m, 0)
	} else {
		heap.Pop(m)
	}
	return nil
}

// Merge yields the events of several sequences in the order of time. Each sequence must
// be in that order.
func Merge(seqs ...iter.Seq2[Event, error]) iter.Seq2[Event, error] {
	if len(seqs) == 1 {
		return seqs[0]
	}
	return func(yield func(Event, error) bool) {
		m := merger{}
		defer m.close()
		for i, seq := range seqs {
			next, stop := iter.Pull2(seq)
			m.stops = append(m.stops, stop)
			s := &stream{rank: i, pull: next}
			if ok, err := s.advance(nil); err != nil {
				yield(Event{}, err)
				return
			} else if ok {
				m.streams = append(m.streams, s)
			}
		}
		heap.Init(&m)
		for len(m.streams) > 0 {
			s := m.streams[0]
			if !yield(s.event, nil) {
				return
			}
			if err := m.next(nil); err != nil {
				yield(Event{}, err)
				return
			}
		}
	}
}
