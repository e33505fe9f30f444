package eventlog

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
)

// Some collectors of logs show the newest line first, or mix up lines of the same
// moment. The numbers of the lines tell in which order a process wrote them:
//
//	{"ev":"release","seq":3,"mono_ms":900}
//	{"ev":"grant","seq":2,"mono_ms":10}
//	{"ev":"request","seq":1,"mono_ms":10}
//
// A file in which the numbers of a process go back is indexed: forty bytes a line.

// numbered is a line of a process whose numbers go back.
type numbered struct {
	at   span
	seq  uint64
	ts   int64 // nanoseconds
	mono MS
	pool bool // a Pool event, which has the number of the event after it
}

var errDisorder = errors.New("numbered lower than a line before it")

// reorder takes a file, up to end, whose scan found processes with numbers that go
// back. Those whose lines can be put into order get a stream each. With the others
// it is as the scan left it, and Stats counts what is out of order.
func (m *merger) reorder(r *Reader, f *scanned, file *os.File, end int64) error {
	behind, err := f.index(file, end)
	if err != nil {
		return err
	}
	for _, p := range byPlace(behind) {
		lines := behind[p]
		sorted := slices.Clone(lines)
		slices.SortStableFunc(sorted, func(a, b numbered) int {
			switch {
			case a.seq != b.seq || a.pool == b.pool:
				return cmp.Compare(a.seq, b.seq)
			case a.pool:
				return -1
			}
			return 1
		})
		if oneLog(sorted) {
			behind[p] = sorted
			continue
		}
		delete(behind, p)
		if !severalLogs(lines, sorted) {
			r.Stats.disordered(f.name, lines)
		}
	}
	if len(behind) == 0 {
		return nil
	}
	return f.split(behind, end)
}

// index collects the lines of the processes whose numbers go back.
func (f *scanned) index(file *os.File, end int64) (map[Process][]numbered, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, unreadable(f.name, err)
	}
	lines := map[Process][]numbered{}
	l := newLines(file, 0, end)
	for {
		at := l.offset
		line, _, _, err := l.next()
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return nil, unreadable(f.name, err)
		}
		ts := stamp(line, `"ts":"`)
		if ts.IsZero() {
			continue
		}
		if p := f.process(line); f.behind[p] {
			mono, _ := millis(line, `"mono_ms":`)
			lines[p] = append(lines[p], numbered{span{at, l.offset - at}, sequence(line), ts.UnixNano(), mono, bytes.Contains(line[:min(len(line), 256)], []byte(`"ev":"pool"`))})
		}
	}
}

// oneLog reports whether lines in the order of their numbers are what one process
// wrote: its clocks agree. A number that comes twice is the same line twice, or a Pool
// event and the one that it goes with.
func oneLog(sorted []numbered) bool {
	if sorted[0].seq == 0 {
		return false // not all are numbered
	}
	ts, mono := sorted[0].ts, sorted[0].mono
	for i := 1; i < len(sorted); i++ {
		a, b := &sorted[i-1], &sorted[i]
		if a.seq == b.seq && (a.ts != b.ts || a.mono != b.mono) || b.mono < mono-monoJitter || b.ts < ts-int64(disorder) {
			return false
		}
		ts, mono = max(ts, b.ts), max(mono, b.mono)
	}
	return true
}

// severalLogs reports whether lines are those of several processes of the same number,
// each in order: one log appended to another, or both mixed.
func severalLogs(lines, sorted []numbered) bool {
	logs, same, begun := 0, 0, false // that there must be
	var last uint64
	for i := range sorted {
		if sorted[i].pool || sorted[i].seq == 0 {
			continue
		}
		if sorted[i].seq != last {
			last, same = sorted[i].seq, 0
		}
		same++
		logs = max(logs, same)
	}
	begins := 0       // that can be seen
	var ends []uint64 // of the fewest logs that hold the lines so far, the highest first
	for i := range lines {
		seq := lines[i].seq
		if lines[i].pool || seq == 0 {
			continue
		}
		if seq == 1 || !begun {
			begun = true
			begins++
		}
		j, _ := slices.BinarySearchFunc(ends, seq, func(end, seq uint64) int {
			if end >= seq {
				return -1
			}
			return 1
		})
		if j < len(ends) {
			ends[j] = seq
		} else {
			ends = append(ends, seq)
		}
	}
	return len(ends) <= max(logs, begins)
}

// split makes the streams of a file anew: one for each process whose lines are sorted,
// and others for the rest.
func (f *scanned) split(sorted map[Process][]numbered, end int64) error {
	file, err := os.Open(f.path)
	if err != nil {
		return unreadable(f.name, err)
	}
	m := f.m
	m.files = append(m.files, file)
	m.streams, m.clocks, m.rank = m.streams[:f.before.streams], m.clocks[:f.before.clocks], f.before.rank
	again := newScanned(m, f.path, f.name)
	again.file = file
	again.skip = sorted
	if err := again.all(newLines(file, 0, end)); err != nil {
		return err
	}
	for _, p := range byPlace(sorted) {
		again.begin(sorted[p][0].at.from)
		for i := range sorted[p] {
			again.current.spans = append(again.current.spans, sorted[p][i].at)
		}
		if err := again.clockOf(again.current, p); err != nil {
			return err
		}
	}
	return nil
}

// byPlace lists processes in the order of the places of their first lines.
func byPlace(lines map[Process][]numbered) []Process {
	return slices.SortedFunc(maps.Keys(lines), func(a, b Process) int {
		return cmp.Compare(lines[a][0].at.from, lines[b][0].at.from)
	})
}

// clockOf reads what the lines of a sorted process tell of its clock.
func (f *scanned) clockOf(s *stream, p Process) error {
	l := s.source(nil)
	var c *clock
	for {
		line, _, _, err := l.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unreadable(f.name, err)
		}
		ts := stamp(line, `"ts":"`)
		mono, hasMono := millis(line, `"mono_ms":`)
		if c == nil {
			c = f.m.newClock(p, ts, mono)
			s.clocks[p] = c
			s.first, s.event.At = c, c.guess(ts, mono)
		}
		c.saw(ts, mono, hasMono, stamp(line, `"srv":"`))
	}
}

// disordered counts the lines that come after one with a higher number.
func (s *Stats) disordered(name string, lines []numbered) {
	var high uint64
	for i := range lines {
		if seq := lines[i].seq; seq >= high {
			high = seq
		} else if seq > 0 {
			s.unusable(&s.Disordered, name, lines[i].at.from, errDisorder)
		}
	}
}

// sequence finds the number in the head of a line, or returns 0.
func sequence(line []byte) uint64 {
	const field = `"seq":`
	head := line[:min(len(line), 256)]
	i := bytes.Index(head, []byte(field))
	if i < 0 {
		return 0
	}
	var n uint64
	for _, c := range bytes.TrimLeft(head[i+len(field):], " ") {
		if c < '0' || c > '9' || n > 1<<59 {
			break
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}
