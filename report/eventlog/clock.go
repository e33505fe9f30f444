package eventlog

import (
	"io"
	"os"
	"slices"
	"time"
)

// A clock turns the times of one process into times that can be compared with those
// of others. The monotonic clock of the process orders its events, since the wall
// clock of a machine may be set while a test runs:
//
//	ts 12:00:00  mono 0 s      the machine's clock is an hour behind
//	ts 13:00:01  mono 1 s      it was set; one second has passed
//
// Where the monotonic clock stood at zero is told by the store's time, if any line
// has it, else by what can be found out, see setClocks.
type clock struct {
	process Process

	mono bool      // lines say what the monotonic clock shows
	zero time.Time // when that was zero
	// Without a monotonic clock: the store's time less the wall clock's.
	ahead time.Duration
	last  time.Time // of the events so far
	seq   uint64    // of the latest line of the scan

	stored   bool // zero, or ahead, is the store's time
	unplaced bool // it could not be compared with other machines

	// What was collected before the events are read.
	firstTS, lastTS time.Time
	firstMono       MS
	lastMono        MS
	lines           int
	steps           []step
	anchors         []time.Duration // the store's time less firstZero
}

// A step is a change of the wall clock: it showed at, and then by more than it
// should have.
type step struct {
	at time.Time
	by time.Duration
}

// stepLeast is how far the wall clock may run from the monotonic one between two
// lines without having been set.
const stepLeast = time.Second

// monoJitter is how far the lines of a process may be out of the order of its
// monotonic clock. The writer's are not at all.
const monoJitter = MS(100 * time.Millisecond)

// late is how much older than its event a time of the store may be: that of a
// request that gives up is the one that was told with the blockers.
const late = 10 * time.Second

func (m *merger) newClock(p Process, ts time.Time, mono MS) *clock {
	c := &clock{process: p, firstTS: ts, lastTS: ts, firstMono: mono, lastMono: mono}
	m.clocks = append(m.clocks, c)
	return c
}

// firstZero is when the monotonic clock stood at zero, as the first line says.
func (c *clock) firstZero() time.Time { return c.firstTS.Add(-c.firstMono.Duration()) }

// guess is a time before the clocks are set: it is right within one process.
func (c *clock) guess(ts time.Time, mono MS) time.Time {
	if c.mono || mono > 0 {
		return c.firstZero().Add(mono.Duration())
	}
	return ts
}

// goesBack reports whether a line is of another log of the process, or of another
// process of the same number.
func (c *clock) goesBack(ts time.Time, mono MS, hasMono bool) bool {
	if hasMono && (c.mono || mono > c.lastMono) {
		return mono < c.lastMono-monoJitter
	}
	return ts.Before(c.lastTS.Add(-disorder))
}

// saw takes a line of the scan.
func (c *clock) saw(ts time.Time, mono MS, hasMono bool, srv time.Time) {
	c.lines++
	if hasMono && mono > 0 && !c.mono {
		c.mono = true
	}
	if c.mono && hasMono {
		if by := ts.Sub(c.lastTS) - (mono - c.lastMono).Duration(); c.lines > 1 && by.Abs() > stepLeast {
			c.steps = append(c.steps, step{c.lastTS, by})
		}
		c.lastMono = max(c.lastMono, mono)
	}
	c.lastTS = ts
	if srv.IsZero() {
		return
	}
	if c.mono {
		c.anchors = append(c.anchors, srv.Sub(c.firstZero().Add(mono.Duration())))
	} else if len(c.anchors) == 0 {
		c.anchors = append(c.anchors, srv.Sub(ts))
	}
}

// set fills e.At.
func (c *clock) set(e *Event) {
	switch {
	case !c.mono && !e.Srv.IsZero():
		e.At = e.Srv
		if !e.TS.IsZero() {
			c.ahead = e.Srv.Sub(e.TS)
		}
	case !c.mono:
		e.At = e.TS.Add(c.ahead)
	default:
		// The store's time is never ahead of the event that tells it, and often late:
		// of all that is told, the latest is the nearest to the truth.
		if z := e.Srv.Add(-e.MonoMS.Duration()); !e.Srv.IsZero() && z.After(c.zero) {
			c.zero = z
		}
		e.At = c.zero.Add(e.MonoMS.Duration())
		if e.At.Before(c.last) {
			e.At = c.last
		}
		c.last = e.At
		if c.lines == 0 {
			c.lastMono = e.MonoMS
		}
	}
	e.Unplaced = c.unplaced
}

// clock is the one of an event. Only streams that are decoded as they come meet
// processes that no scan has seen.
func (s *stream) clock(e *Event) *clock {
	p := e.Process()
	c := s.clocks[p]
	if c == nil || c.lines == 0 && c.mono && e.MonoMS < c.lastMono-monoJitter {
		c = &clock{process: p, mono: e.MonoMS > 0, zero: e.TS.Add(-e.MonoMS.Duration())}
		if s.clocks == nil {
			s.clocks = map[Process]*clock{}
		}
		s.clocks[p] = c
	}
	if !c.mono && c.lines == 0 && e.MonoMS > 0 && e.Srv.IsZero() {
		// A log begins with the monotonic clock at zero, as does one that does not have it.
		c.mono, c.zero = true, e.TS.Add(c.ahead).Add(-e.MonoMS.Duration())
	}
	return c
}

// setClocks finds out, once all files are scanned, what the clocks are to be
// compared by. The first of these that is known:
//
//   - the store's time in lines of the process itself;
//   - the time since when it held something, which the store told those who waited
//     for it: a process that never waits reads no time of the store;
//   - the difference to a process on the same machine of which one of these is known;
//   - the wall clock of the machine, as it was in the end: a clock that is set during
//     a run is mostly set right.
//
// Processes of the last kind are unplaced where there are several machines.
func (m *merger) setClocks() error {
	hosts := map[string]bool{}
	open := false
	for _, c := range m.clocks {
		hosts[c.process.Host] = true
		c.anchor(c.anchors)
		open = open || !c.stored
	}
	if len(hosts) > 1 && open && slices.ContainsFunc(m.clocks, func(c *clock) bool { return c.stored }) {
		if err := m.askOthers(); err != nil {
			return err
		}
	}
	m.settleSteps()
	for _, c := range m.clocks {
		if c.stored {
			continue
		}
		near := m.neighbour(c)
		switch {
		case near != nil && c.mono:
			c.zero = c.wallZero().Add(near.offset())
		case near != nil:
			c.ahead = near.offset()
		default:
			c.zero = c.wallZero()
			c.unplaced = len(hosts) > 1
		}
	}
	for _, s := range m.streams {
		s.several = len(s.clocks) > 1
		if c := s.first; c != nil && c.mono {
			s.event.At = s.event.At.Add(c.zero.Sub(c.firstZero()))
		} else if c != nil {
			s.event.At = s.event.At.Add(c.ahead)
		}
	}
	return nil
}

// anchor sets the clock by times of the store.
func (c *clock) anchor(times []time.Duration) {
	if len(times) == 0 {
		return
	}
	best := times[0]
	for _, t := range times {
		if t > best && t <= times[0]+late {
			best = t
		}
	}
	c.stored, c.zero, c.ahead = true, c.firstZero().Add(best), best
}

// wallZero is when the monotonic clock stood at zero, by the wall clock as it was
// in the end.
func (c *clock) wallZero() time.Time {
	z := c.firstZero()
	for _, s := range c.steps {
		z = z.Add(s.by)
	}
	return z
}

// offset is the store's time less that of the wall clock.
func (c *clock) offset() time.Duration {
	if c.mono {
		return c.zero.Sub(c.wallZero())
	}
	return c.ahead
}

// neighbour is the process of the same machine that is nearest in time and has the
// store's.
func (m *merger) neighbour(c *clock) (best *clock) {
	for _, o := range m.clocks {
		if o.stored && o.process.Host == c.process.Host && (best == nil || o.firstTS.Sub(c.firstTS).Abs() < best.firstTS.Sub(c.firstTS).Abs()) {
			best = o
		}
	}
	return best
}

// settleSteps gives steps of a machine's clock to the processes that were over when
// it was set: one of the others has seen it.
func (m *merger) settleSteps() {
	type seen struct {
		step
		host string
	}
	var all []seen
	for _, c := range m.clocks {
		for _, s := range c.steps {
			known := slices.ContainsFunc(all, func(o seen) bool {
				return o.host == c.process.Host && (o.by-s.by).Abs() <= stepLeast && o.at.Sub(s.at).Abs() < time.Minute
			})
			if !known {
				all = append(all, seen{s, c.process.Host})
			}
		}
	}
	for _, s := range all {
		for _, c := range m.clocks {
			if c.process.Host != s.host || slices.ContainsFunc(c.steps, func(o step) bool { return (o.by - s.by).Abs() <= stepLeast }) {
				continue
			}
			// After a step back the clock shows times for the second time: what lies nearer
			// to the moment of the step was before it, what lies nearer to where the clock
			// went came after it.
			before := !c.lastTS.After(s.at)
			if s.by < 0 && before {
				before = s.at.Sub(c.lastTS) < c.firstTS.Sub(s.at.Add(s.by)).Abs()
			}
			if before {
				c.steps = append(c.steps, step{c.lastTS, s.by})
			}
		}
	}
}

// askOthers sets clocks by what those who waited tell of their holders.
func (m *merger) askOthers() error {
	wanted := map[Process]bool{}
	for _, c := range m.clocks {
		if !c.stored && c.mono {
			wanted[c.process] = true
		}
	}
	since := map[string]time.Time{} // by request: when the store gave it what it held
	type grant struct {
		clock *clock
		req   string
		mono  MS
	}
	var grants []grant
	err := m.each(func(s *stream, e *Event) {
		if e.Ev == Grant && e.Req != "" && wanted[e.Process()] {
			grants = append(grants, grant{s.clocks[e.Process()], e.Req, e.MonoMS})
		}
		if e.Srv.IsZero() {
			return
		}
		for i := range e.Blockers {
			b := &e.Blockers[i]
			if b.Req != "" && !b.Since.IsZero() && b.State == "" && wanted[Process{b.Host, b.Run, b.PID}] {
				since[b.Req] = b.Since
			}
		}
	})
	if err != nil {
		return err
	}
	told := map[*clock][]time.Duration{}
	for _, g := range grants {
		if at, ok := since[g.req]; ok && g.clock != nil && !g.clock.stored {
			told[g.clock] = append(told[g.clock], at.Sub(g.clock.firstZero().Add(g.mono.Duration())))
		}
	}
	for c, times := range told {
		c.anchor(times)
	}
	return nil
}

// each reads all streams once, one after the other.
func (m *merger) each(f func(*stream, *Event)) error {
	var d decoder
	for _, s := range m.streams {
		file, err := os.Open(s.path)
		if err != nil {
			return unreadable(s.name, err)
		}
		err = s.eachIn(file, &d, f)
		file.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) eachIn(file *os.File, d *decoder, f func(*stream, *Event)) error {
	if _, err := file.Seek(s.from, io.SeekStart); err != nil {
		return unreadable(s.name, err)
	}
	l := s.source(file)
	for {
		line, _, long, err := l.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unreadable(s.name, err)
		}
		var e Event
		if !long && d.decode(line, &e) == nil {
			f(s, &e)
		}
	}
}
